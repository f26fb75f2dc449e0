package tier

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSizeFollowsTheTier(t *testing.T) {
	t.Setenv(SoakVariable, "")
	usual := "test"
	if testing.Short() {
		usual = "quick"
	}
	require.Equal(t, usual, Size("quick", "test", "soak"))
	require.False(t, Soak())
	t.Setenv(SoakVariable, "1h")
	if !testing.Short() {
		usual = "soak"
	}
	require.Equal(t, usual, Size("quick", "test", "soak"))
}

func TestParseTried(t *testing.T) {
	for line, want := range map[string]struct {
		what string
		n    int64
		ok   bool
	}{
		"    a_test.go:7: tried: 20 kills\n":        {"kills", 20, true},
		"    a_test.go:7: tried: 3 changed bytes\n": {"changed bytes", 3, true},
		"tried: many kills":                         {},
		"tried: 7":                                  {},
		"--- PASS: TestX (0.00s)":                   {},
	} {
		what, n, ok := ParseTried(line)
		require.Equal(t, want.ok, ok, line)
		if ok {
			require.Equal(t, want.what, what)
			require.Equal(t, want.n, n)
		}
	}
}
