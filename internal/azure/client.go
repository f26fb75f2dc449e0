package azure

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/tidwall/gjson"

	"infrabackup/internal/azure/resourceid"
	"infrabackup/internal/azure/scan"
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
	stamp    *Stamp
	pace     *pacer
	given    atomic.Pointer[string] // the address of what it gave last
	audience func(context.Context) (string, error)
}

// Endpoint tells which door the client uses.
func (c *Client) Endpoint() Endpoint { return c.endpoint }

// Host is the host that the client talks to, in lower case, with its port unless that
// is 443.
func (c *Client) Host() string { return plainHost(c.base) }

// Answer is a successful answer.
type Answer struct {
	// Body is one JSON object, as it came: there may be a byte order mark and blanks
	// around it.
	Body []byte
	ETag string    // entity tag, empty when there is none
	Date time.Time // the stamp's clock, zero when it did not say
}

// Get reads one document, such as path /subscriptions/<id>, which is sent in its
// normal form ([resourceid.Normal]). Params may be nil. Errors are SOURCE_… and LIMIT_EXCEEDED
// faults with [ErrNotFound] and its siblings in their chain, or the context's error. An
// answer that is no object, or that is a refusal although its status says otherwise, has
// [ErrAnswer] in its chain. Whose document it is, [Client.Document] looks at.
func (c *Client) Get(ctx context.Context, path, apiVersion string, params url.Values) (*Answer, error) {
	return c.single(ctx, http.MethodGet, path, apiVersion, params, "read "+c.name+" "+brief(path), nil)
}

// Document is [Client.Get] of a resource by its ID, and makes sure that the answer is
// that resource: its "id" must be the same ([resourceid.Same]), or, when it has none, its "name"
// be the last segment of the ID. Anything else has [ErrAnswer] in its chain.
func (c *Client) Document(ctx context.Context, id, apiVersion string, params url.Values) (*Answer, error) {
	return c.single(ctx, http.MethodGet, id, apiVersion, params, "read "+c.name+" "+brief(id), func(document []byte) error { return isDocument(document, id) })
}

// Post calls an action that changes nothing, without a body. Errors are those of
// [Client.Get].
func (c *Client) Post(ctx context.Context, path, apiVersion string) (*Answer, error) {
	return c.single(ctx, http.MethodPost, path, apiVersion, nil, "call "+c.name+" "+brief(path), nil)
}

// GetWith and PostWith are [Client.Get] and [Client.Post] of answers that check accepts.
// Its errors should say what the answer is not; they get [ErrAnswer] in their chain, and
// the request is tried again a few times.
func (c *Client) GetWith(ctx context.Context, path, apiVersion string, check func(document []byte) error) (*Answer, error) {
	return c.single(ctx, http.MethodGet, path, apiVersion, nil, "read "+c.name+" "+brief(path), check)
}

// PostWith is described at [Client.GetWith].
func (c *Client) PostWith(ctx context.Context, path, apiVersion string, check func(document []byte) error) (*Answer, error) {
	return c.single(ctx, http.MethodPost, path, apiVersion, nil, "call "+c.name+" "+brief(path), check)
}

func isDocument(document []byte, asked string) error {
	id := gjson.GetBytes(document, "id")
	switch {
	case id.Type == gjson.String && resourceid.Same(id.Str, asked):
		return nil
	case id.Exists() && id.Type != gjson.Null:
		return fmt.Errorf("it is that of %.200q", id.String())
	}
	key := resourceid.Key(asked)
	name := resourceid.Key(gjson.GetBytes(document, "name").String())
	if name == "" || len(name) > len(key) || key[len(key)-len(name):] != name {
		return errors.New("it does not say whose it is")
	}
	return nil
}

// at makes the URL of a path.
func (c *Client) at(path, apiVersion string, params url.Values) string {
	query := url.Values{"api-version": {apiVersion}}
	for name, values := range params {
		query[name] = values
	}
	return c.base.Scheme + "://" + c.base.Host + resourceid.Escape(path) + "?" + query.Encode()
}

// single sends a request whose answer is one document.
func (c *Client) single(ctx context.Context, method, path, apiVersion string, params url.Values, what string, check func([]byte) error) (*Answer, error) {
	var answer *Answer
	err := c.do(ctx, request{method: method, target: c.at(path, apiVersion, params), what: what}, func(r *reply) error {
		limits := scan.DefaultLimits
		if method == http.MethodPost {
			limits.Bytes = MaxBlobBytes
		}
		body, err := r.document(limits)
		if err != nil {
			return err
		}
		if check != nil {
			if err := check(scan.Trim(body)); err != nil {
				return fault.New(fault.SourceInvalid, what, fmt.Errorf("%w: %w", ErrAnswer, err))
			}
		}
		answer = &Answer{Body: body, ETag: r.header.Get("ETag"), Date: r.date()}
		return nil
	})
	return answer, err
}

// document reads an answer that has to be one JSON object.
func (r *reply) document(limits scan.Limits) ([]byte, error) {
	if r.status == http.StatusNoContent {
		return nil, fault.New(fault.SourceInvalid, r.what, fmt.Errorf("%w: it is empty", ErrAnswer))
	}
	body, err := r.all(limits.Bytes)
	if err != nil {
		return nil, err
	}
	if err := scan.Document(body, limits); err != nil {
		return nil, scanFault(r.what, err, len(body))
	}
	document := scan.Trim(body)
	if document[0] != '{' {
		return nil, fault.New(fault.SourceInvalid, r.what, fmt.Errorf("%w: it is no object", ErrAnswer))
	}
	if said := gjson.GetBytes(document, "error"); said.Exists() && said.Type != gjson.Null {
		return nil, refusalFault(r.what, r.status, document)
	}
	return body, nil
}

// all reads a body to its end.
func (r *reply) all(most int) ([]byte, error) {
	size := 512
	if r.size > 0 {
		size = int(min(r.size+1, 256<<10))
	}
	body := make([]byte, 0, size)
	for {
		if len(body) == cap(body) {
			room := 2 * len(body)
			if r.size > int64(len(body)) {
				room = int(min(int64(room), r.size+1)) // what was promised, and not more than twice what came
			}
			grown := make([]byte, len(body), max(min(room, most+1), len(body)+1))
			copy(grown, body)
			body = grown
		}
		n, err := r.body.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		if len(body) > most {
			return nil, fault.New(fault.LimitExceeded, r.what, tooLarge(most))
		}
		if errors.Is(err, io.EOF) {
			return body, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// scanFault says what is wrong with an answer, of which so many bytes came.
func scanFault(what string, err error, length int) error {
	switch {
	case errors.Is(err, scan.ErrLimit):
		return fault.New(fault.LimitExceeded, what, err)
	case errors.Is(err, scan.ErrEnd):
		return fault.New(fault.SourceIncomplete, fmt.Sprintf("%s: the answer is not a whole JSON document; it ends after %d bytes", what, length), err)
	case errors.Is(err, scan.ErrTwice):
		return fault.New(fault.SourceInconsistent, what, fmt.Errorf("%w: %w", ErrAnswer, err))
	case errors.Is(err, scan.ErrSyntax), errors.Is(err, scan.ErrShape):
		return fault.New(fault.SourceInvalid, what, fmt.Errorf("%w: %w", ErrAnswer, err))
	}
	return err
}
