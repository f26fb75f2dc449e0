package provider

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/auth"
)

// TestTokensAreTakenFromTheBody: a token in an address, which histories and logs keep, does
// not log in.
func TestTokensAreTakenFromTheBody(t *testing.T) {
	tokens, err := auth.OpenTokens(t.Context(), auth.TokensConfig{Path: filepath.Join(t.TempDir(), "tokens.json")})
	require.NoError(t, err)
	_, text, err := tokens.Create(t.Context(), auth.NewToken{Role: auth.Owner, Owner: "noor", Lifetime: time.Hour})
	require.NoError(t, err)
	sessions, err := auth.NewSessions(auth.SessionsConfig{Tokens: tokens})
	require.NoError(t, err)
	c := callers{tokens: tokens, sessions: sessions}
	fields := url.Values{"token": {text.Reveal()}, "return": {"/i/north/"}}.Encode()
	for name, tc := range map[string]struct{ query, body, leads string }{
		"body":  {"", fields, "/i/north/"},
		"query": {"?" + fields, "", "/login?error="},
		"both":  {"?" + fields, "token=x", "/login?error="},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, "/login"+tc.query, strings.NewReader(tc.body))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			w := httptest.NewRecorder()
			c.login(w, r)
			require.Equal(t, http.StatusSeeOther, w.Code)
			require.True(t, strings.HasPrefix(w.Header().Get("Location"), tc.leads), w.Header().Get("Location"))
		})
	}
}

// TestLinksLeadToTheNamespaceInUse: the one of the configuration or of the environment, as a path.
func TestLinksLeadToTheNamespaceInUse(t *testing.T) {
	require.Empty(t, namespaceIn("", "default"))
	require.Equal(t, "https://t.test/namespaces/back%2Fup", namespaceIn("https://t.test/", "back/up"))
}
