package web

import (
	"cmp"
	"crypto/rand"
	"io"
	"log/slog"
	"net"
	"strings"
	"time"

	"infrabackup/internal/auth"
	"infrabackup/internal/fault"
	"infrabackup/internal/printable"
)

// DefaultAddress is where the server listens unless told otherwise: reachable from its own
// host only.
const DefaultAddress = "127.0.0.1:8443"

// Config describes a server.
type Config struct {
	Address         string // [DefaultAddress] when empty
	CertificateFile string // PEM, with the chain; read again when it changes
	KeyFile         string // PEM, private; read again when it changes
	// Hosts are the names that clients use, without port; others are answered 421. They
	// keep pages of other sites from using this one by a name of their own.
	Hosts []string
	// Region is the first part of x-ms-routing-request-id; LOCAL when empty.
	Region string

	Authenticator *auth.Authenticator // of the API
	Certificates  *auth.Certificates  // of clients; nil for none
	Sessions      *auth.Sessions      // of the pages

	Limits Limits
	Logger *slog.Logger     // slog.Default when nil
	Now    func() time.Time // time.Now when nil
	Random io.Reader        // crypto/rand when nil; of several requests at once
}

// Limits bound what clients may use. What is zero has the default.
type Limits struct {
	ReadsPerSecond  float64 // of one principal, 2000
	ReadBurst       int     // 2000
	WritesPerSecond float64 // of one principal, 1
	WriteBurst      int     // 5
	// RefusalsPerSecond is how many 401 one address gets before it is answered 429
	// without a look at what it sends, 1.
	RefusalsPerSecond float64
	RefusalBurst      int // 20
	// AnonymousPerSecond is for what is answered without a credential, for one address, 20.
	AnonymousPerSecond float64
	AnonymousBurst     int // 100

	Connections        int // 1024
	AddressConnections int // of one address, 256

	HeaderTimeout   time.Duration // to the end of the headers and for the handshake, 5 s
	ReadTimeout     time.Duration // to the end of the body, 15 s
	WriteTimeout    time.Duration // for the answer; streams set their own, 60 s
	IdleTimeout     time.Duration // between two requests, 60 s
	ShutdownTimeout time.Duration // for requests that are being served at the end, 10 s
	MaxHeaderBytes  int           // 16 KiB
	MaxBodyBytes    int64         // 64 KiB
	MaxRestoreBytes int64         // body of a restore or of its plan, which holds a PFX, 256 KiB
}

func (l Limits) withDefaults() Limits {
	return Limits{
		ReadsPerSecond: cmp.Or(l.ReadsPerSecond, 2000), ReadBurst: cmp.Or(l.ReadBurst, 2000),
		WritesPerSecond: cmp.Or(l.WritesPerSecond, 1), WriteBurst: cmp.Or(l.WriteBurst, 5),
		RefusalsPerSecond: cmp.Or(l.RefusalsPerSecond, 1), RefusalBurst: cmp.Or(l.RefusalBurst, 20),
		AnonymousPerSecond: cmp.Or(l.AnonymousPerSecond, 20), AnonymousBurst: cmp.Or(l.AnonymousBurst, 100),
		Connections: cmp.Or(l.Connections, 1024), AddressConnections: cmp.Or(l.AddressConnections, 256),
		HeaderTimeout: cmp.Or(l.HeaderTimeout, 5*time.Second), ReadTimeout: cmp.Or(l.ReadTimeout, 15*time.Second),
		WriteTimeout: cmp.Or(l.WriteTimeout, time.Minute), IdleTimeout: cmp.Or(l.IdleTimeout, time.Minute),
		ShutdownTimeout: cmp.Or(l.ShutdownTimeout, 10*time.Second),
		MaxHeaderBytes:  cmp.Or(l.MaxHeaderBytes, 16<<10), MaxBodyBytes: cmp.Or(l.MaxBodyBytes, 64<<10), MaxRestoreBytes: cmp.Or(l.MaxRestoreBytes, 256<<10),
	}
}

// check completes a configuration and refuses one that cannot be served.
func (c Config) check() (Config, error) {
	c.Address = cmp.Or(c.Address, DefaultAddress)
	c.Region = printable.Plain(cmp.Or(c.Region, "LOCAL"), 64)
	c.Limits = c.Limits.withDefaults()
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Random == nil {
		c.Random = rand.Reader
	}
	if _, _, err := net.SplitHostPort(c.Address); err != nil {
		return c, fault.New(fault.ConfigInvalid, "address "+printable.Quote(c.Address)+" to listen on is not HOST:PORT", err)
	}
	if c.Authenticator == nil || c.Sessions == nil {
		return c, fault.Newf(fault.ConfigInvalid, "no way to authenticate is configured")
	}
	if len(c.Hosts) == 0 {
		return c, fault.Newf(fault.ConfigInvalid, "no host name is configured that clients use")
	}
	hosts := make([]string, 0, len(c.Hosts))
	for _, host := range c.Hosts {
		name := hostName(host)
		if name == "" || strings.ContainsAny(name, "/*@ ") {
			return c, fault.Newf(fault.ConfigInvalid, "host name %s is malformed", printable.Quote(host))
		}
		hosts = append(hosts, name)
	}
	c.Hosts = hosts
	return c, nil
}

// hostName is the name in a Host header, without port and in lower case.
func hostName(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return strings.ToLower(strings.TrimSuffix(host, "."))
}
