package web

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"infrabackup/internal/apierror"
	"infrabackup/internal/fault"
)

const (
	maxStreams    = 64 // requests of one connection at a time
	shutdownEvery = 500 * time.Millisecond
)

// Server serves the API and the pages. [NewServer] makes it listen, [Server.Handle] says what
// it serves, and [Server.Run] serves.
type Server struct {
	config   Config
	listener net.Listener
	http     *http.Server

	api, page     http.Handler
	reads, writes *rates // by principal
	refusals      *rates // by address
	anonymous     *rates // by address

	noise      *rate.Limiter // of log lines about callers without a credential
	suppressed atomic.Int64

	stopping context.Context // ends when streams should
	stop     context.CancelFunc
}

// NewServer examines the configuration and begins to listen. CONFIG_INVALID when it cannot.
func NewServer(c Config) (*Server, error) {
	c, err := c.check()
	if err != nil {
		return nil, err
	}
	pair, err := loadKeyPair(c.CertificateFile, c.KeyFile, c.Now, c.Logger)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: pair.get}
	c.Certificates.Configure(config)
	plain, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", c.Address)
	if err != nil {
		return nil, fault.New(fault.ConfigInvalid, "cannot listen on "+c.Address, err)
	}
	l := c.Limits
	s := &Server{config: c, listener: newListener(plain, l),
		reads: newRates(l.ReadsPerSecond, l.ReadBurst, c.Now), writes: newRates(l.WritesPerSecond, l.WriteBurst, c.Now),
		refusals: newRates(l.RefusalsPerSecond, l.RefusalBurst, c.Now), anonymous: newRates(l.AnonymousPerSecond, l.AnonymousBurst, c.Now),
		noise: rate.NewLimiter(20, 200)}
	s.stopping, s.stop = context.WithCancel(context.Background())
	s.http = &http.Server{Handler: s, TLSConfig: config,
		ReadHeaderTimeout: l.HeaderTimeout, ReadTimeout: l.ReadTimeout, WriteTimeout: l.WriteTimeout, IdleTimeout: l.IdleTimeout,
		MaxHeaderBytes: l.MaxHeaderBytes, DisableGeneralOptionsHandler: true,
		HTTP2:    &http.HTTP2Config{MaxConcurrentStreams: maxStreams},
		ErrorLog: slog.NewLogLogger(c.Logger.Handler(), slog.LevelDebug)} // what clients do wrong at the handshake
	return s, nil
}

// Handle says what is served: the API below /subscriptions, /providers, /metadata and
// /api/v1, with a principal in the request's context, and the pages everywhere else, with the
// browser's session. It is called once, before Run.
func (s *Server) Handle(api, page http.Handler) {
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		refuse(w, r, &apierror.Error{Status: http.StatusForbidden, Code: "CrossOriginRequest", Message: "The request comes from another site.", Remedy: "Open the page itself, and try again from there."})
	}))
	// A browser sends a client certificate by itself, as it does a cookie.
	s.api = protection.Handler(s.authenticated(api))
	s.page = protection.Handler(s.config.Sessions.Middleware(s.forPages(page)))
}

// Addr is where the server listens.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Run serves until ctx ends, and then until requests that have begun are answered, within the
// limit for that. Streams are told to end: the context of a page's GET ends.
func (s *Server) Run(ctx context.Context) error {
	served := make(chan error, 1)
	go func() { served <- s.http.ServeTLS(s.listener, "", "") }()
	var err error
	select {
	case err = <-served:
		s.stop()
		return fault.New(fault.Internal, "the server on "+s.Addr().String()+" has ended", err)
	case <-ctx.Done():
	}
	s.stop()
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.config.Limits.ShutdownTimeout)
	defer cancel()
	if err = s.shutdown(grace); err != nil {
		err = errors.Join(err, s.http.Close())
	}
	if ended := <-served; !errors.Is(ended, http.ErrServerClosed) {
		err = errors.Join(err, ended)
	}
	if err != nil {
		return fault.New(fault.Internal, "requests were cut off at the end of the server", err)
	}
	return nil
}

// shutdown waits until nothing is served any more. It asks again and again: a connection of
// HTTP/2 that was accepted just before hears only of a shutdown that begins later.
func (s *Server) shutdown(grace context.Context) error {
	for {
		ctx, cancel := context.WithTimeout(grace, shutdownEvery)
		err := s.http.Shutdown(ctx)
		cancel()
		if err == nil || grace.Err() != nil {
			return err
		}
	}
}
