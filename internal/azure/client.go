package azure

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/tidwall/gjson"

	"infrabackup/internal/fault"
)

// Endpoint names one of the doors to a stamp.
type Endpoint string

// The endpoints.
const (
	Tenant Endpoint = "tenant" // resource manager of tenants
	Admin  Endpoint = "admin"  // resource manager of the operator
	Vault  Endpoint = "vault"  // data plane of a vault
)

// Client sends raw requests to one host of a stamp. It is safe for concurrent use.
type Client struct {
	endpoint Endpoint
	name     string // for messages
	base     *url.URL
	pipeline runtime.Pipeline
	plain    runtime.Pipeline // without token
	audience func(context.Context) (string, error)
}

// Endpoint tells which door the client uses.
func (c *Client) Endpoint() Endpoint { return c.endpoint }

// Host is the host that the client talks to.
func (c *Client) Host() string { return c.base.Host }

// Answer is a successful answer.
type Answer struct {
	Body []byte    // one valid JSON document, as it came
	ETag string    // entity tag, empty when there is none
	Date time.Time // the stamp's clock, zero when it did not say
}

// Get reads one document, such as path /subscriptions/<id>. Params may be nil.
// Errors are SOURCE_… and LIMIT_EXCEEDED faults with [ErrNotFound] and its siblings
// in their chain, or the context's error.
func (c *Client) Get(ctx context.Context, path, apiVersion string, params url.Values) (*Answer, error) {
	return c.send(ctx, c.pipeline, http.MethodGet, c.at(path, apiVersion, params), "read "+c.name+" "+path)
}

// Post calls an action that changes nothing, without a body. Errors are those of
// [Client.Get].
func (c *Client) Post(ctx context.Context, path, apiVersion string) (*Answer, error) {
	return c.send(ctx, c.pipeline, http.MethodPost, c.at(path, apiVersion, nil), "call "+c.name+" "+path)
}

// at makes the URL of a path, which is used as the stamp wrote it: IDs may hold
// blanks and other characters that need escaping.
func (c *Client) at(path, apiVersion string, params url.Values) string {
	u := *c.base
	u.Path = "/" + strings.TrimLeft(path, "/")
	query := url.Values{"api-version": {apiVersion}}
	for name, values := range params {
		query[name] = values
	}
	u.RawQuery = query.Encode()
	return u.String()
}

func (c *Client) send(ctx context.Context, pipeline runtime.Pipeline, method, target, what string) (*Answer, error) {
	req, err := runtime.NewRequest(ctx, method, target)
	if err != nil {
		return nil, fault.New(fault.SourceInvalid, what, err)
	}
	req.Raw().Header.Set("Accept", "application/json")
	if method == http.MethodPost {
		req.Raw().Header.Set("Content-Length", "0")
	}
	resp, err := pipeline.Do(req)
	if err != nil {
		return nil, transportFault(ctx, what, err)
	}
	body, err := runtime.Payload(resp)
	if err != nil {
		return nil, transportFault(ctx, what, err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, answerFault(what, resp, body)
	}
	if !gjson.ValidBytes(body) {
		return nil, fault.Newf(fault.SourceIncomplete, "%s: the answer is not a JSON document; it ends after %d bytes", what, len(body))
	}
	date, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		date = time.Time{}
	}
	return &Answer{Body: body, ETag: resp.Header.Get("ETag"), Date: date}, nil
}
