package azure

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// Limits of one request.
const (
	// MaxAnswerBytes bounds the body of one answer.
	MaxAnswerBytes = 32 << 20

	defaultTryTimeout = 2 * time.Minute
	maxRetryDelay     = 30 * time.Second
	maxRetries        = 3
	maxConnections    = 8   // to one host
	maxIdle           = 128 // to all: each vault is a host, which is read twice
)

// errRedirected says that an answer led elsewhere. Resource managers and vaults
// answer themselves, so nothing is followed with a token.
var errRedirected = errors.New("the answer is a redirection, which is not followed")

// tooLarge ends the download of a body. It is not tried again.
type tooLarge struct{}

func (tooLarge) Error() string {
	return fmt.Sprintf("the answer has more than %d bytes", MaxAnswerBytes)
}

// NonRetriable tells azcore to hand it on.
func (tooLarge) NonRetriable() {}

// newHTTPClient makes the one client for all hosts of a stamp. No proxy: tokens and
// secrets go to the stamp and nowhere else.
func newHTTPClient(t target) *http.Client {
	dialer := &net.Dialer{Timeout: 15 * time.Second, KeepAlive: 30 * time.Second}
	if t.Resolver != "" {
		dialer.Resolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, network, t.Resolver)
		}}
	}
	return &http.Client{
		Transport: limited{&http.Transport{
			DialContext:           dialer.DialContext,
			TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: t.roots},
			TLSHandshakeTimeout:   15 * time.Second,
			ResponseHeaderTimeout: t.TryTimeout,
			IdleConnTimeout:       90 * time.Second,
			MaxConnsPerHost:       maxConnections,
			MaxIdleConnsPerHost:   maxConnections,
			MaxIdleConns:          maxIdle,
			ForceAttemptHTTP2:     true,
		}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return errRedirected },
	}
}

// limited bounds the bodies of answers.
type limited struct{ next *http.Transport }

// RoundTrip implements [http.RoundTripper].
func (l limited) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := l.next.RoundTrip(req)
	if err == nil {
		resp.Body = &boundedBody{body: resp.Body, left: MaxAnswerBytes}
	}
	return resp, err
}

// CloseIdleConnections lets http.Client close them.
func (l limited) CloseIdleConnections() { l.next.CloseIdleConnections() }

type boundedBody struct {
	body io.ReadCloser
	left int64
}

// Read implements [io.Reader].
func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left == 0 {
		var one [1]byte
		if n, err := b.body.Read(one[:]); n == 0 {
			return 0, err
		}
		return 0, tooLarge{}
	}
	n, err := b.body.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// Close implements [io.Closer].
func (b *boundedBody) Close() error { return b.body.Close() }
