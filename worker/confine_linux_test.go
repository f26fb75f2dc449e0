package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"infrabackup/internal/privsep"
	"infrabackup/tests/lab"
)

// confinedVariable makes the test binary confine itself and tell what became of
// it, because confining cannot be undone.
const confinedVariable = "INFRABACKUP_TEST_CONFINE"

func TestMain(m *testing.M) {
	if _, ok := privsep.ChildFor(os.Args[1:]); ok {
		main() // it does not return
	}
	if os.Getenv(wholeVariable) != "" {
		main() // it does not return
	}
	if os.Getenv(confinedVariable) == "" {
		lab.Main(m)
	}
	if err := confine(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	var core unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &core); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	_, debugging := os.LookupEnv("DEBUG")
	fmt.Printf("umask %04o core %d/%d dumpable %d memory %d DEBUG %t args %v\n",
		unix.Umask(0), core.Cur, core.Max, dumpable, debug.SetMemoryLimit(-1), debugging, os.Args[1:])
}

func TestConfine(t *testing.T) {
	for name, test := range map[string]struct{ env, want string }{
		"plain":      {"X=1", "umask 0077 core 0/0 dumpable 0 memory 209715200 DEBUG false args [a b]\n"},
		"with DEBUG": {"DEBUG=1", "umask 0077 core 0/0 dumpable 0 memory 209715200 DEBUG false args [a b]\n"},
		"own limit":  {"GOMEMLIMIT=100MiB", "umask 0077 core 0/0 dumpable 0 memory 104857600 DEBUG false args [a b]\n"},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), os.Args[0], "a", "b")
			cmd.Env = append(os.Environ(), confinedVariable+"=1", test.env)
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, "%s", out)
			require.Equal(t, test.want, string(out))
		})
	}
}
