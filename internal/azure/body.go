package azure

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"infrabackup/internal/fault"
)

// errAhead ends the reading of an answer ahead of its turn, when too much is held.
var errAhead = errors.New("too much is held to read it ahead of its turn")

// tooLarge is an answer of more than so many bytes.
type tooLarge int64

func (t tooLarge) Error() string { return fmt.Sprintf("the answer has more than %d bytes", int64(t)) }

// Is makes every size be [ErrTooLarge].
func (t tooLarge) Is(target error) bool { return target == ErrTooLarge }

// step is how many bytes are held, and how many have a try's time, at once.
const step = 1 << 20

// body is the body of an answer. It bounds how long it takes to read a part of it, how
// much is read in all, and how much ahead of its turn. Its errors are faults, or the
// context's error.
type body struct {
	ctx     context.Context // of who began it
	cancel  context.CancelFunc
	from    io.ReadCloser
	what    string
	timer   *time.Timer
	timeout time.Duration
	late    atomic.Bool

	read   int64
	held   int64 // bytes that may be read before more are asked for
	turn   *Turn // nil when it came
	budget *budget
	kept   bool // somebody reads on later
}

// Read implements [io.Reader].
func (b *body) Read(p []byte) (int, error) {
	if b.read >= MaxPageBytes {
		return 0, fault.New(fault.LimitExceeded, b.what, tooLarge(MaxPageBytes))
	}
	if b.turn != nil && !b.turn.is() && b.read == b.held {
		// Small answers hold what they are likely to have.
		more := min(int64(step), max(b.held, 16<<10))
		if b.held+more > maxOneAhead || !b.turn.take(b.budget, more) {
			return 0, errAhead
		}
		b.held += more
	}
	if b.turn != nil && !b.turn.is() {
		p = p[:min(int64(len(p)), b.held-b.read)]
	}
	before := b.read / step
	n, err := b.from.Read(p)
	b.read += int64(n)
	if b.read/step != before {
		b.timer.Reset(b.timeout)
	}
	if err != nil && err != io.EOF {
		err = b.fault(err)
	}
	return n, err
}

// fault classifies an error of the connection.
func (b *body) fault(err error) error {
	if b.ctx.Err() == nil && b.late.Load() {
		return fault.New(fault.SourceUnreachable, b.what, fmt.Errorf("no answer within %s", b.timeout))
	}
	return transportFault(b.ctx, b.what, err)
}

// rest stops the clock while nobody reads.
func (b *body) rest() { b.timer.Stop() }

// goOn reads on, now for who has ctx too. The caller calls stop when it has read.
func (b *body) goOn(ctx context.Context) (stop func() bool) {
	b.timer.Reset(b.timeout)
	return context.AfterFunc(ctx, b.cancel)
}

// close ends the request. What is left of a small body is read, so that the connection
// can be used again.
func (b *body) close() {
	if b.from != nil {
		if b.ctx.Err() == nil {
			_, _ = io.CopyN(io.Discard, b.from, 4<<10) // an error closes the connection, which is right too
		}
		_ = b.from.Close()
	}
	b.timer.Stop()
	b.cancel()
}
