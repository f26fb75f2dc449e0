package azure_test

import (
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/azure"
	"infrabackup/internal/secret"
)

// host answers as all hosts of a stamp, and as a test says.
type host struct {
	*httptest.Server
	// answer answers a request for which it returns true; others are answered well.
	answer   atomic.Pointer[func(http.ResponseWriter, *http.Request) bool]
	requests atomic.Int64
}

func newHost(t testing.TB) (*host, azure.Config) {
	t.Helper()
	h := &host{}
	h.Server = httptest.NewTLSServer(http.HandlerFunc(h.serve))
	t.Cleanup(h.Close)
	name := strings.TrimPrefix(h.URL, "https://")
	_, parent, _ := strings.Cut(name, ".")
	return h, azure.Config{
		TenantURL: h.URL, AdminURL: h.URL, Authority: h.URL, ClientID: "client", ClientSecret: secret.New("secret-canary"),
		CACertificates: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: h.Certificate().Raw}),
		VaultDomain:    parent, VaultAudience: "https://vault.x/guid", RetryDelay: time.Millisecond, TryTimeout: 30 * time.Second, Patience: time.Minute,
	}
}

// with has a test answer.
func (h *host) with(answer func(w http.ResponseWriter, r *http.Request) bool) {
	h.answer.Store(&answer)
}

func (h *host) serve(w http.ResponseWriter, r *http.Request) {
	h.requests.Add(1)
	if answer := h.answer.Load(); answer != nil && (*answer)(w, r) {
		return
	}
	switch {
	case strings.HasSuffix(r.URL.Path, "/metadata/endpoints"):
		fmt.Fprintf(w, `{"authentication":{"loginEndpoint":"%s/adfs","audiences":["https://management.x/guid"]}}`, h.URL)
	case strings.HasSuffix(r.URL.Path, "/openid-configuration"):
		base := h.URL + "/adfs"
		fmt.Fprintf(w, `{"issuer":%q,"authorization_endpoint":%q,"token_endpoint":%q}`, base, base+"/oauth2/authorize", base+"/oauth2/token")
	case strings.HasSuffix(strings.TrimSuffix(r.URL.Path, "/"), "/token"):
		fmt.Fprint(w, `{"access_token":"t","token_type":"bearer","expires_in":3600}`)
	case r.Header.Get("Authorization") == "":
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer authorization="%s/adfs", resource="https://vault.x/guid"`, h.URL))
		w.WriteHeader(http.StatusUnauthorized)
	default:
		fmt.Fprint(w, `{"value":[]}`)
	}
}

// body answers every request for a path with a status and a body.
func body(path string, status int, text string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(strings.TrimSuffix(r.URL.Path, "/"), path) {
			return false
		}
		w.WriteHeader(status)
		_, err := w.Write([]byte(text))
		return err == nil || true // a client that has enough goes away
	}
}

func openHost(t testing.TB, c azure.Config) *azure.Stamp {
	t.Helper()
	s, err := azure.New(c)
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s
}
