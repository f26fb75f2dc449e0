package activities

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"infrabackup/internal/backup"
	"infrabackup/internal/flow"
	"infrabackup/internal/repository"
	"infrabackup/internal/seal"
	"infrabackup/internal/settings"
	"infrabackup/internal/share"
	"infrabackup/internal/share/dir"
	"infrabackup/internal/spool"
)

// TestALateAttemptToPublishEntersNothingOld: the attempt that published was not heard of,
// and the next one comes when the backup's key was replaced already. The ledger keeps what
// it says of the replaced key.
func TestALateAttemptToPublishEntersNothingOld(t *testing.T) {
	const instance, id = "t-0ec3988e", backup.ID("1945dfe4-d16c-4b36-9096-1deceb046647")
	const name = "20261123T195927Z_" + string(id)
	folder := filepath.Join(t.TempDir(), "share")
	require.NoError(t, os.CopyFS(folder, os.DirFS(filepath.Join("..", "tests", "compat", "testdata", "v1", "share"))))
	s := trusting(t, instance, "")
	s.Signing.Former = nil
	key, err := seal.ParseSigningKey(s.Signing.PrivateKey.String)
	require.NoError(t, err)
	signers := allowed(s.Signing.Publics())
	store, err := dir.Open(folder)
	require.NoError(t, err)
	repo := repository.New(store, instance)
	head := backup.LedgerHead{}
	for i, e := range []backup.LedgerEntry{
		{Action: backup.LedgerBegun},
		{Action: backup.LedgerCreated, BackupID: id, Folder: name, SumsSHA256: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
		{Action: backup.LedgerRewrapped, BackupID: id, Folder: name, SumsSHA256: "f3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
	} {
		e.At, e.By, e.Controller = time.Unix(1_800_000_000+int64(i), 0), "op", s.Controller
		var own bool
		head, own, err = repo.Ledger().Append(t.Context(), head, e, key, signers)
		require.NoError(t, err)
		require.True(t, own)
	}
	spooled, err := spool.Open(filepath.Join(t.TempDir(), "spool"))
	require.NoError(t, err)
	a := New(Dependencies{
		Instance: backup.Instance{Name: instance}, Spool: spooled, Now: time.Now,
		Client: &entity{answers: map[string]any{
			flow.GetSettings.Name: s, flow.GetLedger.Name: head, flow.GetStanding.Name: flow.SettingsStanding{},
		}},
		OpenStore: func(context.Context, settings.Settings) (share.Store, error) { return dir.Open(folder) },
	})
	t.Cleanup(func() { require.NoError(t, a.Close()); require.NoError(t, spooled.Close()) })
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	env.RegisterActivity(a.PublishBackup)
	started, err := time.Parse("20060102T150405Z", "20261123T195927Z")
	require.NoError(t, err)
	value, err := env.ExecuteActivity(a.PublishBackup, flow.PublishBackupInput{
		BackupID: id, Revision: 1, StartedAt: started, RequestedBy: "op",
		Sealed: []backup.File{{Name: backup.SumsFile, SHA256: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}},
	})
	require.NoError(t, err)
	var out flow.PublishBackupOutput
	require.NoError(t, value.Get(&out))
	require.Equal(t, name, filepath.Base(out.Path))
	ledger, err := repo.Ledger().Read(t.Context(), signers)
	require.NoError(t, err)
	state, known := ledger.State(id)
	require.True(t, known)
	require.Equal(t, backup.LedgerRewrapped, state.Action)
	require.EqualValues(t, 3, state.Sequence)
}
