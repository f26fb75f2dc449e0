package lab

import (
	"os"
	"testing"
)

// PublicDir is like [testing.TB.TempDir] for tests with users of several kinds: everybody
// may enter it, and it does not lie on the tests' own RAM disk, which belongs to one.
func PublicDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "infrabackup-public")
	if err == nil {
		t.Cleanup(func() {
			if err := os.RemoveAll(dir); err != nil {
				t.Errorf("remove the test's folder: %v", err)
			}
		})
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// TemporalProgram is the path of Temporal's command line.
func TemporalProgram(t testing.TB) string {
	t.Helper()
	path, err := temporalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return path
}
