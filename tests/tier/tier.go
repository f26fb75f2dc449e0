package tier

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// SoakVariable, when it is set, makes tests as long and as large as they can be.
const SoakVariable = "INFRABACKUP_SOAK"

// Quick reports whether only the quick tier runs.
func Quick() bool { return testing.Short() }

// Soak reports whether the soak tier runs.
func Soak() bool { return !Quick() && os.Getenv(SoakVariable) != "" }

// Size is how large or how often something is in the tier that runs.
func Size[T any](quick, test, soak T) T {
	switch {
	case Quick():
		return quick
	case Soak():
		return soak
	default:
		return test
	}
}

// Weighs leaves a test that measures memory, or goes through all of something large, out
// of the quick tier.
func Weighs(t testing.TB) {
	t.Helper()
	if Quick() {
		t.Skip("not in the quick tier")
	}
}

// NeedsServers ends a test that starts or talks to servers when the quick tier runs.
func NeedsServers(t testing.TB) {
	t.Helper()
	if Quick() {
		t.Skip("needs servers, which the quick tier does not start")
	}
}

// triedPrefix begins the lines that the summary of a soak adds up.
const triedPrefix = "tried: "

// Tried says how much a test has tried, in a form that the summary of a soak adds up:
// "kills", 20.
func Tried(t testing.TB, what string, n int64) {
	t.Helper()
	t.Logf("%s%d %s", triedPrefix, n, what)
}

// ParseTried reads a line of a test's output that [Tried] wrote.
func ParseTried(line string) (what string, n int64, ok bool) {
	_, text, found := strings.Cut(line, triedPrefix)
	if !found {
		return "", 0, false
	}
	count, what, found := strings.Cut(strings.TrimSpace(text), " ")
	if _, err := fmt.Sscanf(count, "%d", &n); err != nil || !found {
		return "", 0, false
	}
	return what, n, true
}
