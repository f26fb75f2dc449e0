package activities

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"go.temporal.io/sdk/testsuite"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/flow"
	"infrabackup/internal/seal"
	"infrabackup/internal/settings"
	"infrabackup/internal/share"
	"infrabackup/internal/share/dir"
)

// TestDeleteRefusesWhileTwoFoldersHaveTheID: neither is removed, and nothing is entered
// into the ledger. The newest backup is the one that can be read.
func TestDeleteRefusesWhileTwoFoldersHaveTheID(t *testing.T) {
	const instance, id = "t-0ec3988e", backup.ID("1945dfe4-d16c-4b36-9096-1deceb046647")
	folder := filepath.Join(t.TempDir(), "share")
	require.NoError(t, os.CopyFS(folder, os.DirFS(filepath.Join("..", "tests", "compat", "testdata", "v1", "share"))))
	own := filepath.Join(folder, instance, backup.BackupsDir, "20261123T195927Z_"+string(id))
	planted := filepath.Join(filepath.Dir(own), "20991127T031626Z_"+string(id))
	require.NoError(t, os.CopyFS(planted, os.DirFS(own)))
	list, err := os.ReadFile(filepath.Join(folder, instance, backup.AllowedSignersFile))
	require.NoError(t, err)
	keys, err := seal.ParseAllowedSigners(list)
	require.NoError(t, err)
	a := New(Dependencies{
		Instance: backup.Instance{Name: instance},
		Client: &entity{answers: map[string]any{
			flow.GetSettings.Name: trusting(t, instance, keys[0]),
			flow.GetLedger.Name:   backup.LedgerHead{},
			flow.GetStanding.Name: flow.SettingsStanding{},
		}},
		OpenStore: func(context.Context, settings.Settings) (share.Store, error) { return dir.Open(folder) },
	})
	t.Cleanup(func() { require.NoError(t, a.Close()) })
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	env.RegisterActivity(a.DeleteBackup)
	env.RegisterActivity(a.ListBackups)
	_, err = env.ExecuteActivity(a.DeleteBackup, flow.DeleteInput{Instance: instance, BackupID: id, RequestedBy: "op"})
	require.ErrorContains(t, err, "two folders have the ID of backup "+string(id))
	require.DirExists(t, own)
	require.DirExists(t, planted)
	require.NoDirExists(t, filepath.Join(folder, instance, backup.LedgerDir))

	for _, expected := range []bool{false, true} {
		value, err := env.ExecuteActivity(a.ListBackups, flow.ListInput{Instance: instance, Limit: 1, Expected: expected})
		require.NoError(t, err)
		var out flow.ListOutput
		require.NoError(t, value.Get(&out))
		require.Len(t, out.Backups, 1)
		require.Equal(t, id, out.Backups[0].BackupID)
		require.Equal(t, expected, out.Expected == id)
	}
}
