package browser

import (
	"crypto/sha256"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAxeIsWhatItWas: it was taken over from npm axe-core 4.14.1, axe.min.js.
func TestAxeIsWhatItWas(t *testing.T) {
	sums, err := os.ReadFile("axe/SHA256SUMS")
	require.NoError(t, err)
	require.Contains(t, string(sums), fmt.Sprintf("%x  axe.min.js", sha256.Sum256([]byte(axe))))
}
