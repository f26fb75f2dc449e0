package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"infrabackup/internal/fault"
)

const (
	// SessionCookie is the cookie of the page. With the prefix, browsers take it over TLS
	// and for this host only.
	SessionCookie = "__Host-ibk"
	// SessionIdle is how long a session lasts without a request.
	SessionIdle = 15 * time.Minute
	// SessionLifetime is how long a session lasts at most.
	SessionLifetime = 8 * time.Hour
	// FreshLogin is how long a login counts as fresh.
	FreshLogin = 5 * time.Minute

	maxSessions = 1000
	idBytes     = 32
)

// Session is one browser that is logged in.
type Session struct {
	Principal Principal
	// LoggedIn is when the person proved who they are; zero when the issuer does not say.
	LoggedIn time.Time
	// Ends is the latest end.
	Ends time.Time

	key   [sha256.Size]byte
	token string // id of the API token that it began with and ends with
	seen  time.Time
	gone  context.Context // ends with the session
	end   context.CancelFunc
}

// Fresh reports whether the login is at most five minutes old, as dangerous changes ask
// for.
func (s *Session) Fresh(now time.Time) bool {
	age := now.Sub(s.LoggedIn)
	return !s.LoggedIn.IsZero() && age >= -time.Minute && age <= FreshLogin
}

// IdleUntil is when the session ends without another request.
func (s *Session) IdleUntil() time.Time {
	if idle := s.seen.Add(SessionIdle); idle.Before(s.Ends) {
		return idle
	}
	return s.Ends
}

// SessionsConfig says how the page's sessions begin.
type SessionsConfig struct {
	Tokens *Tokens          // to log in with an API token; nil for not
	Issuer *Issuer          // to log in at, with a ClientID; nil for none
	Now    func() time.Time // time.Now when nil
	Random io.Reader        // crypto/rand when nil
}

// Sessions holds the sessions of the page in memory: they end with the process. Ids are
// kept as hashes, so that a copy of the memory's content is no login.
type Sessions struct {
	config SessionsConfig
	mu     sync.Mutex
	byHash map[[sha256.Size]byte]*Session

	logins *loginSealer // keeps logins that have begun in the browser; nil without an issuer
	used   usedStates   // logins that were answered
}

