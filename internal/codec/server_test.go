package codec

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"google.golang.org/protobuf/encoding/protojson"

	"infrabackup/internal/fault"
	"infrabackup/internal/secret"
)

const (
	origin = "http://127.0.0.1:8233"
	token  = "canary-token"
)

func TestServer(t *testing.T) {
	c := New(ringOf(t, keyLine(t, "k")))
	sealed, err := c.Encode([]*commonpb.Payload{payload("in clear")})
	require.NoError(t, err)
	body, err := protojson.Marshal(&commonpb.Payloads{Payloads: sealed})
	require.NoError(t, err)
	handler := NewHandler(c, origin, secret.New(token))

	for name, test := range map[string]struct {
		method, path, authorization, origin string
		want                                int
	}{
		"bearer token":            {"POST", "/decode", "Bearer " + token, origin, http.StatusOK},
		"token in the path":       {"POST", "/" + token + "/decode", "", origin, http.StatusOK},
		"no origin, as from curl": {"POST", "/decode", "Bearer " + token, "", http.StatusOK},
		"encode":                  {"POST", "/encode", "Bearer " + token, origin, http.StatusOK},
		"no token":                {"POST", "/decode", "", origin, http.StatusUnauthorized},
		"wrong token":             {"POST", "/decode", "Bearer x", origin, http.StatusUnauthorized},
		"token without scheme":    {"POST", "/decode", token, origin, http.StatusUnauthorized},
		"token as basic":          {"POST", "/decode", "Basic " + token, origin, http.StatusUnauthorized},
		"wrong token in the path": {"POST", "/x/decode", "", origin, http.StatusUnauthorized},
		"half a token":            {"POST", "/" + token[:5] + "/decode", "", origin, http.StatusUnauthorized},
		"reading":                 {"GET", "/decode", "Bearer " + token, origin, http.StatusNotFound},
		"another path":            {"POST", "/keys", "Bearer " + token, origin, http.StatusNotFound},
		"preflight":               {"OPTIONS", "/decode", "", origin, http.StatusNoContent},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(test.method, test.path, strings.NewReader(string(body)))
			if test.authorization != "" {
				r.Header.Set("Authorization", test.authorization)
			}
			if test.origin != "" {
				r.Header.Set("Origin", test.origin)
			}
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			require.Equal(t, test.want, w.Code, w.Body)
			require.NotContains(t, w.Body.String(), token)
			require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
			require.Equal(t, test.origin, w.Header().Get("Access-Control-Allow-Origin"))
			if test.want == http.StatusOK && strings.HasSuffix(test.path, "decode") {
				var out commonpb.Payloads
				require.NoError(t, protojson.Unmarshal(w.Body.Bytes(), &out))
				require.Equal(t, "in clear", string(out.Payloads[0].Data))
			}
		})
	}
	t.Run("another origin gets no CORS", func(t *testing.T) {
		r := httptest.NewRequest("OPTIONS", "/decode", nil)
		r.Header.Set("Origin", "http://evil.example.com")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		require.Empty(t, w.Header().Get("Access-Control-Allow-Origin"))
	})
	t.Run("garbage", func(t *testing.T) {
		r := httptest.NewRequest("POST", "/decode", strings.NewReader("{"))
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		require.Equal(t, http.StatusBadRequest, w.Code)
	})
}

// Without a token nobody may decode, not even with an empty one.
func TestServerWithoutToken(t *testing.T) {
	handler := NewHandler(New(ringOf(t, keyLine(t, "k"))), origin, secret.String{})
	for _, path := range []string{"/decode", "//decode"} {
		r := httptest.NewRequest("POST", path, strings.NewReader(`{"payloads":[]}`))
		r.Header.Set("Authorization", "Bearer ")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		require.Equal(t, http.StatusUnauthorized, w.Code)
	}
}

func TestServerBoundsRequests(t *testing.T) {
	handler := NewHandler(New(ringOf(t, keyLine(t, "k"))), origin, secret.New(token))
	r := httptest.NewRequest("POST", "/decode", strings.NewReader(strings.Repeat(" ", maxRequestBytes+1)))
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	require.Equal(t, http.StatusBadRequest, w.Code)
}

// TestServeEndsWithItsContext: what is asked by then is answered.
func TestServeEndsWithItsContext(t *testing.T) {
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Serve(ctx, listener, http.NotFoundHandler()) }()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+listener.Addr().String(), http.NoBody)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusNotFound, response.StatusCode)
	cancel()
	require.NoError(t, <-ended)
	require.ErrorIs(t, Serve(t.Context(), listener, http.NotFoundHandler()), fault.Internal, "it is closed")
}
