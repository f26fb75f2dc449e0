package auth

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
	"infrabackup/internal/secret"
)

// browser keeps cookies, as browsers do.
type browser struct {
	t       *testing.T
	cookies map[string]string
}

func (b *browser) request(method, target string) *http.Request {
	r := httptest.NewRequest(method, "https://backup.test"+target, nil)
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	return r
}

// do serves a request and keeps the cookies of the answer, each of which has to be one that
// script and other sites do not get.
func (b *browser) do(method, target string, serve func(http.ResponseWriter, *http.Request)) *http.Response {
	w := httptest.NewRecorder()
	serve(w, b.request(method, target))
	answer := w.Result()
	for _, c := range answer.Cookies() {
		require.True(b.t, c.Secure && c.HttpOnly && c.SameSite == http.SameSiteLaxMode && c.Path == "/" && c.Domain == "" && strings.HasPrefix(c.Name, "__Host-"), "%v", c)
		if b.cookies[c.Name] = c.Value; c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		}
	}
	return answer
}

// who asks the middleware who the browser is.
func (b *browser) who(s *Sessions) (p Principal, session *Session) {
	s.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		p, session = PrincipalOf(r.Context()), SessionOf(r.Context())
	})).ServeHTTP(httptest.NewRecorder(), b.request(http.MethodGet, "/"))
	return p, session
}

func (b *browser) loginWithToken(s *Sessions, text string) error {
	var err error
	b.do(http.MethodPost, "/login", func(w http.ResponseWriter, r *http.Request) { _, err = s.LoginWithToken(w, r, text) })
	return err
}

func newBrowser(t *testing.T) *browser { return &browser{t: t, cookies: map[string]string{}} }

func newSessions(t *testing.T, c SessionsConfig) *Sessions {
	t.Helper()
	s, err := NewSessions(c)
	require.NoError(t, err)
	return s
}

func TestSessionWithToken(t *testing.T) {
	c := newClock()
	tokens := openTokens(t, c)
	token, text := create(t, tokens, Operator)
	s := newSessions(t, SessionsConfig{Tokens: tokens, Now: c.now})
	b := newBrowser(t)
	p, session := b.who(s)
	require.Zero(t, p)
	require.Nil(t, session)
	refused(t, b.loginWithToken(s, text+"x"), http.StatusUnauthorized, CodeInvalidToken)
	require.Empty(t, b.cookies)

	require.NoError(t, b.loginWithToken(s, text))
	first := b.cookies[SessionCookie]
	require.Len(t, first, 43, "256 bits")
	p, session = b.who(s)
	require.Equal(t, Principal{Subject: "token:" + token.ID, Name: "monitor", Role: Operator, Method: MethodSession}, p)
	require.True(t, session.Fresh(c.now()))
	c.advance(FreshLogin + time.Second)
	_, session = b.who(s)
	require.False(t, session.Fresh(c.now()))
	require.Equal(t, c.now().Add(SessionIdle), session.IdleUntil())

	require.NoError(t, b.loginWithToken(s, text), "to be fresh again")
	require.NotEqual(t, first, b.cookies[SessionCookie], "a login has a new id")
	_, session = b.who(s)
	require.True(t, session.Fresh(c.now()))
	p, _ = (&browser{t: t, cookies: map[string]string{SessionCookie: first}}).who(s)
	require.Zero(t, p, "the one before has ended")

	for key := range s.byHash {
		require.NotContains(t, string(key[:]), b.cookies[SessionCookie])
	}
	answer := b.do(http.MethodGet, "/logout", s.Logout)
	require.Equal(t, http.StatusMethodNotAllowed, answer.StatusCode)
	p, _ = b.who(s)
	require.NotZero(t, p)
	stolen := &browser{t: t, cookies: map[string]string{SessionCookie: b.cookies[SessionCookie]}}
	answer = b.do(http.MethodPost, "/logout", s.Logout)
	require.Equal(t, "/login", answer.Header.Get("Location"))
	require.Empty(t, b.cookies)
	p, _ = stolen.who(s)
	require.Zero(t, p, "the id is worth nothing after the logout")
	require.Empty(t, s.byHash)
}

