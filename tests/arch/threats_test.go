package arch

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestThreatsNameTests holds the threat model to its word: every test that it names
// exists.
func TestThreatsNameTests(t *testing.T) {
	text, err := os.ReadFile("../../deploy/THREATS.md")
	require.NoError(t, err)
	out, err := exec.Command("git", "-C", "../..", "grep", "-h", "^func Test", "--", "*_test.go").Output()
	require.NoError(t, err)
	names := regexp.MustCompile(`\bTest[A-Z]\w+`).FindAllString(string(text), -1)
	require.NotEmpty(t, names)
	for _, name := range names {
		require.True(t, strings.Contains(string(out), "func "+name+"("), "%s is no test", name)
	}
}
