package repository_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/repository"
	"infrabackup/internal/share/dir"
)

// One folder under two names is told from a copy of it, and nothing is left of the look.
func TestSameFolderUnderAnotherName(t *testing.T) {
	base := t.TempDir()
	folder, name, another := filepath.Join(base, "share"), filepath.Join(base, "name"), filepath.Join(base, "copy")
	incoming := filepath.Join("local", backup.IncomingDir)
	require.NoError(t, os.MkdirAll(filepath.Join(folder, incoming), 0o700))
	require.NoError(t, os.Symlink(folder, name))
	require.NoError(t, os.CopyFS(another, os.DirFS(folder)))
	open := func(path string) *dir.Store {
		path, err := filepath.EvalSymlinks(path)
		require.NoError(t, err)
		store, err := dir.Open(path)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, store.Close()) })
		return store
	}
	for path, want := range map[string]bool{folder: true, name: true, another: false} {
		same, err := repository.SameFolder(t.Context(), "local", open(path), open(folder))
		require.NoError(t, err)
		require.Equal(t, want, same, path)
		left, err := os.ReadDir(filepath.Join(path, incoming))
		require.NoError(t, err)
		require.Empty(t, left)
	}
}
