package azure

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"infrabackup/internal/azure/scan"
	"infrabackup/internal/fault"
)

// Limits of requests.
const (
	defaultTryTimeout = 2 * time.Minute
	defaultRetryDelay = 800 * time.Millisecond
	maxRetryDelay     = 30 * time.Second
	maxRetries        = 3
	maxConnections    = 8   // to one host
	maxIdle           = 128 // to all hosts: each vault is one, which is read twice
	maxHeaderBytes    = 256 << 10
)

// errRedirected says that an answer led elsewhere. Resource managers and vaults
// answer themselves, so nothing is followed with a token.
var errRedirected = errors.New("the answer is a redirection, which is not followed")

// newTransport makes the one pool of connections to all hosts of a stamp. No proxy:
// tokens and secrets go to the stamp and nowhere else.
func newTransport(t target) *http.Transport {
	dialer := &net.Dialer{Timeout: 15 * time.Second, KeepAlive: 30 * time.Second}
	if t.Resolver != "" {
		dialer.Resolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, network, t.Resolver)
		}}
	}
	return bounded(&http.Transport{
		DialContext:            dialer.DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: t.roots},
		TLSHandshakeTimeout:    15 * time.Second,
		ResponseHeaderTimeout:  t.TryTimeout,
		MaxResponseHeaderBytes: maxHeaderBytes,
		IdleConnTimeout:        90 * time.Second,
		MaxConnsPerHost:        maxConnections,
		MaxIdleConnsPerHost:    maxConnections,
		MaxIdleConns:           maxIdle,
		ForceAttemptHTTP2:      true,
	})
}

// bounded closes idle connections when more are open than may be idle. MaxIdleConns alone
// does not: the transport forgets connections of HTTP/2 that are too many, and leaves them
// open until they were idle for long. A stamp has thousands of vaults, and each connection
// takes some 60 KiB.
func bounded(t *http.Transport) *http.Transport {
	dial := t.DialContext
	open := &atomic.Int64{}
	t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		if open.Add(1) > maxIdle {
			t.CloseIdleConnections()
		}
		return &counted{Conn: conn, open: open}, nil
	}
	return t
}

// counted is a connection that counts as open until it is closed.
type counted struct {
	net.Conn
	open   *atomic.Int64
	closed sync.Once
}

// Close implements [net.Conn].
func (c *counted) Close() error {
	c.closed.Do(func() { c.open.Add(-1) })
	return c.Conn.Close()
}

// newHTTPClient makes a client that follows nothing.
func newHTTPClient(transport http.RoundTripper) *http.Client {
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return errRedirected },
	}
}

// tokenLimits are those of what an identity provider answers: metadata and tokens. The
// libraries that read them keep every member.
var tokenLimits = scan.Limits{Depth: 32, Values: 10_000, Bytes: 1 << 20}

// examined hands answers of the identity provider on that are small and plain JSON, and
// sends nothing to other hosts: requests carry the credential.
type examined struct {
	next      http.RoundTripper
	authority *url.URL
}

// RoundTrip implements [http.RoundTripper].
func (e examined) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme != "https" || !sameHost(req.URL, e.authority) {
		return nil, final(fault.Newf(fault.SourceInvalid, "the identity provider %s leads to %.100q, where no credential goes", e.authority.Host, req.URL.Host))
	}
	resp, err := e.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	answer, err := io.ReadAll(io.LimitReader(resp.Body, int64(tokenLimits.Bytes)+1))
	if closeErr := resp.Body.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return nil, err
	}
	if err := scan.Document(answer, tokenLimits); err != nil {
		what := "read the answer of the identity provider " + e.authority.Host
		if resp.StatusCode == http.StatusOK {
			return nil, final(scanFault(what, err, len(answer)))
		}
		answer = []byte("{}") // the status says enough
	}
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(scan.Trim(answer))), -1
	return resp, nil
}

// CloseIdleConnections is for http.Client.
func (e examined) CloseIdleConnections() {
	if t, ok := e.next.(*http.Transport); ok {
		t.CloseIdleConnections()
	}
}

// NonRetriable tells azcore to hand the error on.
func (t *tried) NonRetriable() {}
