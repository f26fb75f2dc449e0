package auth

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
)

func authenticator(t *testing.T, c AuthenticatorConfig) *Authenticator {
	t.Helper()
	a, err := NewAuthenticator(c)
	require.NoError(t, err)
	return a
}

func TestTokenText(t *testing.T) {
	id, text, err := newTokenText(bytes.NewReader(bytes.Repeat([]byte{7}, 64)))
	require.NoError(t, err)
	require.Regexp(t, `^ibk_[a-z0-9]{8}_[0-9A-Za-z]{49}$`, text)
	found, ok := tokenID(text)
	require.True(t, ok)
	require.Equal(t, id, found)
	for i := range text {
		changed := []byte(text)
		changed[i] ^= 1
		_, ok := tokenID(string(changed))
		require.False(t, ok, "a slip of the pen at %d", i)
	}
	for _, other := range []string{"", "ibk_", text + "a", text[1:], strings.Repeat("_", len(text)), "ibk_" + strings.Repeat("\xff", tokenChars-4)} {
		_, ok := tokenID(other)
		require.False(t, ok)
	}
	_, _, err = newTokenText(strings.NewReader("short"))
	require.Error(t, err)
	require.Equal(t, strings.Repeat("0", secretChars), encode62(make([]byte, secretBytes), secretChars))
	require.Len(t, encode62(bytes.Repeat([]byte{0xff}, secretBytes), secretChars), secretChars)
}

func TestTokenLetsIn(t *testing.T) {
	c := newClock()
	tokens := openTokens(t, c)
	token, text := create(t, tokens, Operator)
	a := authenticator(t, AuthenticatorConfig{Tokens: tokens, Now: c.now})
	p, err := a.Authenticate(request(text))
	require.NoError(t, err)
	require.Equal(t, Principal{Subject: "token:" + token.ID, Name: "monitor", Role: Operator, Method: MethodToken}, p)

	data, err := os.ReadFile(tokens.path)
	require.NoError(t, err)
	require.Contains(t, string(data), hashOf(text))
	shown, err := json.Marshal(token)
	require.NoError(t, err)
	require.NotContains(t, string(shown), hashOf(text), "a list does not show it")
	require.NotContains(t, string(data), text[len(tokenPrefix)+idChars+1:], "the file keeps a hash")
	info, err := os.Stat(tokens.path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())

	_, other := create(t, openTokens(t, c), Owner)
	forged := tokenPrefix + token.ID + "_" + strings.Repeat("0", secretChars)
	forged += checksum(forged)
	_, ok := tokenID(forged)
	require.True(t, ok)
	for name, header := range map[string][]string{
		"another secret": {"Bearer " + forged},
		"none":           nil,
		"Basic":          {"Basic " + text},
		"no scheme":      {text},
		"two":            {"Bearer " + text, "Bearer " + text},
		"two in one":     {"Bearer " + text + ", " + text},
		"empty":          {"Bearer "},
		"only a scheme":  {"Bearer"},
		"another's":      {"Bearer " + other},
		"cut":            {"Bearer " + text[:20]},
		"not a bearer's": {"Bearer eyJ.eyJ.x"},
	} {
		t.Run(name, func(t *testing.T) {
			r := request("")
			r.Header["Authorization"] = header
			r.AddCookie(&http.Cookie{Name: SessionCookie, Value: text})
			_, err := a.Authenticate(r)
			refusal, ok := RefusalOf(err)
			require.True(t, ok)
			require.Equal(t, http.StatusUnauthorized, refusal.Status)
			require.Regexp(t, `^Bearer realm="infrabackup", error="invalid_token", error_description="[^"\\]+"$`, refusal.Challenge)
			require.NotContains(t, err.Error(), text)
		})
	}
}