func TestSessionEnds(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, c *clock, tokens *Tokens, id string, b *browser, s *Sessions){
		"idle": func(_ *testing.T, c *clock, _ *Tokens, _ string, _ *browser, _ *Sessions) { c.advance(SessionIdle) },
		"after eight hours": func(t *testing.T, c *clock, _ *Tokens, _ string, b *browser, s *Sessions) {
			for range int(SessionLifetime/SessionIdle)*2 - 1 {
				c.advance(SessionIdle / 2)
				p, _ := b.who(s)
				require.NotZero(t, p)
			}
			c.advance(SessionIdle / 2)
		},
		"with its token": func(t *testing.T, _ *clock, tokens *Tokens, id string, _ *browser, _ *Sessions) {
			_, err := tokens.Revoke(t.Context(), id)
			require.NoError(t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClock()
			tokens := openTokens(t, c)
			token, text := create(t, tokens, Reader)
			s := newSessions(t, SessionsConfig{Tokens: tokens, Now: c.now})
			b := newBrowser(t)
			require.NoError(t, b.loginWithToken(s, text))
			var stream context.Context
			release, served := make(chan struct{}), make(chan struct{})
			entered := make(chan struct{})
			go func() {
				defer close(served)
				s.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					stream = r.Context()
					close(entered)
					<-release
				})).ServeHTTP(httptest.NewRecorder(), b.request(http.MethodGet, "/"))
			}()
			<-entered
			require.True(t, s.Alive(stream))
			end(t, c, tokens, token.ID, b, s)
			require.False(t, s.Alive(stream))
			<-stream.Done() // the stream ends with it
			close(release)
			<-served
			p, session := b.who(s)
			require.Zero(t, p)
			require.Nil(t, session)
			require.Empty(t, s.byHash)
			require.False(t, s.Alive(context.Background()))
		})
	}
}

func TestSessionDoesNotOutliveItsToken(t *testing.T) {
	c := newClock()
	tokens := openTokens(t, c)
	_, text, err := tokens.Create(t.Context(), NewToken{Role: Reader, Owner: "o", Lifetime: 10 * time.Minute})
	require.NoError(t, err)
	s := newSessions(t, SessionsConfig{Tokens: tokens, Now: c.now})
	b := newBrowser(t)
	require.NoError(t, b.loginWithToken(s, text.Reveal()))
	_, session := b.who(s)
	require.False(t, session.Ends.After(c.now().Add(10*time.Minute)))
}

func TestTokenForOneLogin(t *testing.T) {
	c := newClock()
	tokens := openTokens(t, c)
	_, text, err := tokens.Create(t.Context(), NewToken{Role: Owner, Owner: "console", Lifetime: 10 * time.Minute, Once: true})
	require.NoError(t, err)
	_, err = authenticator(t, AuthenticatorConfig{Tokens: tokens, Now: c.now}).Authenticate(request(text.Reveal()))
	refused(t, err, http.StatusUnauthorized, CodeInvalidToken)
	s := newSessions(t, SessionsConfig{Tokens: tokens, Now: c.now})
	first, second := newBrowser(t), newBrowser(t)
	require.NoError(t, first.loginWithToken(s, text.Reveal()))
	refused(t, second.loginWithToken(s, text.Reveal()), http.StatusUnauthorized, CodeInvalidToken)
	c.advance(12 * time.Minute)
	p, _ := first.who(s)
	require.Equal(t, Owner, p.Role, "the session goes on")
}

func TestSessionsAreBounded(t *testing.T) {
	c := newClock()
	tokens := openTokens(t, c)
	_, text := create(t, tokens, Reader)
	s := newSessions(t, SessionsConfig{Tokens: tokens, Now: c.now})
	first, kept := newBrowser(t), newBrowser(t)
	require.NoError(t, first.loginWithToken(s, text))
	require.NoError(t, kept.loginWithToken(s, text))
	for range maxSessions {
		c.advance(time.Millisecond)
		kept.who(s)
		require.NoError(t, newBrowser(t).loginWithToken(s, text))
	}
	require.Len(t, s.byHash, maxSessions)
	p, _ := first.who(s)
	require.Zero(t, p, "what was not used for longest goes")
	p, _ = kept.who(s)
	require.NotZero(t, p)
}