// NewSessions makes an empty store. CONFIG_INVALID when there is no way to log in, INTERNAL
// when no key can be drawn.
func NewSessions(c SessionsConfig) (*Sessions, error) {
	if c.Issuer != nil && c.Issuer.config.ClientID == "" {
		c.Issuer = nil
	}
	if c.Tokens == nil && c.Issuer == nil {
		return nil, fault.Newf(fault.ConfigInvalid, "no way to log in is configured: API tokens, or an issuer with a client id")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Random == nil {
		c.Random = rand.Reader
	}
	s := &Sessions{config: c, byHash: map[[sha256.Size]byte]*Session{}}
	if c.Issuer != nil {
		var err error
		if s.logins, err = newLoginSealer(c.Random); err != nil {
			return nil, fault.New(fault.Internal, "a key for logins cannot be drawn", err)
		}
	}
	return s, nil
}

// HasIssuer reports whether one can log in at an issuer.
func (s *Sessions) HasIssuer() bool { return s.config.Issuer != nil }

// HasTokens reports whether one can log in with an API token.
func (s *Sessions) HasTokens() bool { return s.config.Tokens != nil }

// SessionOf returns the session of a request's context, nil when there is none. It must not
// be changed.
func SessionOf(ctx context.Context) *Session {
	session, _ := ctx.Value(sessionKey).(*Session)
	return session
}

// Middleware puts the session of the request's cookie, and its principal, into the context
// of the request; without a good cookie there is neither. The context ends with the session,
// so that streams end at a logout. A bearer token is not looked at.
func (s *Sessions) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session := s.find(r)
		if session == nil {
			next.ServeHTTP(w, r)
			return
		}
		ctx, cancel := context.WithCancel(WithPrincipal(context.WithValue(r.Context(), sessionKey, session), session.Principal))
		defer cancel()
		defer context.AfterFunc(session.gone, cancel)()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// Alive reports whether the session of a context is still good, without making it last
// longer: streams ask now and then.
func (s *Sessions) Alive(ctx context.Context) bool {
	session := SessionOf(ctx)
	if session == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	held := s.byHash[session.key]
	return held != nil && s.good(held)
}

// find returns a copy of the session of a request's cookie, and notes that it is in use.
func (s *Sessions) find(r *http.Request) *Session {
	key, ok := cookieKey(r)
	if !ok {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	session := s.byHash[key]
	if session == nil || !s.good(session) {
		return nil
	}
	session.seen = s.config.Now()
	found := *session
	return &found
}

// good reports whether a session may be used, and forgets it otherwise.
func (s *Sessions) good(session *Session) bool {
	if s.config.Now().Before(session.IdleUntil()) && (session.token == "" || s.config.Tokens.alive(session.token)) {
		return true
	}
	s.forget(session.key)
	return false
}

func (s *Sessions) forget(key [sha256.Size]byte) {
	if session := s.byHash[key]; session != nil {
		session.end()
		delete(s.byHash, key)
	}
}

// cookieKey is the hash of the id in a request's cookie. Two cookies of the name are none.
func cookieKey(r *http.Request) (key [sha256.Size]byte, ok bool) {
	cookies := r.CookiesNamed(SessionCookie)
	if len(cookies) != 1 || len(cookies[0].Value) != base64.RawURLEncoding.EncodedLen(idBytes) {
		return key, false
	}
	return sha256.Sum256([]byte(cookies[0].Value)), true
}

// LoginWithToken begins a session with an API token and sets its cookie. Errors are a
// [Refusal], which the audit hears of.
func (s *Sessions) LoginWithToken(w http.ResponseWriter, r *http.Request, text string) (Principal, error) {
	p, err := s.loginWithToken(w, r, text)
	if err != nil {
		NoteFailure(r.Context(), err)
	}
	return p, err
}

func (s *Sessions) loginWithToken(w http.ResponseWriter, r *http.Request, text string) (Principal, error) {
	if s.config.Tokens == nil {
		return Principal{}, unauthorized(CodeInvalidToken, "API tokens are not accepted here.", nil)
	}
	token, err := s.config.Tokens.verify(text)
	if err != nil {
		return Principal{}, err
	}
	now := s.config.Now()
	session := Session{Principal: token.principal(), LoggedIn: now, Ends: token.Expires, token: token.ID}
	if token.Once {
		if err := s.config.Tokens.spend(r.Context(), token.ID); err != nil {
			if _, ok := RefusalOf(err); !ok {
				err = unavailable("The API token cannot be marked as used.", "Look at the service's token file.", err)
			}
			return Principal{}, err
		}
		session.token, session.Ends = "", now.Add(SessionLifetime)
	}
	return s.begin(w, r, session)
}

// begin stores a session under a new id and sets its cookie. The session that the browser
// had before ends.
func (s *Sessions) begin(w http.ResponseWriter, r *http.Request, session Session) (Principal, error) {
	id, err := s.randomText()
	if err != nil {
		return Principal{}, unavailable("A session cannot begin.", "Try again.", err)
	}
	now := s.config.Now()
	session.key, session.seen = sha256.Sum256([]byte(id)), now
	session.Principal.Method = MethodSession
	if latest := now.Add(SessionLifetime); session.Ends.IsZero() || latest.Before(session.Ends) {
		session.Ends = latest
	}
	session.gone, session.end = context.WithCancel(context.Background())
	s.mu.Lock()
	defer s.mu.Unlock()
	if before, ok := cookieKey(r); ok {
		s.forget(before)
	}
	s.clear()
	s.byHash[session.key] = &session
	cookie := s.cookie(id)
	cookie.Expires = session.Ends
	http.SetCookie(w, cookie)
	if record := recordOf(r.Context()); record != nil {
		record.note(func(n *Noted) { n.Principal, n.Login = session.Principal, true })
	}
	return session.Principal, nil
}

// clear makes place for one more session: what has ended goes, or what was not used for
// longest.
func (s *Sessions) clear() {
	if len(s.byHash) < maxSessions {
		return
	}
	for _, session := range slices.Collect(maps.Values(s.byHash)) {
		s.good(session)
	}
	if len(s.byHash) < maxSessions {
		return
	}
	oldest := slices.MinFunc(slices.Collect(maps.Values(s.byHash)), func(a, b *Session) int { return a.seen.Compare(b.seen) })
	s.forget(oldest.key)
}

func (s *Sessions) cookie(value string) *http.Cookie {
	return &http.Cookie{Name: SessionCookie, Value: value, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode}
}

// randomText is 256 random bits.
func (s *Sessions) randomText() (string, error) {
	data := make([]byte, idBytes)
	if _, err := io.ReadFull(s.config.Random, data); err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(data), nil
}

// Logout ends the session of a POST, removes its cookie and leads to the login page. At the
// issuer the person stays logged in.
func (s *Sessions) Logout(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "log out with POST", http.StatusMethodNotAllowed)
		return
	}
	if key, ok := cookieKey(r); ok {
		s.mu.Lock()
		s.forget(key)
		s.mu.Unlock()
	}
	gone := s.cookie("")
	gone.MaxAge = -1
	http.SetCookie(w, gone)
	http.Redirect(w, r, loginPath, http.StatusSeeOther)
}
