package assets

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAssetsAreWhatTheyWere: files of others are as they were taken over, each with its
// licence, and pages get no file that is not on the list.
func TestAssetsAreWhatTheyWere(t *testing.T) {
	sums, err := os.ReadFile("SHA256SUMS")
	require.NoError(t, err)
	foreign := map[string]string{}
	for line := range strings.Lines(string(sums)) {
		digest, name, ok := strings.Cut(strings.TrimSpace(line), "  ")
		require.True(t, ok, line)
		foreign[name] = digest
	}
	own := map[string]bool{"portal.css": true, "portal.js": true, "key.js": true, "icon.svg": true, "SHA256SUMS": true, "README.md": true}
	entries, err := os.ReadDir(".")
	require.NoError(t, err)
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	for _, entry := range entries {
		if strings.HasSuffix(entry.Name(), ".go") {
			continue
		}
		content, err := os.ReadFile(entry.Name())
		require.NoError(t, err)
		if own[entry.Name()] {
			require.NotContains(t, string(content), "\u2014", "%s has a dash that is not written here", entry.Name())
			continue
		}
		sum := sha256.Sum256(content)
		require.Equal(t, foreign[entry.Name()], hex.EncodeToString(sum[:]), entry.Name())
		require.Contains(t, string(readme), entry.Name())
		delete(foreign, entry.Name())
	}
	require.Empty(t, foreign, "these are gone")
}

func TestAssetsAreServed(t *testing.T) {
	for name := range served {
		r := httptest.NewRequest(http.MethodGet, Path(name), nil)
		r.SetPathValue("name", name)
		w := httptest.NewRecorder()
		Serve(w, r)
		require.Equal(t, http.StatusOK, w.Code, name)
		require.Contains(t, w.Header().Get("Cache-Control"), "immutable")
		require.NotEmpty(t, w.Header().Get("Content-Type"))
	}
	for _, name := range []string{"README.md", "SHA256SUMS", "..", "LICENSE.htmx"} {
		r := httptest.NewRequest(http.MethodGet, "/assets/x", nil)
		r.SetPathValue("name", name)
		w := httptest.NewRecorder()
		Serve(w, r)
		require.Equal(t, http.StatusNotFound, w.Code, name)
	}
}
