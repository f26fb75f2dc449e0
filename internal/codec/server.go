package codec

import (
	"context"
	"crypto/subtle"
	"errors"
	"net"
	"net/http"
	"strings"
	"time"

	"go.temporal.io/sdk/converter"

	"infrabackup/internal/fault"
	"infrabackup/internal/secret"
)

// maxRequestBytes bounds what the codec server reads; Temporal's own limit for a
// whole history answer is below it.
const maxRequestBytes = 64 << 20

// NewHandler serves /encode and /decode for the Web UI at origin, to callers that
// present token: as "Authorization: Bearer <token>", or, because a browser cannot
// be told to add that header without an identity provider, as the path prefix
// /<token>. Other callers get 401; other origins are not allowed by CORS.
func NewHandler(c *Codec, origin string, token secret.String) http.Handler {
	codec := http.MaxBytesHandler(converter.NewPayloadCodecHTTPHandler(c), maxRequestBytes)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Origin"); got != "" && got == origin {
			w.Header().Set("Access-Control-Allow-Origin", origin)
			w.Header().Set("Access-Control-Allow-Headers", "Authorization, Content-Type, X-Namespace")
			w.Header().Set("Access-Control-Allow-Methods", "POST, OPTIONS")
			w.Header().Set("Access-Control-Allow-Credentials", "true")
			w.Header().Set("Vary", "Origin")
		}
		w.Header().Set("Cache-Control", "no-store")
		first, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		switch {
		case r.Method == http.MethodOptions:
			w.WriteHeader(http.StatusNoContent)
		case equal(bearer(r), token):
			codec.ServeHTTP(w, r)
		case equal(first, token):
			r.URL.Path = "/" + rest
			codec.ServeHTTP(w, r)
		default:
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "the codec server answers only callers that present its token", http.StatusUnauthorized)
		}
	})
}

// bearer returns the token of the Authorization header (RFC 6750), empty without.
func bearer(r *http.Request) string {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return ""
	}
	return token
}

func equal(got string, want secret.String) bool {
	return !want.IsZero() && subtle.ConstantTimeCompare([]byte(got), []byte(want.Reveal())) == 1
}

// Serve answers on a listener until ctx ends, which is then no error, and closes it.
func Serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return fault.New(fault.Internal, "the codec server failed", err)
	case <-ctx.Done():
	}
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	err := server.Shutdown(stopping)
	if served := <-ended; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	if err != nil {
		return fault.New(fault.Internal, "the codec server did not stop in order", err)
	}
	return nil
}
