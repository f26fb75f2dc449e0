package drilling_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/activities/drilling"
	"infrabackup/internal/backup"
	"infrabackup/internal/diff/result"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow/drills"
	operatordrilling "infrabackup/internal/operator/drilling"
	"infrabackup/internal/repository"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/drill"
	"infrabackup/internal/seal"
	"infrabackup/internal/share/dir"
)

func drillID(n int) backup.ID {
	return backup.ID(fmt.Sprintf("0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a%02d", n))
}

// TestLook: certificates that an operator laid beside the backups, page by page and one by one.
func TestLook(t *testing.T) {
	place := t.TempDir()
	text, err := seal.GenerateSigningKey(rand.Reader)
	require.NoError(t, err)
	key, err := seal.ParseSigningKey(text)
	require.NoError(t, err)
	folder := filepath.Join(place, "local", backup.DrillsDir)
	require.NoError(t, os.MkdirAll(folder, 0o755))
	for n := range 5 {
		c := &drill.Certificate{Format: drill.Format, Instance: backup.Instance{Name: "local"}, DrillID: drillID(n), Backup: drill.Backup{ID: drillID(90)}, StartedAt: time.Unix(int64(1_800_000_000+n), 0).UTC(), EndedAt: time.Unix(1_900_000_000, 0).UTC()}
		c.Judge(drill.Evidence{Plan: &restore.Plan{}, Report: &result.Report{}})
		_, err := operatordrilling.Write(folder, c, key)
		require.NoError(t, err)
	}
	var signers []byte
	var unreadable error
	instance := backup.Instance{Name: "local"}
	a := drilling.Activities{
		Repository: func(context.Context) (*repository.Repository, backup.Instance, error) {
			store, err := dir.Open(place)
			if err == nil {
				t.Cleanup(func() { _ = store.Close() })
			}
			return repository.New(store, "local"), instance, err
		},
		Signers: func(context.Context) ([]byte, error) { return signers, unreadable },
	}
	look := func(in drills.Input) drills.Output {
		t.Helper()
		in.Instance = "local"
		require.NoError(t, in.Check("local"))
		out, err := a.Look(t.Context(), in)
		require.NoError(t, err)
		require.True(t, out.Answers(in))
		return out
	}
	out := look(drills.Input{Count: 2})
	require.Equal(t, []any{5, 2, drillID(4), drillID(3), drill.Unchecked}, []any{out.Total, len(out.Drills), out.Drills[0].DrillID, out.Drills[1].DrillID, out.Drills[0].Trust})
	out = look(drills.Input{From: 4, Count: 2})
	require.Equal(t, []any{1, drillID(0)}, []any{len(out.Drills), out.Drills[0].DrillID})
	require.Empty(t, look(drills.Input{From: 100, Count: 2}).Drills)

	signers = []byte(seal.DrillSignersLine(key.Public()))
	out = look(drills.Input{DrillID: drillID(1)})
	require.Equal(t, []any{drill.Believed, key.Fingerprint(), drillID(1)}, []any{out.Drills[0].Trust, out.Drills[0].Signer, out.Certificate.DrillID})

	// Others lay files with the ID of a drill in their names beside it: what is believed is told.
	for _, name := range []string{"20000101T000000Z_", "20991231T235959Z_"} {
		name += string(drillID(1)) + ".json"
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte("{}"), 0o644))
		found := look(drills.Input{DrillID: drillID(1)})
		require.Equal(t, out.Drills, found.Drills)
		require.NotNil(t, found.Certificate)
		require.NoError(t, os.Remove(filepath.Join(folder, name)))
	}
	instance.DeploymentID = "d"
	require.Equal(t, drill.Refused, look(drills.Input{DrillID: drillID(1)}).Drills[0].Trust, "a drill of another deployment")
	instance.DeploymentID = ""
	require.NoError(t, os.Remove(filepath.Join(folder, out.Drills[0].File+drill.SignatureSuffix)))
	out = look(drills.Input{DrillID: drillID(1)})
	require.Equal(t, drill.Refused, out.Drills[0].Trust)
	require.Nil(t, out.Certificate)

	_, err = a.Look(t.Context(), drills.Input{Instance: "local", DrillID: drillID(77)})
	require.ErrorIs(t, err, fault.ItemNotFound)
	unreadable = fault.Newf(fault.ConfigInvalid, "no list")
	_, err = a.Look(t.Context(), drills.Input{Instance: "local", Count: 1})
	require.ErrorIs(t, err, fault.ConfigInvalid, "a list that cannot be read is no missing one")
}
