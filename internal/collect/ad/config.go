package ad

import (
	"context"
	"crypto/x509"
	"net"
	"net/url"
	"sync/atomic"
	"time"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect"
	"infrabackup/internal/collect/ad/directory"
	"infrabackup/internal/fault"
	"infrabackup/internal/roots"
	"infrabackup/internal/secret"
)

const (
	defaultPageSize  = 500
	maxPageSize      = 1000 // MaxPageSize of the default query policy, MS-ADTS 3.1.1.3.4.6
	defaultMaxRounds = 5
	defaultDial      = 15 * time.Second
	// defaultStall is longer than a controller's own limit for one page
	// (MaxQueryDuration, 120 s, MS-ADTS 3.1.1.3.4.6).
	defaultStall = 150 * time.Second
)

// Config says which domain controller is read, as whom. The zero values of numbers,
// times and functions are replaced by defaults.
type Config struct {
	// URL is ldaps://host or ldaps://host:port. Plain LDAP is refused, also with
	// StartTLS: a misled client would send the password in clear text.
	URL string
	// CACertificates are the CAs, in PEM, and the only ones, that the controller's
	// certificate may come from.
	CACertificates []byte
	// Username is user@realm, DOMAIN\user or a distinguished name.
	Username string
	// Password may not be empty: LDAP takes an empty one for an anonymous login
	// (RFC 4513, 5.1.2).
	Password secret.String
	// OpenSYSVOL connects to the share SYSVOL of the same controller. It is called
	// until it connects, once for each capture or check. When nil, group policy files are the gap
	// [SYSVOLNotConfigured].
	OpenSYSVOL func(ctx context.Context) (FileSource, error)
	// SYSVOLPatience is how long all of a capture waits to try files and folders of
	// SYSVOL again, 5 min by default; a single file gets a tenth of it.
	SYSVOLPatience time.Duration
	// PageSize is how many objects one page has, 500 by default, at most 1000.
	PageSize int
	// MaxRounds is how often changed objects are read again, 5 by default.
	MaxRounds int
	// DialTimeout bounds connecting and logging in, 15 s by default.
	DialTimeout time.Duration
	// StallTimeout is how long the controller may say nothing when it was asked,
	// 150 s by default.
	StallTimeout time.Duration
	// Dial replaces the network, for tests: it gets "tcp" and host:port.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Now replaces the clock, for tests.
	Now func() time.Time
}

// Collector captures the service AD. It keeps no connection between calls, only the
// names of some attributes, and may be used concurrently.
type Collector struct {
	config      Config
	host        string // as in the URL, for texts
	address     string
	authorities *x509.CertPool
	schema      atomic.Pointer[knownSchema] // what is known of it, nil for nothing
	// rangeStep, when not 0, asks for link values in ranges of this many. Windows
	// cuts long attributes by itself, Samba only when asked, so that tests set it.
	rangeStep int
}

var _ collect.Collector = (*Collector)(nil)

// New checks the configuration without connecting. Errors are CONFIG_INVALID.
func New(c Config) (*Collector, error) {
	host, address, err := parseURL(c.URL)
	if err != nil {
		return nil, err
	}
	authorities, err := roots.Pool(c.CACertificates)
	if err != nil {
		return nil, fault.New(fault.ConfigInvalid, "the file with the CA certificates of the AD source cannot be used", err)
	}
	if c.PageSize == 0 {
		c.PageSize = defaultPageSize
	}
	if c.MaxRounds == 0 {
		c.MaxRounds = defaultMaxRounds
	}
	if c.DialTimeout == 0 {
		c.DialTimeout = defaultDial
	}
	if c.StallTimeout == 0 {
		c.StallTimeout = defaultStall
	}
	if c.SYSVOLPatience == 0 {
		c.SYSVOLPatience = defaultSYSVOLPatience
	}
	if c.Dial == nil {
		c.Dial = (&net.Dialer{}).DialContext
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	switch {
	case c.Username == "":
		return nil, fault.New(fault.ConfigInvalid, "the AD source has no user name", nil)
	case c.Password.IsZero():
		return nil, fault.New(fault.ConfigInvalid, "the AD source has no password", nil)
	case c.PageSize < 1 || c.PageSize > maxPageSize:
		return nil, fault.Newf(fault.ConfigInvalid, "a page of %d directory objects is not between 1 and %d", c.PageSize, maxPageSize)
	case c.MaxRounds < 1:
		return nil, fault.Newf(fault.ConfigInvalid, "%d rounds of reading AD again are too few", c.MaxRounds)
	case c.DialTimeout < 0 || c.StallTimeout < 0 || c.SYSVOLPatience < 0:
		return nil, fault.New(fault.ConfigInvalid, "a timeout of the AD source is negative", nil)
	}
	return &Collector{
		config: c, host: host, address: address,
		authorities: authorities,
	}, nil
}

func parseURL(text string) (host, address string, err error) {
	u, err := url.Parse(text)
	if err != nil {
		return "", "", fault.New(fault.ConfigInvalid, "the AD source's URL is malformed", err)
	}
	if u.Scheme != "ldaps" || u.Hostname() == "" || u.User != nil || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "" {
		return "", "", fault.New(fault.ConfigInvalid, "the AD source's URL is not ldaps://host[:port]", nil)
	}
	port := u.Port()
	if port == "" {
		port = "636"
	}
	return u.Hostname(), net.JoinHostPort(u.Hostname(), port), nil
}

// Service implements [collect.Collector].
func (c *Collector) Service() backup.Service { return backup.AD }

// dial connects, and logs in once.
func (c *Collector) dial(ctx context.Context) (*directory.Conn, error) {
	return directory.Dial(ctx, directory.Config{
		Address: c.address, Host: c.host, Authorities: c.authorities, Username: c.config.Username, Password: c.config.Password,
		DialTimeout: c.config.DialTimeout, StallTimeout: c.config.StallTimeout, DialContext: c.config.Dial,
	})
}
