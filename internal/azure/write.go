package azure

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"infrabackup/internal/azure/scan"
	"infrabackup/internal/fault"
)

// write is what a request that changes a stamp has besides; nil for those that read.
type write struct {
	header http.Header
	body   []byte
}

func (w *write) reader() io.Reader {
	if w == nil {
		return nil
	}
	return bytes.NewReader(w.body)
}

// Reply is the answer to a request that changes a stamp.
type Reply struct {
	Status              int
	Body                []byte // one JSON object, or nothing
	Operation, Location string // addresses that tell how far a long-running operation is
	RetryAfter          time.Duration
}

// Writer changes a stamp. It is a type of its own so that nobody who only has a [Client]
// can: package internal/azure/writer alone may make one.
type Writer struct{ client *Client }

// NewWriter makes a writer that uses a client's connection, token and pace.
func NewWriter(c *Client) *Writer { return &Writer{c} }

// Send sends one request, which may change the stamp, once: only what the stamp asks to
// wait for is waited for. Header and body may be nil. Errors are those of [Client.Get].
func (w *Writer) Send(ctx context.Context, method, path, apiVersion string, header http.Header, body []byte) (*Reply, error) {
	return w.exchange(ctx, request{method: method, target: w.client.at(path, apiVersion, nil), what: strings.ToLower(method) + " " + w.client.name + " " + brief(path), write: &write{header, body}})
}

// Follow asks an address that a [Reply] has. One at another host is refused, since the token
// would go there.
func (w *Writer) Follow(ctx context.Context, address string) (*Reply, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || plainHost(u) != w.client.Host() {
		return nil, fault.Newf(fault.SourceInvalid, "the stamp gives %.200q as the address of an operation, which is not at %s", address, w.client.Host())
	}
	return w.exchange(ctx, request{method: http.MethodGet, target: address, what: "ask " + w.client.name + " for an operation", write: &write{}})
}

func (w *Writer) exchange(ctx context.Context, r request) (answer *Reply, err error) {
	err = w.client.do(ctx, r, func(got *reply) error {
		a := &Reply{Status: got.status, Operation: got.header.Get("Azure-AsyncOperation"), Location: got.header.Get("Location"), RetryAfter: retryAfter(&http.Response{Header: got.header})}
		body, err := got.all(MaxBlobBytes)
		if err == nil && len(scan.Trim(body)) > 0 {
			if err := scan.Document(body, scan.DefaultLimits); err != nil {
				return scanFault(r.what, err, len(body))
			}
			a.Body = body
		}
		answer = a
		return err
	})
	return answer, err
}
