package auth

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/sync/singleflight"

	"infrabackup/internal/fault"
	"infrabackup/internal/printable"
	"infrabackup/internal/secret"
)

const (
	refetchEvery   = 30 * time.Second // how often an issuer is asked, at most
	issuerTimeout  = 10 * time.Second
	maxIssuerBytes = 1 << 20
)

// algorithms that tokens may be signed with. Without HMAC, a public key is never taken for
// a shared secret.
var algorithms = []string{oidc.RS256, oidc.ES256}

// RoleRule gives a role to callers whose token has a value in a claim, such as a group or
// an app role. The claim is a text or a list of texts.
type RoleRule struct {
	Claim string
	Value string
	Role  Role
}

// IssuerConfig describes an OpenID Connect issuer: AD FS or Entra.
type IssuerConfig struct {
	// URL is the issuer exactly as its discovery document has it.
	URL string
	// Audiences are those of the API's access tokens. That of the page's client must not
	// be among them: its ID tokens are no access tokens.
	Audiences []string
	Roles     []RoleRule
	// Tenant has to be in the claim tid, when it is set.
	Tenant string
	Roots  *x509.CertPool // the system's when nil

	// ClientID, ClientSecret and RedirectURL are of the page. Without ClientID nobody logs
	// in there by this issuer.
	ClientID     string
	ClientSecret secret.String
	RedirectURL  string // https://HOST/login/callback

	Now func() time.Time // time.Now when nil
}

// Issuer verifies the tokens of one issuer. It is asked for its keys when the first token
// comes, and at most once in 30 seconds, whatever callers send.
type Issuer struct {
	config  IssuerConfig
	client  *http.Client
	flight  singleflight.Group
	tried   tried
	current atomic.Pointer[discovered]
}

// tried is the last attempt to read the discovery document.
type tried struct {
	mu  sync.Mutex
	at  time.Time
	err error
}

// discovered is what the issuer says of itself.
type discovered struct {
	provider *oidc.Provider
	keys     *keySet
	names    []string // of the issuer, as tokens may have them
}

// NewIssuer examines the configuration; the issuer itself need not be reachable yet.
func NewIssuer(c IssuerConfig) (*Issuer, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if err := c.check(); err != nil {
		return nil, fault.New(fault.ConfigInvalid, "issuer "+printable.Quote(c.URL)+" cannot be used", err)
	}
	transport := &bodyLimit{&http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: issuerTimeout}).DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: c.Roots},
		TLSHandshakeTimeout:    issuerTimeout,
		ResponseHeaderTimeout:  issuerTimeout,
		MaxResponseHeaderBytes: 64 << 10,
		MaxConnsPerHost:        8,
		IdleConnTimeout:        refetchEvery,
		ForceAttemptHTTP2:      true,
	}}
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Issuer{config: c, client: &http.Client{Transport: transport, Timeout: issuerTimeout, CheckRedirect: stay}}, nil
}

func (c IssuerConfig) check() error {
	u, err := url.Parse(c.URL)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("its URL is not https://HOST/PATH")
	}
	for _, shared := range []string{"/common", "/organizations", "/consumers"} {
		if u.Path == shared || strings.HasPrefix(u.Path, shared+"/") {
			return errors.New("it stands for every tenant; name one")
		}
	}
	if c.ClientID != "" {
		redirect, err := url.Parse(c.RedirectURL)
		if err != nil || redirect.Scheme != "https" || redirect.Host == "" {
			return errors.New("the redirect URL is not https://HOST/PATH")
		}
		if slices.Contains(c.Audiences, c.ClientID) {
			return errors.New("the page's client is among the audiences of the API, so that ID tokens would pass as access tokens")
		}
	}
	if slices.Contains(c.Audiences, "") {
		return errors.New("an audience is empty")
	}
	for _, rule := range c.Roles {
		if rule.Claim == "" || rule.Value == "" || !rule.Role.Valid() {
			return errors.New("a rule for roles needs a claim, a value and one of the roles reader, operator and owner")
		}
	}
	return nil
}

// discover returns what the issuer says of itself, and asks it when that is not known yet.
func (i *Issuer) discover(ctx context.Context) (*discovered, error) {
	if d := i.current.Load(); d != nil {
		return d, nil
	}
	answer := i.flight.DoChan("", func() (any, error) {
		if d := i.current.Load(); d != nil {
			return d, nil
		}
		i.tried.mu.Lock()
		defer i.tried.mu.Unlock()
		if now := i.config.Now(); !i.tried.at.IsZero() && now.Sub(i.tried.at) < refetchEvery {
			return nil, i.tried.err
		} else {
			i.tried.at = now
		}
		d, err := i.ask(context.WithoutCancel(ctx))
		i.tried.err = err
		if err != nil {
			return nil, err
		}
		i.current.Store(d)
		return d, nil
	})
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case result := <-answer:
		if result.Err != nil {
			return nil, unavailable("The issuer of tokens cannot be reached or gives no valid answer.", "Check the issuer, and the service's connection to it.", result.Err)
		}
		return result.Val.(*discovered), nil
	}
}

func (i *Issuer) ask(ctx context.Context) (*discovered, error) {
	ctx, cancel := context.WithTimeout(ctx, issuerTimeout)
	defer cancel()
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, i.client), i.config.URL)
	if err != nil {
		return nil, err
	}
	var more struct {
		AccessTokenIssuer string `json:"access_token_issuer"` // AD FS names access tokens' issuer otherwise
		Keys              string `json:"jwks_uri"`
	}
	if err := provider.Claims(&more); err != nil {
		return nil, err
	}
	endpoint := provider.Endpoint()
	for _, address := range []string{more.Keys, endpoint.AuthURL, endpoint.TokenURL} {
		if u, err := url.Parse(address); err != nil || u.Scheme != "https" {
			return nil, errors.New("its discovery document names an address that is not https")
		}
	}
	d := &discovered{provider: provider, names: []string{i.config.URL}}
	if more.AccessTokenIssuer != "" {
		d.names = append(d.names, more.AccessTokenIssuer)
	}
	d.keys = &keySet{url: more.Keys, client: i.client, now: i.config.Now}
	return d, nil
}

// role returns the highest role that the claims give.
func (i *Issuer) role(claims map[string]any) Role {
	best := Role("")
	for _, rule := range i.config.Roles {
		if !best.Covers(rule.Role) && slices.Contains(texts(claims[rule.Claim]), rule.Value) {
			best = rule.Role
		}
	}
	return best
}

// texts is the value of a claim that is a text or a list of texts.
func texts(claim any) []string {
	switch v := claim.(type) {
	case string:
		return []string{v}
	case []any:
		var all []string
		for _, one := range v {
			if s, ok := one.(string); ok {
				all = append(all, s)
			}
		}
		return all
	}
	return nil
}

// principal makes a principal of verified claims.
func (i *Issuer) principal(token *oidc.IDToken, claims map[string]any) (Principal, error) {
	subject := firstText(claims, "sub", "appid", "client_id") // applications have no sub at AD FS
	if subject == "" {
		return Principal{}, unauthorized(CodeInvalidToken, "The bearer token names no subject.", nil)
	}
	name := firstText(claims, "preferred_username", "upn", "unique_name", "email", "name", "appid", "azp")
	return newPrincipal(token.Issuer+"|"+subject, name, i.role(claims), MethodOIDC), nil
}

// firstText returns the first of some claims that is a text and not empty.
func firstText(claims map[string]any, names ...string) string {
	for _, name := range names {
		if text, ok := claims[name].(string); ok && text != "" {
			return text
		}
	}
	return ""
}