func TestForgedCookies(t *testing.T) {
	c := newClock()
	tokens := openTokens(t, c)
	_, text := create(t, tokens, Reader)
	s := newSessions(t, SessionsConfig{Tokens: tokens, Now: c.now})
	b := newBrowser(t)
	require.NoError(t, b.loginWithToken(s, text))
	id := b.cookies[SessionCookie]
	for _, value := range []string{"", "x", id[1:], id + "A", strings.Repeat("A", len(id)), strings.Repeat("A", 10_000)} {
		p, _ := (&browser{t: t, cookies: map[string]string{SessionCookie: value}}).who(s)
		require.Zero(t, p)
	}
	r := b.request(http.MethodGet, "/")
	r.AddCookie(&http.Cookie{Name: SessionCookie, Value: strings.Repeat("A", len(id))})
	require.Nil(t, s.find(r), "two of them")
	r = httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Authorization", "Bearer "+text)
	require.Nil(t, s.find(r), "a bearer token is nothing on the page")

	failing, err := NewSessions(SessionsConfig{Tokens: tokens, Now: c.now, Random: strings.NewReader("short")})
	require.NoError(t, err)
	refused(t, newBrowser(t).loginWithToken(failing, text), http.StatusServiceUnavailable, CodeUnavailable)
	_, err = NewSessions(SessionsConfig{})
	require.Error(t, err)
}

func pageIssuer(t *testing.T, i *issuer) *Issuer {
	t.Helper()
	config := i.config()
	config.ClientID, config.ClientSecret, config.RedirectURL = "page", secret.New("hush"), "https://backup.test/login/callback"
	own, err := NewIssuer(config)
	require.NoError(t, err)
	return own
}

// login goes through the issuer, and returns the answer to the callback.
func (b *browser) login(s *Sessions, i *issuer, query string) *http.Response {
	answer := b.do(http.MethodGet, "/login/oidc"+query, s.OIDCLogin)
	require.Equal(b.t, http.StatusSeeOther, answer.StatusCode)
	back, err := url.Parse(i.authorize(answer.Header.Get("Location")))
	require.NoError(b.t, err)
	return b.do(http.MethodGet, back.RequestURI(), s.Callback)
}

func TestLoginAtTheIssuer(t *testing.T) {
	c := newClock()
	i := newIssuer(t, c)
	s := newSessions(t, SessionsConfig{Issuer: pageIssuer(t, i), Now: c.now})
	require.True(t, s.HasIssuer())
	require.False(t, s.HasTokens())
	b := newBrowser(t)
	answer := b.login(s, i, "?return=/backups%3Fx%3D1")
	require.Equal(t, "/backups?x=1", answer.Header.Get("Location"))
	require.NotContains(t, b.cookies, loginCookie)
	p, session := b.who(s)
	require.Equal(t, Principal{Subject: i.name() + "|S-1-5-21", Name: "ann@corp.test", Role: Operator, Method: MethodSession}, p)
	require.True(t, session.Fresh(c.now()))
	before := b.cookies[SessionCookie]

	i.idClaims = jwt.MapClaims{"auth_time": c.now().Add(-time.Hour).Unix()}
	b.login(s, i, "")
	_, session = b.who(s)
	require.NotEqual(t, before, b.cookies[SessionCookie])
	require.False(t, session.Fresh(c.now()), "the person logged in at the issuer an hour ago")

	i.idClaims = jwt.MapClaims{"auth_time": nil}
	b.login(s, i, "")
	_, session = b.who(s)
	require.False(t, session.Fresh(c.now()), "who knows when")

	held := b.cookies[SessionCookie]
	answer = b.login(s, i, "?fresh=1")
	require.Equal(t, "/login?error=AuthenticationFailed", answer.Header.Get("Location"))
	require.Equal(t, held, b.cookies[SessionCookie])
	i.idClaims = jwt.MapClaims{"auth_time": "1e99"}
	require.Equal(t, "/login?error=AuthenticationFailed", b.login(s, i, "?fresh=1").Header.Get("Location"))
	i.idClaims = nil
	require.Equal(t, "/", b.login(s, i, "?fresh=1").Header.Get("Location"))
}

