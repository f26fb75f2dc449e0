package secret

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReplace(t *testing.T) {
	folder := t.TempDir()
	info, err := os.Stat(folder)
	require.NoError(t, err)
	path := filepath.Join(folder, "f")
	for _, text := range []string{"new", "newer"} {
		require.NoError(t, Replace(path, info, []byte(text)))
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, text, string(data))
		info, err = os.Stat(path)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode())
	}
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.Len(t, entries, 1)
}

// What cannot be put in place leaves no second file with secrets behind.
func TestReplaceWhatCannotBeReplaced(t *testing.T) {
	info, err := os.Stat(t.TempDir())
	require.NoError(t, err)
	occupied := filepath.Join(t.TempDir(), "folder")
	require.NoError(t, os.MkdirAll(filepath.Join(occupied, "x"), 0o700))
	require.Error(t, Replace(occupied, info, []byte("new")))
	entries, err := os.ReadDir(filepath.Dir(occupied))
	require.NoError(t, err)
	require.Len(t, entries, 1)
	require.ErrorIs(t, Replace(filepath.Join(occupied, "none", "f"), info, nil), os.ErrNotExist)
}
