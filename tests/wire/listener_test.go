package wire_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/auth"
	"infrabackup/internal/web"
)

// listening is the product's own listener, which gives every answer its headers. The API
// behind it says by itself who calls; the listener lets everybody in.
type listening struct {
	URL    string
	server *web.Server
	client *http.Client
	plain  *http.Client // sends what its user sends, without that token
	tokens *auth.Tokens
	file   string       // where they are kept
	ahead  atomic.Int64 // of the clock that tokens end by, in nanoseconds
}

// Client sends requests with an API token that the listener knows.
func (l *listening) Client() *http.Client { return l.client }

// lines is what is logged, by several requests at the same time.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

// Write implements io.Writer.
func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// listen begins to listen, for the API that is handed over with [listening.serve].
func listen(t *testing.T, logger *slog.Logger) *listening {
	t.Helper()
	l := &listening{file: filepath.Join(t.TempDir(), "tokens.json")}
	tokens, err := auth.OpenTokens(t.Context(), auth.TokensConfig{Path: l.file, Now: func() time.Time { return time.Now().Add(time.Duration(l.ahead.Load())) }})
	require.NoError(t, err)
	_, token, err := tokens.Create(t.Context(), auth.NewToken{Role: auth.Owner, Owner: "test", Lifetime: auth.MaxTokenLifetime})
	require.NoError(t, err)
	authenticator, err := auth.NewAuthenticator(auth.AuthenticatorConfig{Tokens: tokens})
	require.NoError(t, err)
	sessions, err := auth.NewSessions(auth.SessionsConfig{Tokens: tokens})
	require.NoError(t, err)
	own, err := pair()
	require.NoError(t, err)
	cert, key := filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	require.NoError(t, os.WriteFile(cert, own.cert, 0o600))
	require.NoError(t, os.WriteFile(key, own.key, 0o600))
	const plenty = 1e6
	server, err := web.NewServer(web.Config{
		Address: "127.0.0.1:0", CertificateFile: cert, KeyFile: key, Hosts: []string{"127.0.0.1", "evil.example"}, Region: "local",
		Authenticator: authenticator, Sessions: sessions, Logger: logger,
		Limits: web.Limits{
			ReadsPerSecond: plenty, ReadBurst: plenty, WritesPerSecond: plenty, WriteBurst: plenty, AnonymousPerSecond: plenty, AnonymousBurst: plenty,
			RefusalsPerSecond: plenty, RefusalBurst: plenty,
		},
	})
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(own.cert))
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}
	l.URL, l.server, l.tokens = "https://"+server.Addr().String(), server, tokens
	l.client, l.plain = &http.Client{Transport: withToken{transport, token.Reveal()}}, &http.Client{Transport: transport}
	return l
}

// serve serves the API until the test ends.
func (l *listening) serve(t *testing.T, api http.Handler) {
	t.Helper()
	l.server.Handle(api, http.NotFoundHandler())
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- l.server.Run(ctx) }()
	t.Cleanup(func() {
		l.client.CloseIdleConnections() // else the end waits for them
		stop()
		require.NoError(t, <-ended)
	})
}

// withToken sends a token with every request, whatever its sender has put there.
type withToken struct {
	next  http.RoundTripper
	token string
}

func (w withToken) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+w.token)
	return w.next.RoundTrip(r)
}

// CloseIdleConnections is for [http.Client.CloseIdleConnections].
func (w withToken) CloseIdleConnections() {
	if next, ok := w.next.(interface{ CloseIdleConnections() }); ok {
		next.CloseIdleConnections()
	}
}

// written is an answer as it went out.
type written struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (w *written) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *written) Write(data []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	w.body.Write(data)
	return w.ResponseWriter.Write(data)
}

func (w *written) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// checked holds what a handler answers to the rules.
func checked(h *harness, api http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		out := &written{ResponseWriter: w}
		api.ServeHTTP(out, r)
		h.check(r, out)
	})
}

// keyPair is a certificate for this host and its key, in PEM.
type keyPair struct{ cert, key []byte }

var pair = sync.OnceValues(func() (keyPair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return keyPair{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "wire"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, BasicConstraintsValid: true, IsCA: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return keyPair{}, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	return keyPair{pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})}, err
})
