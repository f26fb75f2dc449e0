package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
)

// A check is made by whoever installs, often root. What it made would not be the worker's.
func TestCheckMakesNothing(t *testing.T) {
	base := t.TempDir()
	missing := filepath.Join(base, "state", "spool")
	require.NoError(t, checkSpool(missing), "the worker makes it")
	require.NoDirExists(t, filepath.Dir(missing))

	dir := filepath.Join(base, "spool")
	require.NoError(t, os.Mkdir(dir, 0o700))
	require.NoError(t, checkSpool(dir))
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)

	if os.Geteuid() == 0 { // nobody else can give a folder away
		require.NoError(t, os.Chown(dir, 54321, -1))
		err = checkSpool(dir)
		require.ErrorIs(t, err, fault.ConfigInvalid)
		require.ErrorContains(t, err, "belongs to user 54321, and user 0 runs this")
		left, err = os.ReadDir(dir)
		require.NoError(t, err)
		require.Empty(t, left)
	}
	require.NoError(t, os.WriteFile(filepath.Join(base, "file"), nil, 0o600))
	require.ErrorIs(t, checkSpool(filepath.Join(base, "file", "spool")), fault.SpoolIO)
}

// What is not configured is said, so that nobody takes it for captured.
func TestCheckNamesWhatIsNotConfigured(t *testing.T) {
	p := newProcess("--check", "--config", newSite(t, "127.0.0.1:1").config)
	run(p.process)
	require.Contains(t, p.out.String(), "none  source ad: not configured here")
	require.Contains(t, p.out.String(), "none  source azure: not configured here")
	require.NotContains(t, p.out.String(), "none  source ca")
}