// TestATokenIsGoodAtOnce: one that another process has made is let in by the first request with it, though
// the file was looked at just before.
func TestATokenIsGoodAtOnce(t *testing.T) {
	c := newClock()
	serving := openTokens(t, c)
	_, known := create(t, serving, Reader)
	other, err := OpenTokens(t.Context(), TokensConfig{Path: serving.path, Now: c.now})
	require.NoError(t, err)
	_, err = serving.verify(known)
	require.NoError(t, err)
	_, text := create(t, other, Reader)
	c.advance(lookForNew)
	_, err = serving.verify(text)
	require.NoError(t, err)
}

// TestTokensAreHidden wherever they stand, also when a part is missing, and nothing else is.
func TestTokensAreHidden(t *testing.T) {
	_, text := create(t, openTokens(t, newClock()), Reader)
	for before, after := range map[string]string{
		"/api/v1/tokens/" + text: "/api/v1/tokens/ibk_…", text + text: "ibk_…", "/x/" + text[:40] + "/y": "/x/ibk_…/y", strings.ToUpper(text): "ibk_…",
		"/api/v1/tokens/abcdefgh": "/api/v1/tokens/abcdefgh", "/ibk_/_": "/ibk_/_",
	} {
		require.Equal(t, after, HideTokens(before))
	}
}

// TestChallengesAreQuoted: clients of Azure read where to log in from a challenge, and nothing
// in it ends a text early.
func TestChallengesAreQuoted(t *testing.T) {
	require.Equal(t, `Bearer authorization_uri="https://login.test/'x", error="invalid_token", error_description="It '?' said"`,
		challenge("https://login.test/\"x", &Refusal{Message: "It \"\n\\ said"}))
}

func TestTokenEnds(t *testing.T) {
	c := newClock()
	tokens := openTokens(t, c)
	a := authenticator(t, AuthenticatorConfig{Tokens: tokens, Now: c.now})
	token, text := create(t, tokens, Reader)
	_, expiring := create(t, tokens, Reader)

	_, err := tokens.Revoke(t.Context(), token.ID)
	require.NoError(t, err)
	_, err = a.Authenticate(request(text))
	require.Contains(t, refused(t, err, http.StatusUnauthorized, CodeInvalidToken).Message, "revoked")
	again, err := tokens.Revoke(t.Context(), token.ID)
	require.NoError(t, err)
	require.Equal(t, c.now().Truncate(time.Second), again.Revoked)
	_, err = tokens.Revoke(t.Context(), "22222222")
	require.ErrorIs(t, err, fault.ItemNotFound)

	c.advance(24*time.Hour - time.Second - 30*time.Second)
	_, err = a.Authenticate(request(expiring))
	require.NoError(t, err)
	c.advance(31 * time.Second)
	_, err = a.Authenticate(request(expiring))
	refused(t, err, http.StatusUnauthorized, CodeExpiredToken)
}

