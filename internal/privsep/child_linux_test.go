package privsep

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestMain lets this test binary be the program whose children are tested.
func TestMain(m *testing.M) {
	if os.Getenv(lockVariable) != "" {
		lockAndTell()
		return
	}
	if os.Getenv(confineVariable) != "" {
		confineAndTell()
		return
	}
	if os.Getenv(orphanVariable) != "" {
		os.Exit(openKeyWithin(Process{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Confine: unconfined}, 50*time.Millisecond))
	}
	if child, ok := ChildFor(os.Args[1:]); ok {
		os.Exit(child(Process{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Inherited: InheritedFiles, Confine: unconfined}))
	}
	os.Exit(m.Run())
}

// unconfined leaves a process as it is: to restrict it is the program's.
func unconfined() error { return nil }

// self is this test binary, which is the child, see TestMain.
func self(t testing.TB) string {
	t.Helper()
	program, err := OwnProgram()
	require.NoError(t, err)
	return program
}

// testProcess is a child within this process.
type testProcess struct {
	Process
	out, err strings.Builder
}

func newProcess() *testProcess {
	p := &testProcess{}
	p.Process = Process{Stdin: strings.NewReader(""), Stdout: &p.out, Stderr: &p.err, Confine: unconfined}
	return p
}

func (p *testProcess) run(t testing.TB, args ...string) (exit int) {
	t.Helper()
	child, ok := ChildFor(args)
	require.True(t, ok)
	return child(p.Process)
}

func TestChildFor(t *testing.T) {
	for name, test := range map[string]struct {
		args  []string
		child bool
	}{
		"nothing":                   {nil, false},
		"a flag":                    {[]string{"--check"}, false},
		"a key":                     {[]string{makeKeyMode}, true},
		"a key and more":            {[]string{makeKeyMode, "x"}, false},
		"a key to open":             {[]string{openKeyMode}, true},
		"a key to open and more":    {[]string{openKeyMode, "x"}, false},
		"a file":                    {[]string{encryptMode, "age1x"}, true},
		"a file and nobody":         {[]string{encryptMode}, false},
		"a file, two recipients":    {[]string{encryptMode, "age1x", "age1y"}, false},
		"a word that is not theirs": {[]string{"start"}, false},
		"as the value of a flag":    {[]string{"--config", makeKeyMode}, false},
	} {
		t.Run(name, func(t *testing.T) {
			child, ok := ChildFor(test.args)
			require.Equal(t, test.child, ok)
			require.Equal(t, test.child, child != nil)
		})
	}
}
