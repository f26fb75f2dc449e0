package provider

import (
	"context"
	"crypto/x509"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"infrabackup/internal/auth"
	"infrabackup/internal/config"
	"infrabackup/internal/fault"
	"infrabackup/internal/portal"
	"infrabackup/internal/roots"
	"infrabackup/internal/rp"
	"infrabackup/internal/secret/secretfile"
	"infrabackup/internal/web"
)

// Tokens opens the API tokens that a provider's configuration names, in a folder that is
// made when it is missing. AnyOwner lets root change those of the service's account.
func Tokens(ctx context.Context, c *config.Serve, anyOwner bool) (*auth.Tokens, error) {
	if err := os.MkdirAll(c.StateDir, 0o700); err != nil {
		return nil, fault.New(fault.ConfigInvalid, "the folder for API tokens cannot be created", err)
	}
	return auth.OpenTokens(ctx, auth.TokensConfig{Path: filepath.Join(c.StateDir, "tokens.json"), AnyOwner: anyOwner})
}

// callers are the ways in.
type callers struct {
	tokens        *auth.Tokens
	certificates  *auth.Certificates // nil for none
	authenticator *auth.Authenticator
	sessions      *auth.Sessions
}

func newCallers(ctx context.Context, c *config.Serve) (callers, error) {
	var out callers
	var err error
	if out.tokens, err = Tokens(ctx, c, false); err != nil {
		return out, err
	}
	settings := auth.AuthenticatorConfig{Tokens: out.tokens}
	sessions := auth.SessionsConfig{Tokens: out.tokens}
	if c.Issuer != nil {
		issuer, err := newIssuer(ctx, c)
		if err != nil {
			return out, err
		}
		settings.Issuers = []*auth.Issuer{issuer}
		if c.Issuer.ClientID != "" {
			sessions.Issuer = issuer
		}
	}
	if c.ClientCertificates != nil {
		if out.certificates, err = newCertificates(ctx, c.ClientCertificates); err != nil {
			return out, err
		}
		settings.Certificates = out.certificates
	}
	if out.authenticator, err = auth.NewAuthenticator(settings); err != nil {
		return out, err
	}
	out.sessions, err = auth.NewSessions(sessions)
	return out, err
}

func newIssuer(ctx context.Context, c *config.Serve) (*auth.Issuer, error) {
	i := c.Issuer
	out := auth.IssuerConfig{
		URL: i.URL, Audiences: i.Audiences, Tenant: i.Tenant, ClientID: i.ClientID, RedirectURL: strings.TrimSuffix(c.BaseURL, "/") + callbackPath,
	}
	for value, role := range i.Roles {
		out.Roles = append(out.Roles, auth.RoleRule{Claim: i.RoleClaim, Value: value, Role: auth.Role(role)})
	}
	var err error
	if out.Roots, err = pool(ctx, i.CAFile); err != nil {
		return nil, err
	}
	if i.ClientSecretFile != "" {
		if out.ClientSecret, err = secretfile.ReadLine(i.ClientSecretFile); err != nil {
			return nil, err
		}
	}
	return auth.NewIssuer(out)
}

// callbackPath is where an issuer sends the browser back to.
const callbackPath = "/login/callback"

func newCertificates(ctx context.Context, c *config.ClientCertificates) (*auth.Certificates, error) {
	roots, err := pool(ctx, c.CAFile)
	if err != nil {
		return nil, err
	}
	manager, _ := config.CertificateDigest(c.ResourceManager) // it was validated; empty for none
	var rules []auth.CertificateRule
	for name, role := range c.Roles {
		rule := auth.CertificateRule{Role: auth.Role(role)}
		switch digest, ok := config.CertificateDigest(name); {
		case ok:
			rule.SHA256, rule.ResourceManager = digest, digest == manager
		case strings.Contains(name, "://"):
			rule.URI = name
		default:
			rule.DNS = name
		}
		rules = append(rules, rule)
	}
	return auth.NewCertificates(roots, rules)
}

// pool reads a file of CA certificates; the system's for no file.
func pool(ctx context.Context, file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	all, err := roots.File(ctx, file)
	if err != nil {
		return nil, fault.New(fault.ConfigInvalid, "the CA certificates in "+file+" cannot be used", err)
	}
	return all, nil
}

// Caller recognizes who called the API: the listener has done so already.
func Caller(r *http.Request) (rp.Caller, error) {
	p := auth.PrincipalOf(r.Context())
	if p.IsZero() {
		return nil, web.Refused(&auth.Refusal{Status: http.StatusUnauthorized, Code: auth.CodeAuthenticationFailed, Message: "The request names no caller."})
	}
	return apiCaller{r.Context(), p}, nil
}

// apiCaller is a principal as the API asks for one.
type apiCaller struct {
	ctx       context.Context //nolint:containedctx // a request's own, for its audit line
	principal auth.Principal
}

func (c apiCaller) Subject() string { return c.principal.Subject }

func (c apiCaller) Covers(role string) (known, covered bool) {
	return auth.Role(role).Valid(), c.principal.Role.Covers(auth.Role(role))
}

func (c apiCaller) NoteObject(id string) { auth.NoteObject(c.ctx, id) }

func (c apiCaller) May(action string) error {
	if err := auth.Authorize(c.ctx, auth.Action(action)); err != nil {
		return web.Refused(err)
	}
	return nil
}

// pageSession is a browser's session as the page asks for one.
type pageSession struct {
	request *http.Request
	session *auth.Session
	now     func() time.Time
}

func session(now func() time.Time) func(*http.Request) (portal.Session, bool) {
	return func(r *http.Request) (portal.Session, bool) {
		s := auth.SessionOf(r.Context())
		if s == nil {
			return nil, false
		}
		return pageSession{r, s, now}, true
	}
}

func (s pageSession) Name() string         { return s.session.Principal.Name }
func (s pageSession) Subject() string      { return s.session.Principal.Subject }
func (s pageSession) Role() string         { return string(s.session.Principal.Role) }
func (s pageSession) Fresh() bool          { return s.session.Fresh(s.now()) }
func (s pageSession) ExpiresAt() time.Time { return s.session.IdleUntil() }

func (s pageSession) May(action string) error {
	return auth.Authorize(s.request.Context(), auth.Action(action))
}

// login takes the form with an API token, and leads to where its sender wanted to go.
func (c callers) login(w http.ResponseWriter, r *http.Request) {
	// Of the body alone: a token in an address ends up in histories and logs, and works no
	// better for it.
	back := auth.LocalPath(r.PostFormValue("return"))
	if _, err := c.sessions.LoginWithToken(w, r, r.PostFormValue("token")); err != nil {
		code := string(fault.Internal)
		if refused, ok := auth.RefusalOf(err); ok {
			code = refused.Code
		}
		http.Redirect(w, r, "/login?"+url.Values{"error": {code}, "return": {back}}.Encode(), http.StatusSeeOther)
		return
	}
	http.Redirect(w, r, back, http.StatusSeeOther)
}
