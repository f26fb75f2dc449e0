package directory

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"

	"infrabackup/internal/fault"
	"infrabackup/internal/secret"
)

// errStalled is the cause of a context that ended because the controller was
// silent for too long.
var errStalled = errors.New("the domain controller does not answer in time")

// Conn is one LDAPS connection that is logged in. It serves one request at a
// time, from one goroutine. It reads answers itself rather than through a library,
// because what comes is not to be trusted: a general BER parser makes some 150 bytes of
// every two, and copies what lies deep once for each level.
type Conn struct {
	// Host is the server's name, for texts.
	Host string
	// Limit bounds one message, in bytes. It is what holds no large links at first; up to
	// [MaxMessage] may be asked for.
	Limit int
	// Large, when not nil, is waited for before a message of more than [MaxSmall] bytes is
	// read.
	Large func() error

	ending sync.Mutex // while the connection is being closed
	raw    net.Conn
	in     *bufio.Reader
	stall  time.Duration
	id     int64 // of the request that is under way
}

// Config says which server is connected to, and as whom.
type Config struct {
	Address string // host:port
	Host    string // that the certificate is for
	// Authorities are the only ones that the certificate may come from.
	Authorities *x509.CertPool
	Username    string
	Password    secret.String
	DialTimeout time.Duration // of connecting and logging in
	// StallTimeout is how long the server may say nothing when it was asked.
	StallTimeout time.Duration
	// DialContext connects without TLS.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
}

// Dial connects, verifies the certificate and logs in once. A refused login is not
// tried again, so that the account is not locked.
func Dial(ctx context.Context, c Config) (*Conn, error) {
	limited, cancel := context.WithTimeoutCause(ctx, c.DialTimeout, errStalled)
	defer cancel()
	what := "no connection to " + c.Address
	plain, err := c.DialContext(limited, "tcp", c.Address)
	if err != nil {
		return nil, explainDial(ctx, what, err)
	}
	secured := tls.Client(plain, tlsConfig(c.Host, c.Authorities))
	if err := secured.HandshakeContext(limited); err != nil {
		_ = plain.Close() // nothing was sent
		return nil, explainDial(ctx, what, err)
	}
	l := &Conn{Host: c.Host, Limit: maxGreeting, raw: secured, in: bufio.NewReaderSize(secured, 64<<10), stall: c.StallTimeout}
	release := l.bindTo(limited)
	err = l.bind(c.Username, c.Password.Reveal())
	release()
	if err != nil {
		l.Close()
		what := c.Host + " refused " + c.Username
		var answer *ldap.Error
		switch {
		case limited.Err() == nil && errors.Is(err, errMalformed):
			return nil, fault.New(fault.SourceInvalid, c.Address+" does not answer like a domain controller", err)
		case limited.Err() != nil || !errors.As(err, &answer):
			return nil, explainDial(ctx, what+" without an answer", err)
		}
		return nil, explain(ctx, what, err)
	}
	l.Limit = maxPlainMessage
	return l, nil
}

// bind logs in with name and password (RFC 4511, 4.2).
func (l *Conn) bind(name, password string) error {
	request := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ldap.ApplicationBindRequest, nil, "")
	request.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, 3, ""))
	request.AppendChild(octetString(name))
	request.AppendChild(ber.NewString(ber.ClassContext, ber.TypePrimitive, 0, password, ""))
	if err := l.send(request, nil); err != nil {
		return err
	}
	m, err := l.receive(nil)
	if err != nil {
		return err
	}
	if m.op != tagBindAnswer {
		return malformed("0x%02x as answer to a login", m.op)
	}
	return parseResult(m.body)
}

func octetString(s string) *ber.Packet {
	return ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, s, "")
}

// send begins a request.
func (l *Conn) send(op *ber.Packet, controls []ldap.Control) error {
	l.id++
	p := ber.NewSequence("")
	p.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, l.id, ""))
	p.AppendChild(op)
	if len(controls) > 0 {
		list := ber.Encode(ber.ClassContext, ber.TypeConstructed, 0, nil, "")
		for _, c := range controls {
			list.AppendChild(c.Encode())
		}
		p.AppendChild(list)
	}
	if err := l.raw.SetWriteDeadline(time.Now().Add(l.stall)); err != nil {
		return err
	}
	_, err := l.raw.Write(p.Bytes())
	return err
}

// receive reads the next answer to the request that is under way. Large is as for
// [readMessage].
func (l *Conn) receive(large func() error) (message, error) {
	m, err := readMessage(l.in, l.Limit, large)
	if err != nil {
		return m, err
	}
	switch {
	case m.id == 0 && m.op == tagExtended:
		// A notice of disconnection is the only one without a request (RFC 4511, 4.4).
		return m, fmt.Errorf("the server ends the connection: %w", parseResultOrNone(m.body))
	case m.id != l.id:
		return m, malformed("a message with the number %d instead of %d", m.id, l.id)
	}
	return m, nil
}

var errNoReason = errors.New("it gives no reason")

// parseResultOrNone is for results whose code is no answer to what was asked.
func parseResultOrNone(body []byte) error {
	if err := parseResult(body); err != nil {
		return errors.New(err.Error())
	}
	return errNoReason
}

// bindTo makes the connection end with ctx, which also ends reading and writing.
// Release undoes it.
func (l *Conn) bindTo(ctx context.Context) (release func() bool) {
	return context.AfterFunc(ctx, l.cut)
}

// cut ends the connection without a word. Its error says nothing: what is read is read
// again, and whether a change that was under way came about is looked for. When it returns, the connection has ended, also
// when somebody else had begun to end it.
func (l *Conn) cut() {
	l.ending.Lock()
	defer l.ending.Unlock()
	_ = l.raw.Close()
}

// Close ends the connection.
func (l *Conn) Close() { l.cut() }
