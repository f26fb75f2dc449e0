package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/flow"
)

// leaveForeign puts into a folder what others leave there, and what the account on the
// share may neither read nor remove: the test is not that account.
func leaveForeign(t *testing.T, folder string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(folder, 0o777))
	file := func(mode os.FileMode, name string) {
		path := filepath.Join(folder, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte("not ours"), 0o600))
		require.NoError(t, os.Chmod(path, mode))
	}
	for _, name := range []string{
		".DS_Store", "._key.age", "Thumbs.db", "@eaDir/SYNO@.fileindexdb", "notes (1).txt", "~$x.tmp", "\u202etxt.exe", "a\u200bb",
		"New folder/deep/er", "dot.", "a:b", "con", strings.Repeat("l", 200), "ä ö ü.docx",
	} {
		file(0o644, name)
	}
	file(0o400, "readonly.txt")
	file(0o000, "locked.bin")
	file(0o000, "locked/x")
	require.NoError(t, os.Chmod(filepath.Join(folder, "locked"), 0o000))
}

// TestForeignEntriesOnARealFileServer: what others leave on a share stops no run before,
// during or after it, and no deletion; verifying finds nothing and names it.
func TestForeignEntriesOnARealFileServer(t *testing.T) {
	t.Parallel()
	c, _, config := withFileServer(t, "127.0.0.55", "", 1<<20, func(*workerConfig) {})
	startWorkers(t, config)
	c.enable()
	door, ctx := c.door(), t.Context()
	in := func(names ...string) string {
		return filepath.Join(append([]string{c.shareDir, c.instance.Name}, names...)...)
	}
	first, run := c.begin()
	overview, err := run.Get(ctx)
	require.NoError(t, err)
	for _, folder := range []string{"..", "", backup.BackupsDir, backup.IncomingDir, backup.LedgerDir, backup.StagingDir, filepath.Join("..", overview.Path)} {
		leaveForeign(t, in(folder))
	}
	second, run := c.begin()
	work := in(backup.IncomingPath(second))
	c.during(run, func() bool { _, err := os.Stat(work); return err == nil })
	leaveForeign(t, work)
	overview, err = run.Get(ctx)
	require.NoError(t, err)
	require.Equal(t, backup.Succeeded, overview.Status)
	require.NotZero(t, overview.Foreign.Count)

	audit, err := door.VerifyAll(ctx)
	require.NoError(t, err)
	require.True(t, audit.Good(), "%+v", audit)
	require.Len(t, audit.Backups, 2)
	named := audit.Foreign
	for _, v := range audit.Backups {
		require.NotZero(t, v.Foreign.Count)
		named.Merge(v.Foreign)
	}
	text := strings.Join(named.Names, "\n")
	for _, name := range []string{"@eaDir", "notes (1).txt", `\u202etxt.exe`, `a\u200bb`, "locked.bin"} {
		require.Contains(t, text, "/"+name)
	}
	require.NotContains(t, text, "\u202e")
	for _, id := range []backup.ID{second, first} {
		gone, err := door.Delete(ctx, string(id), "test")
		require.NoError(t, err)
		require.NotZero(t, gone.Foreign.Count)
	}
	_, run = c.beginWith(flow.BackupInput{})
	_, err = run.Get(ctx)
	require.NoError(t, err)
	audit, err = door.VerifyAll(ctx)
	require.NoError(t, err)
	require.True(t, audit.Good(), "%+v", audit)
	require.Len(t, audit.Backups, 1)
}
