package privsep

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// lockVariable makes the test binary lock its memory and tell what became of it, because
// the tests are to go on without.
const lockVariable = "INFRABACKUP_TEST_LOCK_MEMORY"

func lockAndTell() {
	lockMemory()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	allowed := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}) == nil
	locked := !bytes.Contains(status, []byte("VmLck:\t       0 kB"))
	fmt.Println("locked as allowed:", allowed == locked)
}

func TestMemoryIsLockedWhereItMayBe(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), self(t))
	cmd.Env = append(os.Environ(), lockVariable+"=1")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Equal(t, "locked as allowed: true\n", string(out))
}