func TestLoginsThatAreRefused(t *testing.T) {
	c := newClock()
	i := newIssuer(t, c)
	s := newSessions(t, SessionsConfig{Issuer: pageIssuer(t, i), Now: c.now})
	begin := func(b *browser) string {
		answer := b.do(http.MethodGet, "/login/oidc", s.OIDCLogin)
		back, err := url.Parse(i.authorize(answer.Header.Get("Location")))
		require.NoError(t, err)
		return back.RequestURI()
	}
	for name, attack := range map[string]func(b *browser) (target string){
		"another browser's":     func(*browser) string { return begin(newBrowser(t)) },
		"another login's state": func(b *browser) string { target := begin(b); begin(b); return target },
		"no state":              func(b *browser) string { begin(b); return "/login/callback?code=x" },
		"no code":               func(b *browser) string { return strings.Replace(begin(b), "code=", "error=", 1) },
		"a code of nobody":      func(b *browser) string { return strings.Replace(begin(b), "code=", "code=x", 1) },
		"too late":              func(b *browser) string { target := begin(b); c.advance(loginTimeout + time.Second); return target },
		"another nonce":         func(b *browser) string { i.idClaims = jwt.MapClaims{"nonce": "x"}; return begin(b) },
		"another audience":      func(b *browser) string { i.idClaims = jwt.MapClaims{"aud": audience}; return begin(b) },
		"another issuer":        func(b *browser) string { i.idClaims = jwt.MapClaims{"iss": i.accessName()}; return begin(b) },
		"expired":               func(b *browser) string { i.idClaims = jwt.MapClaims{"exp": 1}; return begin(b) },
		"the issuer's own no":   func(b *browser) string { return begin(b) + "&" },
	} {
		t.Run(name, func(t *testing.T) {
			i.idClaims = nil
			b := newBrowser(t)
			target := attack(b)
			if name == "the issuer's own no" {
				b.do(http.MethodGet, target, s.Callback) // good once
				require.Contains(t, b.cookies, SessionCookie)
				b = newBrowser(t)
				b.cookies[loginCookie] = "x"
			}
			ctx, record := WithRecord(t.Context())
			answer := b.do(http.MethodGet, target, func(w http.ResponseWriter, r *http.Request) { s.Callback(w, r.WithContext(ctx)) })
			require.Regexp(t, `^/login\?error=\w+$`, answer.Header.Get("Location"))
			require.NotContains(t, b.cookies, SessionCookie)
			require.Error(t, record.Noted().Failure, "the audit hears of it")
			require.NotContains(t, record.Noted().Failure.Error(), "hush")
		})
	}
	b := newBrowser(t)
	target := begin(b)
	i.idClaims = nil
	login, codes := b.cookies[loginCookie], maps.Clone(i.codes)
	b.do(http.MethodGet, target, s.Callback)
	require.Contains(t, b.cookies, SessionCookie)
	again := newBrowser(t)
	again.cookies[loginCookie] = login
	i.codes = codes // even if the issuer took its code back again
	again.do(http.MethodGet, target, s.Callback)
	require.NotContains(t, again.cookies, SessionCookie, "a login counts once")

	for _, serve := range []func(http.ResponseWriter, *http.Request){s.OIDCLogin, s.Callback} {
		require.Equal(t, http.StatusMethodNotAllowed, newBrowser(t).do(http.MethodPost, "/", serve).StatusCode)
		none := newSessions(t, SessionsConfig{Tokens: openTokens(t, c)})
		require.Equal(t, http.StatusNotFound, newBrowser(t).do(http.MethodGet, "/", none.OIDCLogin).StatusCode)
	}
}

// Callers whom nobody knows begin as many logins as they like: the login of another browser
// goes on, and nothing of theirs is kept.
func TestPendingLoginsAreTheBrowsers(t *testing.T) {
	c := newClock()
	i := newIssuer(t, c)
	s := newSessions(t, SessionsConfig{Issuer: pageIssuer(t, i), Now: c.now})
	b := newBrowser(t)
	answer := b.do(http.MethodGet, "/login/oidc?return=/backups", s.OIDCLogin)
	for range 2000 {
		c.advance(time.Millisecond)
		newBrowser(t).do(http.MethodGet, "/login/oidc", s.OIDCLogin)
	}
	require.Empty(t, s.used.order)
	back, err := url.Parse(i.authorize(answer.Header.Get("Location")))
	require.NoError(t, err)
	require.Equal(t, "/backups", b.do(http.MethodGet, back.RequestURI(), s.Callback).Header.Get("Location"))
	require.Contains(t, b.cookies, SessionCookie)
}

// TestALoginIsThatOfItsState: what comes back with the state of another login is refused before its code is
// sent to the issuer, who would refuse it, too.
func TestALoginIsThatOfItsState(t *testing.T) {
	c := newClock()
	s := newSessions(t, SessionsConfig{Issuer: pageIssuer(t, newIssuer(t, c))})
	cookie, err := s.logins.seal(pendingLogin{state: strings.Repeat("s", 43), nonce: "n", verifier: "v", returnTo: "/", began: time.Unix(0, c.now().UnixNano())})
	require.NoError(t, err)
	r := httptest.NewRequest(http.MethodGet, "/login/callback", nil)
	r.AddCookie(&http.Cookie{Name: loginCookie, Value: cookie})
	_, ok := s.pending(r, strings.Repeat("s", 43))
	require.True(t, ok)
	for _, state := range []string{"", "s", strings.Repeat("t", 43), strings.Repeat("s", 42)} {
		_, ok = s.pending(r, state)
		require.False(t, ok, state)
	}
}

