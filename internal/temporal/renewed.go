package temporal

import (
	"context"
	"crypto/tls"
	"log/slog"
	"sync"
	"time"

	"infrabackup/internal/secret/secretfile"
)

// tokenAge is how old a token from a file may be before the file is looked at again. Tokens of
// issuers last for minutes at least, and are replaced before they end.
const tokenAge = 10 * time.Second

// tokenFile gives the token that a file holds now: tokens end, and a worker runs for months.
type tokenFile struct {
	path   string
	logger *slog.Logger
	now    func() time.Time

	mu     sync.Mutex
	last   string
	looked time.Time
}

// token has the form that the SDK asks for. While the file cannot be read, as in the middle of
// being replaced, the token that it held last is used on: the server refuses it when it has ended.
func (t *tokenFile) token(context.Context) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now := t.now(); now.Sub(t.looked) >= tokenAge {
		t.looked = now
		read, err := secretfile.ReadLine(t.path)
		if err != nil {
			t.logger.Warn("the token for Temporal cannot be read again; the one before is used on", "error", err)
			return t.last, nil
		}
		t.last = read.Reveal()
	}
	return t.last, nil
}

// renewed gives the client certificate that the files hold when a connection is made, and the one
// before while they hold none, as between the replacement of the one and of the other. What is
// wrong with them is logged: the server refuses the one before when it has ended.
func (t TLS) renewed(first tls.Certificate, logger *slog.Logger) func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	var mu sync.Mutex
	last := first
	return func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		mu.Lock()
		defer mu.Unlock()
		pair, err := t.clientCertificate() // X509KeyPair makes sure that they fit
		if err == nil {
			last = pair
		} else {
			logger.Warn("the client certificate for Temporal, or its key, cannot be read again; the one before is used on", "file", t.CertFile, "error", err)
		}
		given := last
		return &given, nil
	}
}
