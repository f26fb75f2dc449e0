package capture

import (
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/repository"
	"infrabackup/internal/seal"
	"infrabackup/internal/share"
	"infrabackup/internal/share/dir"
	"infrabackup/internal/spool"
)

// counted is a progress that counts.
type counted struct{ items, bytes, total atomic.Int64 }

func (c *counted) StartUpload(total int64)   { c.total.Store(total) }
func (c *counted) StartReadBack(total int64) { c.total.Store(total) }
func (c *counted) SetBytes(done int64)       { c.bytes.Store(done) }
func (c *counted) AddItem()                  { c.items.Add(1) }

// bench is one backup that is to be captured, and a share that is a folder.
type bench struct {
	t         *testing.T
	spool     *spool.Spool
	store     share.Store
	repo      *repository.Repository
	folder    string // of the work for the backup, on the share
	id        backup.ID
	recipient string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	root := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(root, "share"), 0o700))
	store, err := dir.Open(filepath.Join(root, "share"))
	require.NoError(t, err)
	kept, err := spool.Open(filepath.Join(root, "spool"))
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, store.Close())
		require.NoError(t, kept.Close())
	})
	b := &bench{t: t, spool: kept, store: store, repo: repository.New(store, "lab"), id: "0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11"}
	_, b.recipient, err = seal.DeriveIdentity([32]byte{9})
	require.NoError(t, err)
	b.folder = filepath.Join(root, "share", "lab", backup.IncomingPath(b.id))
	require.NoError(t, b.repo.Begin(t.Context(), b.id))
	require.NoError(t, kept.Begin(b.id))
	return b
}
