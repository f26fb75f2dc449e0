package activities

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/repository/audit"
	"infrabackup/internal/share"
)

// sealed makes the shelf's backup one that is to be published, and that no ledger knows.
func (x *shelf) sealed() flow.PublishBackupInput {
	x.t.Helper()
	instance := filepath.Join(x.folder, shelfInstance)
	require.NoError(x.t, os.RemoveAll(filepath.Join(instance, backup.LedgerDir)))
	x.entity.heads = map[string]backup.LedgerHead{}
	x.enter(backup.LedgerEntry{Action: backup.LedgerBegun})
	require.NoError(x.t, os.MkdirAll(filepath.Join(instance, backup.IncomingDir), 0o700))
	require.NoError(x.t, os.Rename(filepath.Join(instance, backup.BackupsDir, shelfFolder), filepath.Join(instance, backup.IncomingPath(shelfID))))
	var sealed []backup.File
	for _, name := range []string{backup.SumsFile, backup.SignatureFile} {
		data, err := os.ReadFile(filepath.Join(instance, backup.IncomingPath(shelfID), name))
		require.NoError(x.t, err)
		sum := sha256.Sum256(data)
		sealed = append(sealed, backup.File{Name: name, Size: int64(len(data)), SHA256: hex.EncodeToString(sum[:])})
	}
	started, err := time.Parse("20060102T150405Z", "20261123T195927Z")
	require.NoError(x.t, err)
	return flow.PublishBackupInput{BackupID: shelfID, Revision: 1, StartedAt: started, RequestedBy: "op", Sealed: sealed}
}

// cut is a share that does not take a file of the given name.
type cut struct {
	share.Store
	name string
}

// Rename implements share.Store.
func (c *cut) Rename(ctx context.Context, from, to string) error {
	if filepath.Base(to) == c.name {
		return fault.Newf(fault.ShareUnreachable, "the connection ended")
	}
	return c.Store.Rename(ctx, from, to)
}

// TestWhatWasPublishedIsListedOrRemoved: the run is cancelled, or fails, when the backup
// has its name. Either it is in the ledger, and the run is told, or nothing is left of it.
func TestWhatWasPublishedIsListedOrRemoved(t *testing.T) {
	discard := flow.DiscardBackupInput{BackupID: shelfID, Revision: 1}
	for name, test := range map[string]struct {
		publish func(t *testing.T, x *shelf, in flow.PublishBackupInput)
		listed  bool
	}{
		"before anything": {func(*testing.T, *shelf, flow.PublishBackupInput) {}, false},
		"the share is away when it is to be entered": {func(t *testing.T, x *shelf, in flow.PublishBackupInput) {
			away := &cut{name: backup.LedgerFile(2)}
			x.wrap = func(s share.Store) share.Store { away.Store = s; return away }
			_, err := run(t, x.a.PublishBackup, in)
			require.Equal(t, fault.ShareUnreachable, fault.CodeOf(err))
			require.DirExists(t, filepath.Join(x.folder, shelfInstance, backup.BackupsDir, shelfFolder))
			away.name = ""
		}, false},
		"cancelled when it has its name": {func(t *testing.T, x *shelf, in flow.PublishBackupInput) {
			w := &writing{name: shelfFolder}
			x.wrap = func(s share.Store) share.Store { w.Store = s; return w }
			_, err := run(t, func(ctx context.Context, in flow.PublishBackupInput) (flow.PublishBackupOutput, error) {
				ctx, w.call = context.WithCancel(ctx)
				return x.a.PublishBackup(ctx, in)
			}, in)
			require.NoError(t, err, "it is a backup, and was entered")
			require.Nil(t, w.call)
		}, true},
		"an attempt goes on while it is discarded": {func(t *testing.T, x *shelf, in flow.PublishBackupInput) {
			w := &writing{name: backup.LedgerFile(2)}
			w.call = func() {
				out, err := run(t, x.a.DiscardBackup, discard)
				require.NoError(t, err)
				require.Empty(t, out.Published)
			}
			x.wrap = func(s share.Store) share.Store { w.Store = s; return w }
			_, err := run(t, x.a.PublishBackup, in)
			require.Equal(t, fault.BackupNotFound, fault.CodeOf(err))
			require.Nil(t, w.call)
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			x := newShelf(t)
			test.publish(t, x, x.sealed())
			for range 2 { // and a repeated attempt
				out, err := run(t, x.a.DiscardBackup, discard)
				require.NoError(t, err)
				require.Equal(t, test.listed, out.Published != "", out.Published)
			}
			head := x.entity.heads[x.s.Share.Place()]
			found, backups, err := audit.Run(t.Context(), x.repo, audit.Options{AllowedSigners: x.signers, Head: &head})
			require.NoError(t, err)
			require.True(t, found.Good(), "%+v", found)
			require.Equal(t, test.listed, len(backups) == 1)
			left, err := os.ReadDir(filepath.Join(x.folder, shelfInstance, backup.IncomingDir))
			require.NoError(t, err)
			require.Empty(t, left)
		})
	}
}
