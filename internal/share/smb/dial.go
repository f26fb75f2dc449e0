package smb

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/hirochachacha/go-smb2"

	"infrabackup/internal/fault"
	"infrabackup/internal/share/smb/guard"
)

// Session describes what was agreed with the server.
type Session struct {
	// Dialect is such as "SMB 3.1.1".
	Dialect string
	// Cipher is such as "AES-128-GCM", empty when the server has none.
	Cipher string
	// Encrypted says whether the server asks for encryption of session or share.
	Encrypted bool
	// Address is the server's IP address and port.
	Address string
}

// refusedFor is how long a refused login is remembered: long enough that no account is locked
// by trying it again, and not for ever, since an account that was locked or out of its hours
// is one that can be used again.
const refusedFor = 5 * time.Minute

// dialer makes connections, one after the other. It remembers a refused login for a while:
// the password stays the same for the dialer's life, and trying it again, or several times
// at once, could lock the account.
type dialer struct {
	config Config
	turn   chan struct{} // held while a connection is made

	mu       sync.Mutex
	refused  *fault.Fault
	until    time.Time // when refused is forgotten
	failed   error     // of the newest attempt that failed
	failedAt time.Time // when it did
}

func newDialer(config Config) *dialer { return &dialer{config: config, turn: make(chan struct{}, 1)} }

// dialects are offered in this order, each on a TCP connection of its own: the
// library offers either one or all, SMB 2 included.
var dialects = []uint16{guard.Dialect311, guard.Dialect302, guard.Dialect300}

// dial makes a connection, logs in and mounts the share. Whoever waited for another
// one's attempt shares its failure, instead of waiting as long for one's own.
func (d *dialer) dial(ctx context.Context) (*connection, error) {
	began := time.Now()
	select {
	case d.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("connecting to %s: %w", d.config.UNC.Host, ctx.Err())
	}
	defer func() { <-d.turn }()
	d.mu.Lock()
	failed, at := d.failed, d.failedAt
	d.mu.Unlock()
	if failed != nil && at.After(began) {
		return nil, failed
	}
	c, err := d.connection(ctx)
	if err != nil && ctx.Err() == nil { // the end of one caller's context is no failure
		d.mu.Lock()
		d.failed, d.failedAt = err, time.Now()
		d.mu.Unlock()
	}
	return c, err
}

// connection offers one dialect after the other until one is accepted; from then on
// there is no second attempt, whatever happens.
func (d *dialer) connection(ctx context.Context) (*connection, error) {
	var reasons []error
	answered := false
	for _, dialect := range dialects {
		c, next, err := d.attempt(ctx, dialect)
		if err == nil {
			return c, nil
		}
		if !next {
			return nil, err
		}
		answered = answered || !errors.Is(err, fault.ShareUnreachable)
		reasons = append(reasons, fmt.Errorf("%s: %w", guard.DialectName(dialect), err))
	}
	return nil, d.diagnose(ctx, answered, errors.Join(reasons...))
}

// diagnose finds out what a server has that accepts no SMB 3 dialect alone. The
// guard ends this attempt before any credential is sent.
func (d *dialer) diagnose(ctx context.Context, answered bool, reasons error) error {
	what := d.config.UNC.Host + " accepts no SMB 3 dialect"
	_, _, err := d.attempt(ctx, 0)
	var offered guard.DialectError
	switch {
	case errors.As(err, &offered) && offered >= guard.Dialect300:
		return fault.New(fault.ShareProtocol, what+" alone, but picks "+guard.DialectName(uint16(offered))+" out of all", reasons)
	case errors.As(err, &offered):
		return fault.New(fault.ShareDialect, what, offered)
	case ctx.Err() != nil:
		return err
	case answered:
		return fault.New(fault.ShareDialect, what, reasons)
	}
	return fault.New(fault.ShareUnreachable, d.config.UNC.Host+" ends every connection at once; it may know SMB 1 only", err)
}

// attempt makes one TCP connection and offers one dialect. Next says that the
// server did not want the dialect and that no credential was sent.
func (d *dialer) attempt(ctx context.Context, dialect uint16) (c *connection, next bool, err error) {
	d.mu.Lock()
	refused, until := d.refused, d.until
	d.mu.Unlock()
	if refused != nil && time.Now().Before(until) {
		return nil, false, refused
	}
	limited, cancel := context.WithTimeoutCause(ctx, d.config.DialTimeout, errStalled)
	defer cancel()
	g, err := d.connect(limited, dialect)
	if err != nil {
		return nil, false, d.ended(ctx, err)
	}
	c = newConnection(g, d.config.StallTimeout)
	release := c.bind(limited)
	err = d.login(limited, c, dialect)
	if !release() && err == nil { // the time ran out in the last moment
		err = c.explain("cannot open "+d.config.UNC.String(), endOf(limited))
	}
	if err != nil {
		c.fail(err)
		err = d.ended(ctx, err)
		d.remember(err)
		return nil, g.Declined() && ctx.Err() == nil && !errors.Is(err, errStalled), err
	}
	return c, false, nil
}

