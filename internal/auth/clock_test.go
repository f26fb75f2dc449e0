package auth

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// clock is a time that the test moves.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Date(2026, 11, 29, 12, 0, 30, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func openTokens(t *testing.T, c *clock) *Tokens {
	t.Helper()
	tokens, err := OpenTokens(t.Context(), TokensConfig{Path: filepath.Join(t.TempDir(), "tokens.json"), Now: c.now})
	require.NoError(t, err)
	return tokens
}

func create(t *testing.T, tokens *Tokens, role Role) (Token, string) {
	t.Helper()
	token, text, err := tokens.Create(t.Context(), NewToken{Name: "monitor", Role: role, Owner: "console", Lifetime: 24 * time.Hour})
	require.NoError(t, err)
	return token, text.Reveal()
}

// request is one to the API; an empty token is none.
func request(token string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "https://backup.test/subscriptions/s", nil)
	r.TLS = nil
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return r
}

func refused(t *testing.T, err error, status int, code string) *Refusal {
	t.Helper()
	r, ok := RefusalOf(err)
	require.True(t, ok, "%v", err)
	require.Equal(t, code, r.Code, "%v", err)
	require.Equal(t, status, r.Status)
	require.NotEmpty(t, r.Message)
	require.NotEmpty(t, r.Remedy)
	return r
}
