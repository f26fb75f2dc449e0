package auth

import (
	"context"
	"net/http"
	"strings"
	"time"

	"infrabackup/internal/fault"
)

// AuthenticatorConfig says whom the API lets in. What is nil is not offered.
type AuthenticatorConfig struct {
	Tokens       *Tokens
	Issuers      []*Issuer
	Certificates *Certificates
	Now          func() time.Time // time.Now when nil
}

// Authenticator recognizes the callers of the API.
type Authenticator struct {
	config AuthenticatorConfig
	known  knownTokens
}

// NewAuthenticator makes an authenticator. CONFIG_INVALID when it would let nobody in.
func NewAuthenticator(c AuthenticatorConfig) (*Authenticator, error) {
	if c.Tokens == nil && len(c.Issuers) == 0 && c.Certificates == nil {
		return nil, fault.Newf(fault.ConfigInvalid, "no way to authenticate is configured: API tokens, an issuer or client certificates")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Authenticator{config: c}, nil
}

// Authenticate recognizes the caller of a request by its bearer token or, without one, its
// client certificate. Cookies are not looked at. Errors are a [Refusal] with 401, or with
// 503 when the credential cannot be examined.
func (a *Authenticator) Authenticate(r *http.Request) (Principal, error) {
	return a.withChallenge(a.authenticate(r, a.access))
}

// AuthenticateKnown is Authenticate without what costs more than a hash: a bearer token has to
// be one that was verified before.
func (a *Authenticator) AuthenticateKnown(r *http.Request) (Principal, error) {
	return a.withChallenge(a.authenticate(r, func(_ context.Context, raw string) (verified, error) {
		if known, ok := a.known.get(raw, a.config.Now()); ok {
			return known, nil
		}
		return verified{}, unauthorized(CodeInvalidToken, "The bearer token was not verified.", nil)
	}))
}

func (a *Authenticator) withChallenge(p Principal, err error) (Principal, error) {
	if refused, ok := RefusalOf(err); ok && refused.Status == http.StatusUnauthorized {
		refused.Challenge = challenge(a.loginAt(), refused)
	}
	return p, err
}

// loginAt is where clients log in, empty without an issuer.
func (a *Authenticator) loginAt() string {
	if len(a.config.Issuers) == 0 {
		return ""
	}
	return a.config.Issuers[0].config.URL
}

func (a *Authenticator) authenticate(r *http.Request, access func(context.Context, string) (verified, error)) (Principal, error) {
	now := a.config.Now()
	cert := leaf(r)
	raw, given, err := bearer(r)
	if err != nil {
		return Principal{}, err
	}
	// Resource Manager takes the caller's authorization out; one that is left is not the
	// caller's.
	switch {
	case !given && cert != nil && a.config.Certificates != nil:
		return a.config.Certificates.recognize(r, cert, now)
	case !given:
		return Principal{}, unauthorized(CodeAuthenticationFailed, "The request carries no credential.", nil)
	case strings.HasPrefix(raw, tokenPrefix):
		if a.config.Tokens == nil {
			return Principal{}, unauthorized(CodeInvalidToken, "API tokens are not accepted here.", nil)
		}
		token, err := a.config.Tokens.verify(raw)
		if err != nil {
			return Principal{}, err
		}
		if token.Once {
			return Principal{}, unauthorized(CodeInvalidToken, "The API token is for one login at the page only.", nil)
		}
		return token.principal(), nil
	}
	known, err := access(r.Context(), raw)
	if err != nil {
		return Principal{}, err
	}
	if known.boundTo != "" && (cert == nil || thumbprint(cert) != known.boundTo) {
		return Principal{}, unauthorized(CodeInvalidToken, "The bearer token is bound to another client certificate.", nil)
	}
	return known.principal, nil
}

// principal is who uses the token.
func (t Token) principal() Principal {
	return newPrincipal("token:"+t.ID, t.Name, t.Role, MethodToken)
}

// access verifies a bearer token, or finds that it was verified before.
func (a *Authenticator) access(ctx context.Context, raw string) (verified, error) {
	now := a.config.Now()
	if known, ok := a.known.get(raw, now); ok {
		return known, nil
	}
	name, ok := claimedIssuer(raw)
	if !ok || len(a.config.Issuers) == 0 {
		return verified{}, unauthorized(CodeInvalidToken, "The bearer token is malformed, or of a kind that is not accepted here.", nil)
	}
	err := error(unauthorized(CodeInvalidToken, "The bearer token is of an unknown issuer.", nil))
	for _, issuer := range a.candidates(name) {
		var known verified
		if known, err = issuer.verifyAccess(ctx, name, raw); err == nil {
			a.known.put(raw, known, now)
			return known, nil
		}
	}
	return verified{}, err
}

// candidates are the issuers that may have issued a token: the one of that name, else all
// whose other name is not known to be another.
func (a *Authenticator) candidates(name string) []*Issuer {
	var others []*Issuer
	for _, issuer := range a.config.Issuers {
		d := issuer.current.Load()
		switch {
		case issuer.config.URL == name:
			return []*Issuer{issuer}
		case d == nil:
			others = append(others, issuer)
		case len(d.names) > 1 && d.names[1] == name:
			return []*Issuer{issuer}
		}
	}
	return others
}

// bearer returns the token of the Authorization header.
func bearer(r *http.Request) (token string, given bool, err error) {
	values := r.Header.Values("Authorization")
	if len(values) == 0 {
		return "", false, nil
	}
	scheme, token, found := strings.Cut(values[0], " ")
	token = strings.TrimSpace(token)
	if len(values) > 1 || !found || !strings.EqualFold(scheme, "Bearer") || token == "" || strings.ContainsAny(token, " ,\t") {
		return "", false, unauthorized(CodeAuthenticationFailed, "The Authorization header is not one bearer token.", nil)
	}
	return token, true, nil
}