func TestTokenRefusals(t *testing.T) {
	tokens := openTokens(t, newClock())
	for name, wanted := range map[string]NewToken{
		"no role":         {Owner: "o", Lifetime: time.Hour},
		"an unknown role": {Owner: "o", Role: "root", Lifetime: time.Hour},
		"no owner":        {Role: Reader, Lifetime: time.Hour},
		"too short":       {Owner: "o", Role: Reader, Lifetime: time.Second},
		"too long":        {Owner: "o", Role: Reader, Lifetime: MaxTokenLifetime + 1},
	} {
		_, _, err := tokens.Create(t.Context(), wanted)
		require.ErrorIs(t, err, fault.Usage, name)
	}
	_, err := os.Stat(tokens.path)
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestTokensAreBounded(t *testing.T) {
	c := newClock()
	tokens := openTokens(t, c)
	_, text := create(t, tokens, Reader)
	full := map[string]storedToken{}
	for i := range maxTokens {
		token := storedToken{}
		for _, one := range tokens.current().byID {
			token = one
		}
		token.ID = strings.Map(func(r rune) rune { return rune(idLetter[r-'0']) }, fmt.Sprintf("%08d", i))
		token.Name, token.Owner = strings.Repeat("n", maxName), strings.Repeat("o", maxSubject)
		full[token.ID] = token
	}
	require.NoError(t, tokens.change(t.Context(), func(byID map[string]storedToken) error {
		clear(byID)
		for id, token := range full {
			byID[id] = token
		}
		return nil
	}), "as many as there may be fit into the file")
	_, _, err := tokens.Create(t.Context(), NewToken{Role: Reader, Owner: "o", Lifetime: time.Hour})
	require.ErrorIs(t, err, fault.LimitExceeded)
	c.advance(keepEnded + 25*time.Hour)
	_, _, err = tokens.Create(t.Context(), NewToken{Role: Reader, Owner: "o", Lifetime: time.Hour})
	require.NoError(t, err, "ended ones make place")
	_, err = tokens.verify(text)
	refused(t, err, http.StatusUnauthorized, CodeInvalidToken)
}

// Ended tokens are there to be read: a full list of them keeps nobody out, and of those the
// ones that ended longest ago go first.
func TestEndedTokensMakePlace(t *testing.T) {
	c := newClock()
	tokens := openTokens(t, c)
	id := func(i int) string {
		return strings.Map(func(r rune) rune { return rune(idLetter[r-'0']) }, fmt.Sprintf("%08d", i))
	}
	const live, expired, revoked = 0, 1, 2
	require.NoError(t, tokens.change(t.Context(), func(byID map[string]storedToken) error {
		for i := range maxTokens {
			token := storedToken{Token: Token{ID: id(i), Role: Reader, Owner: "o", Created: c.now().Add(-48 * time.Hour), Expires: c.now().Add(time.Hour)}, Hash: hashOf(fmt.Sprint(i))}
			switch i {
			case expired:
				token.Expires = c.now().Add(-time.Hour)
			case revoked: // it would have been good for longer, but ended first
				token.Revoked = c.now().Add(-2 * time.Hour)
			}
			byID[token.ID] = token
		}
		return nil
	}))
	another := func() error {
		_, _, err := tokens.Create(t.Context(), NewToken{Role: Reader, Owner: "o", Lifetime: time.Hour})
		return err
	}
	require.NoError(t, another())
	require.NotContains(t, tokens.current().byID, id(revoked))
	require.Contains(t, tokens.current().byID, id(expired), "no more go than must")
	require.NoError(t, another())
	require.NotContains(t, tokens.current().byID, id(expired))
	require.ErrorIs(t, another(), fault.LimitExceeded, "those that are left are good")
	require.Len(t, tokens.current().byID, maxTokens)
	_, err := tokens.Revoke(t.Context(), id(live))
	require.NoError(t, err)
	require.NoError(t, another(), "revoking one makes place")
}

// Another process changes the file: the service notices within a second, and asks the file
// system once a second at most.
func TestTokensOfAnotherProcess(t *testing.T) {
	c := newClock()
	serving := openTokens(t, c)
	command, err := OpenTokens(t.Context(), TokensConfig{Path: serving.path, Now: c.now})
	require.NoError(t, err)
	token, text := create(t, command, Reader)
	_, err = serving.verify(text)
	refused(t, err, http.StatusUnauthorized, CodeInvalidToken)
	c.advance(time.Second)
	_, err = serving.verify(text)
	require.NoError(t, err)
	require.True(t, serving.alive(token.ID))

	c.advance(time.Minute)
	_, err = serving.verify(text)
	require.NoError(t, err)
	require.NoError(t, serving.Flush(t.Context()))
	require.NoError(t, serving.Flush(t.Context()), "with nothing to write")
	listed, err := command.List(t.Context())
	require.NoError(t, err)
	require.Equal(t, c.now().Truncate(time.Minute), listed[0].LastUsed)

	_, err = command.Revoke(t.Context(), token.ID)
	require.NoError(t, err)
	c.advance(time.Minute)
	require.NoError(t, serving.Flush(t.Context()))
	_, err = serving.verify(text)
	require.Contains(t, refused(t, err, http.StatusUnauthorized, CodeInvalidToken).Message, "revoked", "a time of use does not undo a revocation")

	_, text = create(t, command, Reader)
	c.advance(time.Second)
	_, err = serving.verify(text)
	require.NoError(t, err)
	require.NoError(t, os.Remove(serving.path))
	c.advance(time.Second)
	_, err = serving.verify(text)
	refused(t, err, http.StatusUnauthorized, CodeInvalidToken)
}

func TestTokenFileThatIsNotToBeBelieved(t *testing.T) {
	c := newClock()
	for name, spoil := range map[string]func(t *testing.T, path string){
		"readable by others": func(t *testing.T, path string) { require.NoError(t, os.Chmod(path, 0o640)) },
		"cut":                func(t *testing.T, path string) { require.NoError(t, os.Truncate(path, 20)) },
		"too large":          func(t *testing.T, path string) { require.NoError(t, os.Truncate(path, maxTokenFile+1)) },
		"a folder": func(t *testing.T, path string) {
			require.NoError(t, os.Remove(path))
			require.NoError(t, os.Mkdir(path, 0o700))
		},
		"another version": func(t *testing.T, path string) {
			require.NoError(t, os.WriteFile(path, []byte(`{"version":2,"tokens":[]}`), 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			tokens := openTokens(t, c)
			_, text := create(t, tokens, Reader)
			spoil(t, tokens.path)
			c.advance(time.Second)
			_, err := tokens.verify(text)
			refused(t, err, http.StatusServiceUnavailable, CodeUnavailable)
			require.NotContains(t, err.Error(), text)
			_, err = OpenTokens(t.Context(), TokensConfig{Path: tokens.path})
			require.ErrorIs(t, err, fault.ConfigInvalid)
			_, _, err = tokens.Create(t.Context(), NewToken{Role: Reader, Owner: "o", Lifetime: time.Hour})
			require.ErrorIs(t, err, fault.ConfigInvalid, "nothing is written over it")
		})
	}
}

// Many write at once, from two processes: nothing is lost.
func TestTokensAtOnce(t *testing.T) {
	c := newClock()
	first := openTokens(t, c)
	second, err := OpenTokens(t.Context(), TokensConfig{Path: first.path, Now: c.now})
	require.NoError(t, err)
	var all sync.WaitGroup
	for i := range 10 {
		all.Go(func() {
			tokens := []*Tokens{first, second}[i%2]
			token, text, err := tokens.Create(context.Background(), NewToken{Role: Reader, Owner: "o", Lifetime: time.Hour})
			if err == nil {
				_, err = tokens.verify(text.Reveal())
			}
			if err == nil && i < 4 {
				_, err = tokens.Revoke(context.Background(), token.ID)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	listed, err := first.List(t.Context())
	require.NoError(t, err)
	require.Len(t, listed, 10)
	entries, err := os.ReadDir(filepath.Dir(first.path))
	require.NoError(t, err)
	require.Len(t, entries, 1, "nothing is left beside it")
}

func TestTokensRunWritesAtTheEnd(t *testing.T) {
	c := newClock()
	tokens := openTokens(t, c)
	_, text := create(t, tokens, Reader)
	_, err := tokens.verify(text)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	tokens.Run(ctx, func(err error) { t.Error(err) })
	listed, err := tokens.List(t.Context())
	require.NoError(t, err)
	require.Equal(t, c.now().Truncate(time.Minute), tokens.loaded.Load().byID[listed[0].ID].LastUsed)
}

func FuzzTokenFile(f *testing.F) {
	f.Add([]byte(`{"version":1,"tokens":[]}`))
	f.Add([]byte(`{"version":1,"tokens":[{"id":"22222222","sha256":"` + hashOf("x") + `","role":"reader","owner":"o","created":"2026-01-01T00:00:00Z","expires":"2026-02-01T00:00:00Z"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		byID, err := parseTokens(data)
		if err != nil {
			return
		}
		again, err := json.Marshal(tokenFile{Version: 1, Tokens: sorted(byID)})
		require.NoError(t, err)
		same, err := parseTokens(again)
		require.NoError(t, err)
		require.Len(t, same, len(byID))
	})
}
