package privsep

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// confineVariable lets this test binary confine itself and tell what became of it.
const confineVariable = "PRIVSEP_CONFINE"

func confineAndTell() {
	if err := Confine(); err != nil {
		fmt.Println(err)
		return
	}
	var core unix.Rlimit
	err := unix.Getrlimit(unix.RLIMIT_CORE, &core)
	dumpable, dumpErr := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	fmt.Printf("umask %04o core %d/%d dumpable %d %v %v", unix.Umask(0), core.Cur, core.Max, dumpable, err, dumpErr)
}

func TestConfine(t *testing.T) {
	program, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), program)
	cmd.Env = append(os.Environ(), confineVariable+"=1")
	out, err := cmd.Output()
	require.NoError(t, err)
	require.Equal(t, "umask 0077 core 0/0 dumpable 0 <nil> <nil>", string(out))
}
