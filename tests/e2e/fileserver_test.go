package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/repository/audit"
	"infrabackup/internal/secret"
	"infrabackup/internal/settings"
	"infrabackup/tests/lab"
)

// withFileServer makes an instance whose worker is a process and whose share is on a
// real file server of its own.
func withFileServer(t *testing.T, address, shareDir string, blobSize int, change func(*workerConfig)) (*controller, *lab.FileServer, workerConfig) {
	t.Helper()
	lab.Require(t)
	dir := t.TempDir()
	files, err := lab.StartFileServer(t.Context(), lab.FileServerOptions{Dir: filepath.Join(dir, "fs"), ShareDir: shareDir, Address: address})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, files.Stop(context.Background())) })
	c, config := crashing(t, blobSize, func(w *workerConfig) { w.SMB = true; change(w) })
	c.shareDir = files.ShareDir()
	c.edit = func(s *settings.Settings) {
		s.Share.Path = files.UNC()
		s.Credential.Username, s.Credential.Password = files.User(), secret.NewTransfer(secret.New(files.Password()))
	}
	return c, files, config
}

// TestUploadContinuesWhereItHadFlushed kills the worker in the middle of an upload to
// a real file server; the next attempt sends only what was not flushed.
func TestUploadContinuesWhereItHadFlushed(t *testing.T) {
	t.Parallel()
	const size = 160 << 20 // the second flush is at 128 MiB
	c, _, config := withFileServer(t, "127.0.0.51", "", size, func(w *workerConfig) { w.KillAtFlush, w.Captured = 2, true })
	startWorkers(t, config)
	c.enable()
	id, run := c.begin()
	c.finished(id, run, 0)
	require.FileExists(t, config.Once)
	out := c.uploads(run, backup.CA)
	require.Greater(t, out.ResumedFrom, int64(64<<20))
	require.Equal(t, out.Part.Size, out.ResumedFrom+out.SentBytes)
	t.Logf("of %d bytes, %d were on the share when the worker was killed; the next attempt sent %d", out.Part.Size, out.ResumedFrom, out.SentBytes)
}

// TestFileServerAwayForAMinute stops the file server in the middle of an upload.
func TestFileServerAwayForAMinute(t *testing.T) {
	t.Parallel()
	c, files, config := withFileServer(t, "127.0.0.52", "", 140<<20, func(*workerConfig) {})
	startWorkers(t, config)
	c.enable()
	id, run := c.begin()
	uploading := func() bool {
		found, err := filepath.Glob(filepath.Join(c.shareDir, c.instance.Name, backup.IncomingDir, string(id)+".sent", "ca.tar.zst.age.*.part"))
		return err == nil && len(found) > 0
	}
	require.Eventually(t, uploading, 5*time.Minute, 5*time.Millisecond)
	require.NoError(t, files.Kill(t.Context()))
	away := time.NewTimer(time.Minute)
	<-away.C
	require.NoError(t, files.Start(t.Context()))
	c.finished(id, run, 0)
}

// TestShareFull fills a small disk. The share is left without the partial backup, and
// the next run works once there is room.
func TestShareFull(t *testing.T) {
	t.Parallel()
	lab.Require(t)
	small := t.TempDir()
	mount := func(args ...string) {
		out, err := exec.Command("mount", args...).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	mount("-t", "tmpfs", "-o", "size=48m", "tmpfs", small)
	t.Cleanup(func() { require.NoError(t, exec.Command("umount", "-l", small).Run()) })
	c, _, config := withFileServer(t, "127.0.0.53", small, 64<<20, func(*workerConfig) {})
	startWorkers(t, config)
	c.enable()
	id, run := c.begin()
	_, err := run.Get(t.Context())
	require.Equal(t, fault.ShareFull, flow.DecodeFault(err).Code)
	for _, dir := range []string{backup.IncomingDir, backup.BackupsDir} {
		left, err := os.ReadDir(filepath.Join(small, c.instance.Name, dir))
		require.NoError(t, err)
		require.Empty(t, left, dir)
	}
	require.NotEmpty(t, id)

	mount("-o", "remount,size=400m", small)
	id, run = c.begin()
	c.finished(id, run, 0)
}

// TestDamageOnARealShareIsFound reads back through a real file server what somebody
// changed on its disk.
func TestDamageOnARealShareIsFound(t *testing.T) {
	t.Parallel()
	c, _, config := withFileServer(t, "127.0.0.54", "", 1<<20, func(*workerConfig) {})
	startWorkers(t, config)
	c.enable()
	id, run := c.begin()
	c.finished(id, run, 0)
	overview, err := run.Get(t.Context())
	require.NoError(t, err)
	file := filepath.Join(c.shareDir, overview.Path, "ca.tar.zst.age")
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	data[len(data)/3] ^= 4
	require.NoError(t, os.WriteFile(file, data, 0o600))
	verdict, err := audit.Verify(t.Context(), c.repo(), id, audit.VerifyOptions{})
	require.NoError(t, err)
	require.Len(t, verdict.Findings, 1)
	require.Equal(t, "ca.tar.zst.age", filepath.Base(verdict.Findings[0].File))
}