// remember keeps a refused login.
func (d *dialer) remember(err error) {
	if f, ok := fault.Of(err); ok && loginRefused[f.Code] {
		d.mu.Lock()
		d.refused, d.until = f, time.Now().Add(refusedFor)
		d.mu.Unlock()
	}
}

// ended gives the end of the caller's own context precedence over what followed.
func (d *dialer) ended(ctx context.Context, err error) error {
	if ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
		return fmt.Errorf("connecting to %s: %w", d.config.UNC.Host, ctx.Err())
	}
	return err
}

// connect resolves the name and connects.
func (d *dialer) connect(ctx context.Context, dialect uint16) (*guard.Guard, error) {
	host := d.config.UNC.Host
	conn, err := d.config.Dial(ctx, "tcp", net.JoinHostPort(host, port))
	if err == nil {
		return guard.New(conn, dialect, d.config.Transport != Signed, host), nil
	}
	var dns *net.DNSError
	if errors.As(err, &dns) { // also when the name server does not answer
		return nil, fault.New(fault.ShareNameUnresolved, "the name "+host+" does not resolve", err)
	}
	if end := endOf(ctx); end != nil {
		err = end
	}
	return nil, fault.New(fault.ShareUnreachable, "no connection to port "+port+" of "+host, err)
}

// login negotiates, authenticates and mounts, with a Dialer and an Initiator of
// its own: the library changes both. The library and the guard both refuse unsigned
// answers, on every transport.
func (d *dialer) login(ctx context.Context, c *connection, dialect uint16) error {
	user, domain := splitUser(d.config.Username)
	host := d.config.UNC.Host
	initiator := &smb2.NTLMInitiator{User: user, Password: d.config.Password.Reveal(), Domain: domain, TargetSPN: "cifs/" + host}
	library := &smb2.Dialer{
		// 16 credits for each request of 1 MiB, and some for what borrows none.
		MaxCreditBalance: uint16(max(256, 16*d.config.WorkersPerConnection+64)),
		Negotiator:       smb2.Negotiator{RequireMessageSigning: true, SpecifiedDialect: dialect},
		Initiator:        initiator,
	}
	err := contained(func() (err error) {
		c.session, err = library.DialContext(ctx, c.guard)
		return err
	})
	if err != nil {
		return d.explainLogin(c, err)
	}
	if err := followSession(c.guard, c.session, initiator); err != nil {
		return fault.New(fault.Internal, "cannot follow the session with "+host, err)
	}
	var mounted *smb2.Share
	err = contained(func() (err error) {
		// Always with the configured name: the library would put an address with a port.
		mounted, err = c.session.WithContext(ctx).Mount(`\\` + host + `\` + d.config.UNC.Share)
		return err
	})
	if err != nil {
		return c.explain("cannot connect to the share "+`\\`+host+`\`+d.config.UNC.Share, err)
	}
	c.share = mounted.WithContext(c.life)
	return c.gather(ctx, "cannot open "+d.config.UNC.String())
}

// contained runs a call of the library and makes an error of a panic.
func contained(call func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errPanic, p)
		}
	}()
	return call()
}

// explainLogin names the cause of a failed handshake, from what the guard saw
// where the library loses it.
func (d *dialer) explainLogin(c *connection, err error) error {
	what := d.config.UNC.Host + " refused " + d.config.Username
	login := c.guard.Login()
	setup := login.SetupStatus
	refusal := c.guard.Refusal()
	switch {
	case refusal != nil:
		return refusal
	case setup == 0xC00000BB || setup == 0xC000000D || setup == 0xC0000002:
		// NOT_SUPPORTED, INVALID_PARAMETER, NOT_IMPLEMENTED: the mechanism is unknown to the server.
		return fault.New(fault.ShareNTLMRefused, what, statusError(setup))
	case setup != 0:
		return statusFault(what, setup)
	case login.DialStatus != 0:
		return fault.New(fault.ShareDialect, d.config.UNC.Host+" refused the SMB dialect", statusError(login.DialStatus))
	case login.OtherMechanism && isAnswer(err):
		return fault.New(fault.ShareNTLMRefused, what+" because it does not answer with NTLM", err)
	}
	return c.explain("cannot log in to "+d.config.UNC.Host, err)
}

// isAnswer tells errors about the content of an answer from those of the network.
func isAnswer(err error) bool {
	var invalid *smb2.InvalidResponseError
	return errors.As(err, &invalid) || errors.Is(err, errPanic)
}

// describe tells what was agreed.
func (c *connection) describe() Session {
	a := c.guard.Agreed()
	return Session{Dialect: guard.DialectName(a.Dialect), Cipher: guard.CipherName(a.Cipher), Encrypted: a.Encrypted, Address: c.guard.RemoteAddr().String()}
}
