package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
)

// Nothing in clear, and no private key, is written to where the backups lie.
func TestNothingIsOpenedIntoTheShare(t *testing.T) {
	f := thaw(t)
	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(f.folder, link))
	instance := filepath.Join(f.folder, frozenInstance)
	for _, to := range []string{f.folder, filepath.Join(f.folder, "out"), filepath.Join(f.backup, "a", "b"), filepath.Join(link, "out"), instance} {
		out := f.extract(to)
		require.Equal(t, fault.ExitUsage, out.code, to)
		require.Contains(t, out.stderr, "others could read it")
	}
	t.Chdir(f.backup)
	require.Equal(t, fault.ExitUsage, f.call("restore extract", "--to", ".").code)
	for _, args := range [][]string{
		{"key", "generate", "--out", filepath.Join(instance, "operator.key")},
		{"key", "generate", "--out", "operator.key"},
		{"codec-key", "generate", "--out", filepath.Join(link, frozenInstance, "backups", "codec.keys")},
	} {
		out := call(t, "", nil, args...)
		require.Equal(t, fault.ExitUsage, out.code, args)
		require.Contains(t, out.stderr, "is an instance's folder")
	}
	found, err := filepath.Glob(filepath.Join(f.folder, "*"))
	require.NoError(t, err)
	require.Len(t, found, 1)
	require.Zero(t, f.extract(filepath.Join(t.TempDir(), "out")).code)
}
