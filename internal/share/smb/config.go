package smb

import (
	"context"
	"net"
	"strings"
	"time"

	"infrabackup/internal/fault"
	"infrabackup/internal/secret"
	"infrabackup/internal/share"
)

// Transport says how bytes are protected on the wire.
type Transport = share.Transport

// The transports.
const (
	Encrypted = share.Encrypted
	Signed    = share.Signed
)

const (
	port = "445"

	defaultDataConnections = 2
	defaultWorkers         = 8
	maxDataConnections     = 8
	// maxInFlight bounds the requests of 1 MiB that one transfer has in flight over
	// all its connections. Each takes up to 3 MiB: the caller's bytes, the packet,
	// and its ciphertext. So a transfer stays below 64 MiB.
	maxInFlight = 20

	defaultStall = 30 * time.Second
	defaultDial  = 15 * time.Second
)

// Config says where a Store is and how to log in. The zero values of the numbers
// and times are replaced by defaults.
type Config struct {
	// UNC is the share and the folder in it that becomes the Store's root.
	UNC share.UNC
	// Username is DOMAIN\user, user@realm or just user.
	Username string
	// Password may not be empty.
	Password secret.String
	// Transport is Encrypted when empty.
	Transport Transport
	// DataConnections is how many connections a large transfer uses, 1 to 8, 2 by
	// default.
	DataConnections int
	// WorkersPerConnection is how many requests of 1 MiB are in flight on each, 8
	// by default; it is lowered so that a transfer has at most 20 in all.
	WorkersPerConnection int
	// StallTimeout is how long a connection with requests in flight may go without
	// finishing one before it is closed, 30 s by default. A slow line must carry a
	// request of 1 MiB on each connection in that time.
	StallTimeout time.Duration
	// DialTimeout bounds the making of one connection with its login, 15 s by
	// default.
	DialTimeout time.Duration
	// BusyTimeout is how long a call waits for what somebody else has open, or a server
	// that has too much to do, 4 minutes by default. A call whose context ends before
	// that gives up a little earlier, with the reason.
	BusyTimeout time.Duration
	// Dial replaces the network, for tests: it gets "tcp" and the host with port
	// 445. The default resolves the host's name and tries each address.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// complete fills in defaults and refuses what cannot work.
func (c Config) complete() (Config, error) {
	if _, err := share.ParseUNC(c.UNC.String()); err != nil {
		return c, err
	}
	if c.Transport == "" {
		c.Transport = Encrypted
	}
	if c.DataConnections == 0 {
		c.DataConnections = defaultDataConnections
	}
	if c.WorkersPerConnection == 0 {
		c.WorkersPerConnection = defaultWorkers
	}
	if c.StallTimeout == 0 {
		c.StallTimeout = defaultStall
	}
	if c.DialTimeout == 0 {
		c.DialTimeout = defaultDial
	}
	if c.BusyTimeout == 0 {
		c.BusyTimeout = defaultBusyTimeout
	}
	if c.Dial == nil {
		// Keep-alive notices a host that vanished while the connection is idle.
		dialer := &net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 4}}
		c.Dial = dialer.DialContext
	}
	user, _ := splitUser(c.Username)
	switch {
	case c.Transport != Encrypted && c.Transport != Signed:
		return c, fault.Newf(fault.ConfigInvalid, "transport %q is neither %q nor %q", c.Transport, Encrypted, Signed)
	case user == "":
		return c, fault.Newf(fault.ShareAuthFailed, "the user name for %s is missing", c.UNC)
	case c.Password.IsZero():
		return c, fault.Newf(fault.ShareAuthFailed, "the password for %s is missing", c.UNC)
	case c.DataConnections < 1 || c.DataConnections > maxDataConnections:
		return c, fault.Newf(fault.ConfigInvalid, "%d data connections to the share are not between 1 and %d", c.DataConnections, maxDataConnections)
	case c.WorkersPerConnection < 1:
		return c, fault.Newf(fault.ConfigInvalid, "%d workers on a connection to the share are too few", c.WorkersPerConnection)
	case c.StallTimeout < 0 || c.DialTimeout < 0 || c.BusyTimeout < 0:
		return c, fault.Newf(fault.ConfigInvalid, "a timeout of the share is negative")
	}
	c.WorkersPerConnection = min(c.WorkersPerConnection, maxInFlight/c.DataConnections)
	return c, nil
}

// splitUser takes DOMAIN\user and user@realm apart, which the library does not.
// Without a domain the library takes the one that the server names.
func splitUser(username string) (user, domain string) {
	if domain, user, ok := strings.Cut(username, `\`); ok {
		if domain == "." { // Windows: the server's own accounts
			domain = ""
		}
		return user, domain
	}
	if at := strings.LastIndexByte(username, '@'); at >= 0 {
		return username[:at], username[at+1:]
	}
	return username, ""
}
