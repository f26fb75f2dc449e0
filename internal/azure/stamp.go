package azure

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/tidwall/gjson"

	"infrabackup/internal/azure/scan"
	"infrabackup/internal/fault"
)

// metadataVersion is the api-version of the discovery document, which needs no
// token.
const metadataVersion = "2015-01-01"

// Stamp is one Azure Stack style cloud. It is safe for concurrent use; collectors
// share one, so that they share connections, tokens, and what the stamp allows.
type Stamp struct {
	target target
	http   *http.Client
	tokens *tokens
	tenant *Client
	admin  *Client
	ahead  budget // of what all answers hold that wait for their turn

	remembered budget // of what all captures remember

	mu     sync.Mutex
	pacers map[string]*pacer // by host

	vaultAudience *remembered
}

// New makes a stamp from its configuration. The stamp itself is not touched before
// the first request. Errors are CONFIG_INVALID faults.
func New(c Config) (*Stamp, error) {
	t, err := c.validate()
	if err != nil {
		return nil, err
	}
	transport := newTransport(t)
	s := &Stamp{
		target: t, http: newHTTPClient(transport), ahead: budget{left: maxAhead}, remembered: budget{left: maxRemembered},
		pacers: map[string]*pacer{}, vaultAudience: newRemembered(),
	}
	s.tokens = &tokens{
		target: t, client: newHTTPClient(examined{transport, t.authority}), pace: s.pacerOf(t.authority), gate: newGate(), held: map[string]azcore.AccessToken{},
	}
	s.tenant = s.newManager(Tenant, t.tenant)
	s.admin = s.newManager(Admin, t.admin)
	return s, nil
}

// Close closes idle connections.
func (s *Stamp) Close() { s.http.CloseIdleConnections() }

// ClientID is the application as which the stamp is read.
func (s *Stamp) ClientID() string { return s.target.ClientID }

// Tenant is the resource manager that tenants use.
func (s *Stamp) Tenant() *Client { return s.tenant }

// Admin is the resource manager of the operator.
func (s *Stamp) Admin() *Client { return s.admin }

func (s *Stamp) newManager(endpoint Endpoint, base *url.URL) *Client {
	c := &Client{endpoint: endpoint, name: string(endpoint), base: base, stamp: s, pace: s.pacerOf(base)}
	audience := newRemembered()
	c.audience = func(ctx context.Context) (string, error) {
		return audience.get(ctx, func(ctx context.Context) (string, error) { return c.discover(ctx, s.target) })
	}
	return c
}

// maxPacers bounds for how many hosts it is remembered what they allow. Clients keep
// theirs.
const maxPacers = 1000

// Remembered is about how many bytes captures remember now; between them, none.
func (s *Stamp) Remembered() int64 {
	s.remembered.mu.Lock()
	defer s.remembered.mu.Unlock()
	return maxRemembered - s.remembered.left
}

// pacerOf is the pacer of a host, which all clients of the host share.
func (s *Stamp) pacerOf(base *url.URL) *pacer {
	s.mu.Lock()
	defer s.mu.Unlock()
	host := plainHost(base)
	p := s.pacers[host]
	if p == nil {
		for other := range s.pacers { // what was learned of a vault that is not asked now
			if len(s.pacers) < maxPacers {
				break
			}
			delete(s.pacers, other)
		}
		p = &pacer{clock: wallClock{}, patience: s.target.Patience, backoff: s.target.RetryDelay}
		s.pacers[host] = p
	}
	return p
}

// clientOptions are for the library that gets tokens.
func clientOptions(t target, client *http.Client) azcore.ClientOptions {
	return azcore.ClientOptions{
		Retry: policy.RetryOptions{
			MaxRetries: maxRetries, TryTimeout: t.TryTimeout, RetryDelay: t.RetryDelay, MaxRetryDelay: maxRetryDelay,
			StatusCodes: []int{http.StatusRequestTimeout, http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout},
		},
		Telemetry: policy.TelemetryOptions{Disabled: true},
		Transport: client,
	}
}

// discover asks a resource manager for whom tokens must be, and makes sure that it
// names the configured identity provider.
func (c *Client) discover(ctx context.Context, t target) (string, error) {
	what := "discover the stamp at " + c.base.Host
	var document []byte
	err := c.do(ctx, request{method: http.MethodGet, target: c.at("/metadata/endpoints", metadataVersion, nil), what: what, anonymous: true}, func(r *reply) error {
		body, err := r.document(metadataLimits)
		document = scan.Trim(body)
		return err
	})
	if err != nil {
		return "", err
	}
	login := gjson.GetBytes(document, "authentication.loginEndpoint").String()
	u, err := url.Parse(login)
	if err != nil || u.Scheme != "https" || !sameHost(u, t.authority) {
		return "", fault.Newf(fault.SourceInvalid, "%s: it names the identity provider %.200q, configured is %s", what, login, t.authority)
	}
	audience := gjson.GetBytes(document, "authentication.audiences.0").String()
	if a, err := url.Parse(audience); err != nil || a.Scheme != "https" || a.Host == "" {
		return "", fault.Newf(fault.SourceInvalid, "%s: it names the audience %.200q, want an https URL", what, audience)
	}
	return strings.TrimSuffix(audience, "/"), nil
}

// metadataLimits are those of the discovery document.
var metadataLimits = scan.Limits{Depth: 64, Values: 100_000, Bytes: 1 << 20}

// remembered is a value that is found out once; failures are not kept.
type remembered struct {
	gate  gate
	value string // behind the gate
}

func newRemembered() *remembered { return &remembered{gate: newGate()} }

func (r *remembered) get(ctx context.Context, find func(context.Context) (string, error)) (string, error) {
	if err := r.gate.enter(ctx); err != nil {
		return "", err
	}
	defer r.gate.leave()
	if r.value != "" {
		return r.value, nil
	}
	value, err := find(ctx)
	if err == nil {
		r.value = value
	}
	return value, err
}
