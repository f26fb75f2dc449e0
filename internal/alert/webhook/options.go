package webhook

import (
	"context"
	"crypto/x509"
	"log/slog"
	"net/url"
	"time"

	"infrabackup/internal/fault"
	"infrabackup/internal/roots"
	"infrabackup/internal/secret"
	"infrabackup/internal/secret/secretfile"
)

// Limits of what is accepted and of what is tried.
const (
	// MinSecret is the shortest shared secret, in bytes.
	MinSecret = 16
	// MaxQueued bounds how many notifications wait.
	MaxQueued = 256
	// MaxAge is how long a notification is tried.
	MaxAge = 24 * time.Hour

	maxURL         = 2 << 10
	maxAnswer      = 4 << 10  // bytes of an answer's body that are read
	maxHeader      = 64 << 10 // bytes of an answer's header
	attemptTimeout = 15 * time.Second
	firstDelay     = time.Second
	maxDelay       = 5 * time.Minute
)

// Config is what a configuration file says of a webhook.
type Config struct {
	URL        string // https only
	SecretFile string // holds the shared secret on one line
	CAFile     string // certificates in PEM to trust instead of the system's, empty for these
}

// Options are what a [Sender] needs.
type Options struct {
	URL      string
	Secret   secret.String
	Roots    *x509.CertPool // nil for the system's
	Instance string
	Log      *slog.Logger // nil for none

	Timeout time.Duration                              // of one attempt, 15 s when zero
	Now     func() time.Time                           // time.Now when nil
	Wait    func(context.Context, time.Duration) error // until the time has passed or the context has ended; a timer when nil
}

// Options reads the files that the configuration names. Its errors are CONFIG_INVALID faults.
func (c Config) Options(ctx context.Context) (Options, error) {
	shared, err := secretfile.ReadLine(c.SecretFile)
	if err != nil {
		return Options{}, err
	}
	o := Options{URL: c.URL, Secret: shared}
	if c.CAFile == "" {
		return o, nil
	}
	if o.Roots, err = roots.File(ctx, c.CAFile); err != nil {
		return Options{}, fault.New(fault.ConfigInvalid, "the webhook's file of certificates "+c.CAFile+" cannot be used", err)
	}
	return o, nil
}

// target checks the address. Errors do not repeat it: its path may hold a token.
func (o Options) target() (*url.URL, error) {
	u, err := url.Parse(o.URL)
	switch {
	case err != nil || len(o.URL) > maxURL:
		return nil, fault.Newf(fault.ConfigInvalid, "the webhook's URL is malformed or longer than %d bytes", maxURL)
	case u.Scheme != "https":
		return nil, fault.Newf(fault.ConfigInvalid, "the webhook's URL has to begin with https://")
	case u.Hostname() == "":
		return nil, fault.Newf(fault.ConfigInvalid, "the webhook's URL names no host")
	case u.User != nil:
		return nil, fault.Newf(fault.ConfigInvalid, "the webhook's URL holds a user name; the receiver checks the signature instead")
	case u.Fragment != "":
		return nil, fault.Newf(fault.ConfigInvalid, "the webhook's URL holds a fragment, which is never sent")
	case len(o.Secret.Reveal()) < MinSecret:
		return nil, fault.Newf(fault.ConfigInvalid, "the webhook's secret is shorter than %d bytes", MinSecret)
	}
	return u, nil
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
