package auth

import (
	"context"
	"crypto/subtle"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

const (
	// loginPath is the page that asks for a login, where refused callbacks lead.
	loginPath       = "/login"
	loginCookie     = "__Host-ibk-login"
	loginTimeout    = 10 * time.Minute
	maxReturnTarget = 1024
)

// pendingLogin is a browser that was sent to the issuer.
type pendingLogin struct {
	state    string
	verifier string // of PKCE
	nonce    string
	returnTo string
	fresh    bool // the person has to prove again who they are
	began    time.Time
}

// LocalPath returns target when it is a path on this host, and "/" otherwise, so that a
// login leads nowhere else.
func LocalPath(target string) string {
	u, err := url.Parse(target)
	if err != nil || len(target) > maxReturnTarget || u.IsAbs() || u.Host != "" || u.User != nil ||
		!strings.HasPrefix(target, "/") || strings.HasPrefix(target, "//") || strings.ContainsAny(target, "\\\r\n\t") {
		return "/"
	}
	return target
}

// OIDCLogin sends the browser to the issuer. The query's return says where to go then; with
// fresh=1 the person has to prove again who they are, however long they were logged in.
func (s *Sessions) OIDCLogin(w http.ResponseWriter, r *http.Request) {
	if s.config.Issuer == nil {
		http.NotFound(w, r)
		return
	}
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		http.Error(w, "log in with GET", http.StatusMethodNotAllowed)
		return
	}
	d, err := s.config.Issuer.discover(r.Context())
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	state, err := s.randomText()
	var nonce, verifier string
	if err == nil {
		nonce, err = s.randomText()
	}
	if err == nil {
		verifier, err = s.randomText() // 43 characters, as RFC 7636 wants at least
	}
	query := r.URL.Query()
	login := pendingLogin{state: state, verifier: verifier, nonce: nonce, returnTo: LocalPath(query.Get("return")), fresh: query.Get("fresh") == "1", began: s.config.Now()}
	var sealed string
	if err == nil {
		sealed, err = s.logins.seal(login)
	}
	if err != nil {
		s.refuse(w, r, unavailable("A login cannot begin.", "Try again.", err))
		return
	}
	http.SetCookie(w, &http.Cookie{Name: loginCookie, Value: sealed, Path: "/", MaxAge: int(loginTimeout / time.Second), Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	options := []oauth2.AuthCodeOption{oidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier), oauth2.SetAuthURLParam("response_mode", "query")}
	if login.fresh {
		options = append(options, oauth2.SetAuthURLParam("prompt", "login"), oauth2.SetAuthURLParam("max_age", strconv.Itoa(int(FreshLogin/time.Second))))
	}
	http.Redirect(w, r, s.config.Issuer.oauth2(d).AuthCodeURL(state, options...), http.StatusSeeOther)
}

func (i *Issuer) oauth2(d *discovered) *oauth2.Config {
	return &oauth2.Config{ClientID: i.config.ClientID, ClientSecret: i.config.ClientSecret.Reveal(), Endpoint: d.provider.Endpoint(),
		RedirectURL: i.config.RedirectURL, Scopes: []string{oidc.ScopeOpenID}}
}

// pending returns the login of a request's cookie, if state is that login's. Two cookies of
// the name are none.
func (s *Sessions) pending(r *http.Request, state string) (pendingLogin, bool) {
	cookies := r.CookiesNamed(loginCookie)
	if state == "" || len(cookies) != 1 {
		return pendingLogin{}, false
	}
	login, ok := s.logins.open(cookies[0].Value)
	return login, ok && subtle.ConstantTimeCompare([]byte(login.state), []byte(state)) == 1
}

// Callback takes the browser that comes back from the issuer: state and nonce count once, and
// only in the browser that they were given to.
func (s *Sessions) Callback(w http.ResponseWriter, r *http.Request) {
	if s.config.Issuer == nil {
		http.NotFound(w, r)
		return
	}
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		http.Error(w, "the issuer answers with GET", http.StatusMethodNotAllowed)
		return
	}
	http.SetCookie(w, &http.Cookie{Name: loginCookie, Path: "/", MaxAge: -1, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	query := r.URL.Query()
	login, ok := s.pending(r, query.Get("state"))
	if !ok {
		s.refuse(w, r, unauthorized(CodeAuthenticationFailed, "The login did not begin in this browser.", nil))
		return
	}
	now := s.config.Now()
	switch {
	case now.Sub(login.began) > loginTimeout || !s.used.use(login, now):
		s.refuse(w, r, unauthorized(CodeAuthenticationFailed, "The login took too long, or was answered before.", nil))
		return
	case query.Get("code") == "":
		s.refuse(w, r, unauthorized(CodeAuthenticationFailed, "The issuer has refused the login.", nil))
		return
	}
	session, err := s.exchange(r.Context(), login, query.Get("code"))
	if err == nil {
		_, err = s.begin(w, r, session)
	}
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	http.Redirect(w, r, login.returnTo, http.StatusSeeOther)
}

// exchange redeems the code of a login at the issuer and verifies the ID token.
func (s *Sessions) exchange(ctx context.Context, login pendingLogin, code string) (Session, error) {
	issuer := s.config.Issuer
	d, err := issuer.discover(ctx)
	if err != nil {
		return Session{}, err
	}
	answer, err := issuer.oauth2(d).Exchange(oidc.ClientContext(ctx, issuer.client), code, oauth2.VerifierOption(login.verifier))
	if err != nil {
		// The error holds the issuer's whole answer, which is not for a log.
		return Session{}, unauthorized(CodeAuthenticationFailed, "The issuer does not take back the code that it gave.", nil)
	}
	raw, _ := answer.Extra("id_token").(string)
	token, claims, err := issuer.verify(ctx, d, issuer.config.URL, raw, &oidc.Config{ClientID: issuer.config.ClientID})
	if err != nil {
		return Session{}, err
	}
	if subtle.ConstantTimeCompare([]byte(token.Nonce), []byte(login.nonce)) != 1 {
		return Session{}, unauthorized(CodeInvalidToken, "The issuer has answered another login.", nil)
	}
	session := Session{LoggedIn: authTime(claims)}
	if session.Principal, err = issuer.principal(token, claims); err != nil {
		return Session{}, err
	}
	if login.fresh && !session.Fresh(s.config.Now()) {
		return Session{}, unauthorized(CodeAuthenticationFailed, "The issuer does not say that the person has logged in again (claim auth_time).", nil)
	}
	return session, nil
}

// authTime is when the person proved who they are, by the claim auth_time; some issuers
// write numbers as texts.
func authTime(claims map[string]any) time.Time {
	var seconds float64
	switch v := claims["auth_time"].(type) {
	case float64:
		seconds = v
	case string:
		seconds, _ = strconv.ParseFloat(v, 64) // without a number there is no time
	}
	if seconds <= 0 || seconds > 1<<40 {
		return time.Time{}
	}
	return time.Unix(int64(seconds), 0)
}

// refuse leads back to the login page, which says what the code means. Nothing of the
// request or of the issuer's answer is repeated.
func (s *Sessions) refuse(w http.ResponseWriter, r *http.Request, err error) {
	code := CodeUnavailable
	if refused, ok := RefusalOf(err); ok {
		code = refused.Code
	}
	NoteFailure(r.Context(), err)
	http.Redirect(w, r, loginPath+"?error="+url.QueryEscape(code), http.StatusSeeOther)
}
