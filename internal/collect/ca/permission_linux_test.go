package ca

import (
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
)

// nobody is an account that owns nothing here.
const nobody = 65534

// TestCollectNamesWhatCannotBeRead reads as an account that lacks a permission.
func TestCollectNamesWhatCannotBeRead(t *testing.T) {
	for name, row := range map[string]struct {
		deny string
		mode os.FileMode
	}{
		"key": {"private/cakey.pem", 0o600}, "issued certificate": {"newcerts/1000.pem", 0o600}, "folder": {"private", 0o711},
		"closed folder": {"newcerts", 0o700}, "index": {"index.txt", 0},
	} {
		t.Run(name, func(t *testing.T) {
			lab := newLabCA(t, ecKey)
			lab.issue("www.example.com")
			// Above all, the folders that the test itself made must be open.
			require.NoError(t, os.Chmod(filepath.Dir(lab.dir), 0o755))
			for _, file := range []string{".", "newcerts", "private", "requests"} {
				require.NoError(t, os.Chmod(lab.path(file), 0o755))
			}
			for _, file := range []string{"private/cakey.pem", "cacert.pem", "openssl.cnf", "index.txt", "newcerts/1000.pem"} {
				require.NoError(t, os.Chmod(lab.path(file), 0o644))
			}
			for _, file := range []string{"crlnumber", "index.txt.attr", "index.txt.attr.old", "index.txt.old", "requests/www.example.com.csr", "serial", "serial.old"} {
				if err := os.Chmod(lab.path(file), 0o644); err != nil {
					require.ErrorIs(t, err, os.ErrNotExist)
				}
			}
			require.NoError(t, os.Chmod(lab.path(row.deny), row.mode))
			if os.Geteuid() == 0 {
				become(t, nobody)
			} else {
				require.NoError(t, os.Chmod(lab.path(row.deny), 0))
				t.Cleanup(func() { _ = os.Chmod(lab.path(row.deny), 0o700) })
			}
			err := collectError(t, lab.dir, &recorder{})
			require.ErrorIs(t, err, fault.SourceAccessDenied)
			require.Contains(t, err.Error(), row.deny)
			if name != "issued certificate" {
				check := newTestCollector(t, Config{Dir: lab.dir}, time.Now()).Check(t.Context())
				require.ErrorIs(t, check, fault.SourceAccessDenied)
			}
		})
	}
}

// become makes this thread use files as another account, which also takes root's
// rights over files from it. The thread stays locked to the test's goroutine and
// ends with it.
func become(t *testing.T, uid int) {
	t.Helper()
	runtime.LockOSThread()
	require.NoError(t, syscall.Setfsgid(uid))
	require.NoError(t, syscall.Setfsuid(uid))
	t.Cleanup(func() {
		require.NoError(t, syscall.Setfsuid(0))
		require.NoError(t, syscall.Setfsgid(0))
	})
}
