package azure

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/tidwall/gjson"

	"infrabackup/internal/fault"
)

// metadataVersion is the api-version of the discovery document, which needs no
// token.
const metadataVersion = "2015-01-01"

// Stamp is one Azure Stack style cloud. It is safe for concurrent use; collectors
// share one, so that they share connections and tokens.
type Stamp struct {
	target target
	http   *http.Client
	tokens *tokens
	tenant *Client
	admin  *Client

	vaultAudience remembered
}

// New makes a stamp from its configuration. The stamp itself is not touched before
// the first request. Errors are CONFIG_INVALID faults.
func New(c Config) (*Stamp, error) {
	t, err := c.validate()
	if err != nil {
		return nil, err
	}
	s := &Stamp{target: t, http: newHTTPClient(t)}
	s.tokens = &tokens{target: t, client: s.http, held: map[string]azcore.AccessToken{}}
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
	c := &Client{endpoint: endpoint, name: string(endpoint), base: base, plain: s.newPipeline(nil)}
	audience := &remembered{}
	c.audience = func(ctx context.Context) (string, error) {
		return audience.get(ctx, func(ctx context.Context) (string, error) { return c.discover(ctx, s.target) })
	}
	c.pipeline = s.newPipeline(&bearer{s.tokens, c.audience})
	return c
}

// newPipeline sends requests with a token, or without one when auth is nil. It is
// azcore's without arm's extras: those register resource providers by themselves.
func (s *Stamp) newPipeline(auth policy.Policy) runtime.Pipeline {
	var perRetry []policy.Policy
	if auth != nil {
		perRetry = append(perRetry, auth)
	}
	options := clientOptions(s.target, s.http)
	return runtime.NewPipeline("infrabackup", "v1", runtime.PipelineOptions{PerRetry: perRetry}, &options)
}

func clientOptions(t target, client *http.Client) azcore.ClientOptions {
	return azcore.ClientOptions{
		Retry: policy.RetryOptions{
			MaxRetries: maxRetries, TryTimeout: t.TryTimeout, RetryDelay: t.RetryDelay, MaxRetryDelay: maxRetryDelay,
		},
		Telemetry: policy.TelemetryOptions{Disabled: true},
		Transport: client,
	}
}

// discover asks a resource manager for whom tokens must be, and makes sure that it
// names the configured identity provider.
func (c *Client) discover(ctx context.Context, t target) (string, error) {
	what := "discover the stamp at " + c.base.Host
	answer, err := c.send(ctx, c.plain, http.MethodGet, c.at("/metadata/endpoints", metadataVersion, nil), what)
	if err != nil {
		return "", err
	}
	login := gjson.GetBytes(answer.Body, "authentication.loginEndpoint").String()
	u, err := url.Parse(login)
	if err != nil || !strings.EqualFold(u.Host, t.authority.Host) || u.Scheme != "https" {
		return "", fault.Newf(fault.SourceInvalid, "%s: it names the identity provider %.200q, configured is %s", what, login, t.authority)
	}
	audience := gjson.GetBytes(answer.Body, "authentication.audiences.0").String()
	if a, err := url.Parse(audience); err != nil || a.Scheme != "https" || a.Host == "" {
		return "", fault.Newf(fault.SourceInvalid, "%s: it names the audience %.200q, want an https URL", what, audience)
	}
	return strings.TrimSuffix(audience, "/"), nil
}

// remembered is a value that is found out once; failures are not kept.
type remembered struct {
	mu    sync.Mutex
	value string
}

func (r *remembered) get(ctx context.Context, find func(context.Context) (string, error)) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.value != "" {
		return r.value, nil
	}
	value, err := find(ctx)
	if err == nil {
		r.value = value
	}
	return value, err
}
