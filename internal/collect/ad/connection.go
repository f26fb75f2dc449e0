package ad

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"

	"github.com/go-ldap/ldap/v3"

	"infrabackup/internal/fault"
)

// errStalled is the cause of a context that ended because the controller was
// silent for too long.
var errStalled = errors.New("the domain controller does not answer in time")

// connection is one LDAPS connection that is logged in. It serves one request at a
// time: the library would wait for ever if a second one were sent before all
// answers of the first were taken.
type connection struct {
	ldap  *ldap.Conn
	raw   net.Conn
	host  string
	stall time.Duration
}

// dial connects, verifies the certificate and logs in once. A refused login is not
// tried again, so that the account is not locked.
func (c *Collector) dial(ctx context.Context) (*connection, error) {
	limited, cancel := context.WithTimeoutCause(ctx, c.config.DialTimeout, errStalled)
	defer cancel()
	what := "no connection to " + c.address
	plain, err := c.config.Dial(limited, "tcp", c.address)
	if err != nil {
		return nil, explainDial(ctx, what, err)
	}
	secured := tls.Client(plain, c.tls)
	if err := secured.HandshakeContext(limited); err != nil {
		_ = plain.Close() // nothing was sent
		return nil, explainDial(ctx, what, err)
	}
	l := &connection{raw: secured, host: c.host, stall: c.config.StallTimeout}
	l.ldap = ldap.NewConn(&boundedConn{Conn: secured, stall: c.config.StallTimeout}, true)
	l.ldap.Start()
	release := l.bindTo(limited)
	err = l.ldap.Bind(c.config.Username, c.config.Password.Reveal())
	release()
	if err != nil {
		l.close()
		what := c.host + " refused " + c.config.Username
		var answer *ldap.Error
		if limited.Err() != nil || !errors.As(err, &answer) || answer.ResultCode >= ldap.ErrorNetwork {
			return nil, explainDial(ctx, what+" without an answer", err)
		}
		return nil, explain(ctx, what, err)
	}
	return l, nil
}

// bindTo makes the connection end with ctx, which also ends whatever the library
// waits for. Release undoes it.
func (l *connection) bindTo(ctx context.Context) (release func() bool) {
	return context.AfterFunc(ctx, l.cut)
}

// cut ends the connection without a word. Nothing is lost by it, so its error says
// nothing: the directory is only read.
func (l *connection) cut() { _ = l.raw.Close() }

// close ends the connection and the library's goroutines.
func (l *connection) close() {
	l.cut()
	_ = l.ldap.Close() // reports that the connection is closed already
}

// lost says why a connection that should stand does not.
func (l *connection) lost(what string) error {
	return fault.New(fault.SourceIncomplete, what+": the connection was lost", l.ldap.GetLastError())
}
