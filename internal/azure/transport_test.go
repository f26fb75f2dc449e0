package azure

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestConnectionsAreBounded: of a thousand vaults, each of which is a host, no more
// connections are open than may be idle, whatever protocol they speak; and none is closed
// under a request.
func TestConnectionsAreBounded(t *testing.T) {
	for _, protocol := range []string{"HTTP/1.1", "HTTP/2.0"} {
		t.Run(protocol, func(t *testing.T) {
			var open, most atomic.Int64
			hold := make(chan struct{})
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/slow" {
					_ = http.NewResponseController(w).Flush()
					<-hold
				}
				_, _ = io.WriteString(w, r.Proto)
			}))
			server.EnableHTTP2 = protocol == "HTTP/2.0"
			server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
				switch state {
				case http.StateNew:
					most.Store(max(most.Load(), open.Add(1)))
				case http.StateClosed:
					open.Add(-1)
				}
			}
			server.StartTLS()
			defer server.Close()
			roots := x509.NewCertPool()
			roots.AddCert(server.Certificate())
			transport := bounded(&http.Transport{
				TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "example.com"}, ForceAttemptHTTP2: true, MaxIdleConns: maxIdle,
				DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
					return (&net.Dialer{}).DialContext(ctx, network, server.Listener.Addr().String())
				},
			})
			defer transport.CloseIdleConnections()
			ask := func(host int, path string) *http.Response {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("https://vault-%d.example.com%s", host, path), nil)
				require.NoError(t, err)
				resp, err := transport.RoundTrip(req)
				require.NoError(t, err)
				return resp
			}
			slow := ask(0, "/slow")
			for host := range 5 * maxIdle {
				resp := ask(host+1, "/")
				body, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				require.Equal(t, protocol, string(body))
			}
			close(hold)
			body, err := io.ReadAll(slow.Body)
			require.NoError(t, err)
			require.NoError(t, slow.Body.Close())
			require.Equal(t, protocol, string(body))
			require.LessOrEqual(t, most.Load(), int64(2*maxIdle), "the server notices a little later")
		})
	}
}