func TestLoginCookie(t *testing.T) {
	c := newClock()
	i := newIssuer(t, c)
	s := newSessions(t, SessionsConfig{Issuer: pageIssuer(t, i)})
	login := pendingLogin{state: strings.Repeat("s", 43), nonce: strings.Repeat("n", 43), verifier: strings.Repeat("v", 43),
		returnTo: LocalPath("/" + strings.Repeat("&", maxReturnTarget-1)), fresh: true, began: time.Unix(0, c.now().UnixNano())}
	cookie, err := s.logins.seal(login)
	require.NoError(t, err)
	require.Less(t, len(cookie), maxLoginCookie, "the longest")
	found, ok := s.logins.open(cookie)
	require.True(t, ok)
	require.Equal(t, login, found)
	data, err := base64.RawURLEncoding.DecodeString(cookie)
	require.NoError(t, err)
	for _, hidden := range []string{login.state, login.nonce, login.verifier, login.returnTo} {
		require.NotContains(t, string(data), hidden)
	}
	again, err := s.logins.seal(login)
	require.NoError(t, err)
	require.NotEqual(t, cookie, again)

	for at := range data {
		changed := bytes.Clone(data)
		changed[at] ^= 1
		_, ok := s.logins.open(base64.RawURLEncoding.EncodeToString(changed))
		require.False(t, ok, "changed at %d", at)
	}
	for _, other := range []string{"", "x", "=", cookie[:40], cookie[:len(cookie)-2], strings.Repeat("A", maxLoginCookie+1)} {
		_, ok := s.logins.open(other)
		require.False(t, ok, "%q", other)
	}
	_, ok = newSessions(t, SessionsConfig{Issuer: pageIssuer(t, i)}).logins.open(cookie)
	require.False(t, ok, "another process has another key")
	_, err = NewSessions(SessionsConfig{Issuer: pageIssuer(t, i), Random: strings.NewReader("short")})
	require.ErrorIs(t, err, fault.Internal)
}

func TestUsedStatesAreBounded(t *testing.T) {
	now := newClock().now()
	login := func(n int) pendingLogin { return pendingLogin{state: strconv.Itoa(n), began: now} }
	var u usedStates
	require.True(t, u.use(login(0), now))
	require.False(t, u.use(login(0), now.Add(loginTimeout)), "as long as the login is good")
	for n := range maxUsedStates + 10 {
		u.use(login(n+1), now)
	}
	require.Len(t, u.byHash, maxUsedStates)
	require.Len(t, u.order, maxUsedStates)
	require.False(t, u.use(login(maxUsedStates+10), now), "the newest are known")
	later := now.Add(loginTimeout + time.Second)
	require.True(t, u.use(pendingLogin{state: "later", began: later}, later))
	require.Len(t, u.byHash, 1)
	require.Len(t, u.order, 1)
}

func TestIssuerIsAwayAtLogin(t *testing.T) {
	c := newClock()
	i := newIssuer(t, c)
	i.broken.Store(true)
	s := newSessions(t, SessionsConfig{Issuer: pageIssuer(t, i), Now: c.now})
	answer := newBrowser(t).do(http.MethodGet, "/login/oidc", s.OIDCLogin)
	require.Equal(t, "/login?error="+CodeUnavailable, answer.Header.Get("Location"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.config.Issuer.discover(ctx)
	require.True(t, err != nil || errors.Is(err, context.Canceled))
}

func TestLocalPath(t *testing.T) {
	for target, want := range map[string]string{
		"/": "/", "/backups/1?x=y": "/backups/1?x=y", "": "/", "backups": "/", "//evil.test": "/", "/\\evil.test": "/", "https://evil.test/": "/",
		"/a\nb": "/", "javascript:alert(1)": "/", "///evil.test": "/", "/" + strings.Repeat("a", maxReturnTarget): "/", "/%zz": "/",
	} {
		require.Equal(t, want, LocalPath(target), "%q", target)
	}
}
