package smb

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hirochachacha/go-smb2"

	"infrabackup/internal/fault"
	"infrabackup/internal/share/smb/exchange"
	"infrabackup/internal/share/smb/guard"
)

// logoffTimeout bounds the polite end of a healthy connection.
const logoffTimeout = 2 * time.Second

var (
	errStalled  = errors.New("no progress within the time limit")
	errFinished = errors.New("the connection is closed")
)

// connection is one TCP connection with a session and the mounted share. Closing
// the TCP connection is the only way to end a call of the library (it waits for a
// lock before it looks at a context), so that is what every failure does.
type connection struct {
	guard   *guard.Guard
	session *smb2.Session
	share   *smb2.Share // bound to life
	stall   time.Duration

	life context.Context
	end  context.CancelFunc

	later   chan struct{}  // one for each file that is being closed by itself
	closing sync.WaitGroup // those files

	mu       sync.Mutex
	inFlight int
	watchdog *time.Timer // runs while requests are in flight
	cause    error       // why it was closed, nil while it is open
}

func newConnection(g *guard.Guard, stall time.Duration) *connection {
	c := &connection{guard: g, stall: stall, later: make(chan struct{}, maxClosing)}
	c.life, c.end = context.WithCancel(context.Background())
	c.watchdog = time.AfterFunc(time.Hour, func() { c.fail(errStalled) })
	c.watchdog.Stop()
	return c
}

// fail closes the connection for a reason; the first one counts. Whoever waits
// for an answer gets an error at once.
func (c *connection) fail(cause error) {
	c.mu.Lock()
	if c.cause == nil {
		c.cause = cause
	}
	c.watchdog.Stop()
	c.mu.Unlock()
	_ = c.guard.Close() // first, since a sender may hold the library's lock; an error changes nothing
	c.end()             // then the library's waits, and the finalizers of files left open
}

// dead reports whether a new connection is needed.
func (c *connection) dead() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cause != nil || c.guard.Dead()
}

// bind closes the connection when ctx ends, until the returned function is called.
func (c *connection) bind(ctx context.Context) func() bool {
	return context.AfterFunc(ctx, func() { c.fail(endOf(ctx)) })
}

// endOf is why ctx has ended: our own time limit, or its own error. Whatever else
// a caller may have given as a cause does not matter here.
func endOf(ctx context.Context) error {
	if errors.Is(context.Cause(ctx), errStalled) {
		return errStalled
	}
	return ctx.Err()
}

// begin and finish frame one request: the watchdog runs while any is in flight
// and starts again each time one is finished.
func (c *connection) begin() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause != nil {
		return c.cause
	}
	if c.inFlight++; c.inFlight == 1 {
		c.watchdog.Reset(c.stall)
	}
	return nil
}

func (c *connection) finish() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.inFlight--; c.inFlight == 0 || c.cause != nil {
		c.watchdog.Stop()
		return
	}
	c.watchdog.Reset(c.stall)
}

// do runs one call of the library. It contains panics (GO-2026-5051 and others:
// the library trusts what servers send), closes the connection after any error
// that is not a plain answer, and returns a fault that says what was being done,
// or the reason that the connection was closed for.
func (c *connection) do(what string, call func(*smb2.Share) error) (err error) {
	if err := c.begin(); err != nil {
		return c.explain(what, err)
	}
	defer c.finish()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errPanic, p)
			c.fail(err)
			err = c.explain(what, err)
		}
	}()
	err = call(c.share)
	var own *fault.Fault
	if err == nil || errors.As(err, &own) {
		return err // own: the caller of do did not like a good answer
	}
	if isConnectionBroken(err) {
		c.fail(err)
	}
	return c.explain(what, err)
}

// maxClosing bounds the files of a connection that are being closed while it goes on.
const maxClosing = 8

// closeLater closes what was only read. Nobody has to wait for that: nothing is lost when
// it fails, and who needs the file next comes behind it on this connection, or waits for
// it as for anybody else who has it open.
func (c *connection) closeLater(what string, file *smb2.File) error {
	closing := func() error { return c.do(what, func(*smb2.Share) error { return file.Close() }) }
	select {
	case c.later <- struct{}{}:
	default:
		return closing()
	}
	c.closing.Go(func() {
		_ = closing() // a broken connection is made again by who needs it
		<-c.later
	})
	return nil
}

// maxGathering bounds the requests with which a connection gathers credits.
const maxGathering = 16

// gather makes sure that there are credits for the library's largest request, while
// nothing is in flight: the library asks for more with each request, and some servers
// grant them one by one.
func (c *connection) gather(ctx context.Context, what string) error {
	need := c.guard.Agreed().Credits
	for range maxGathering {
		if c.guard.Credits() >= need {
			return nil
		}
		c.closing.Wait() // they hold some
		if c.guard.Credits() >= need {
			return nil
		}
		err := c.do(what, func(share *smb2.Share) error {
			_, err := share.WithContext(ctx).Lstat("")
			if err != nil && !isConnectionBroken(err) {
				err = nil // a refusal brings credits as well
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	if held := c.guard.Credits(); held < need {
		return fault.New(fault.ShareCredits, what, &exchange.ShortError{Held: held, Needed: need})
	}
	return nil
}

var errPanic = errors.New("the SMB library failed on the server's answer")

// explain makes the error that callers see: what the guard refused, else why the
// connection was closed, else the library's error.
func (c *connection) explain(what string, err error) error {
	if refusal := c.guard.Refusal(); refusal != nil {
		return fault.New(refusal.Code, what, refusal.Err)
	}
	if statusOf(err) == 0 {
		c.mu.Lock()
		if c.cause != nil {
			err = c.cause
		}
		c.mu.Unlock()
	}
	var known *fault.Fault
	switch {
	case errors.As(err, &known):
		return known
	case errors.Is(err, errStalled), errors.Is(err, errFinished):
		return fault.New(fault.ShareUnreachable, what, err)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s: %w", what, err)
	case errors.Is(err, errPanic):
		return fault.New(fault.ShareProtocol, what, err)
	}
	return classify(what, err)
}

// close ends the connection, politely when nothing is wrong with it: the share,
// the session, then TCP. Nothing may be in flight. It never fails; a server that
// does not answer loses the connection anyway.
func (c *connection) close() {
	if !c.dead() {
		ctx, cancel := context.WithTimeout(c.life, logoffTimeout)
		stop := context.AfterFunc(ctx, func() { _ = c.guard.Close() })
		func() {
			c.closing.Wait()
			defer func() { _ = recover() }() // a lost race with the server's own close panics in the library
			if c.share.WithContext(ctx).Umount() == nil {
				_ = c.session.WithContext(ctx).Logoff() // the TCP connection ends either way
			}
		}()
		stop()
		cancel()
	}
	c.fail(errFinished)
}
