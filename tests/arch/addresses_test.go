package arch

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// loopback are the addresses that a test gives a server of its own: those below 20 are
// for whoever takes any free port.
var loopback = regexp.MustCompile(`\b127\.0\.0\.([2-9]\d|1\d\d|2\d\d)\b`)

// TestServersHaveAddressesOfTheirOwn: tests of several packages run side by side, and the
// ports of file servers and directories are fixed. Two servers with one address would
// answer for each other now and then.
func TestServersHaveAddressesOfTheirOwn(t *testing.T) {
	users := map[string]string{} // package by address
	err := filepath.WalkDir(filepath.Join("..", ".."), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, address := range loopback.FindAllString(string(text), -1) {
			if first, taken := users[address]; taken {
				require.Equal(t, first, filepath.Dir(path), "%s is used in both", address)
			}
			users[address] = filepath.Dir(path)
		}
		return nil
	})
	require.NoError(t, err)
	require.Greater(t, len(users), 8, "the servers of the tests were not found")
}
