package board

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"infrabackup/internal/alert"
)

// How often the source is read, and what is bounded.
const (
	// ReadEvery is how often it is read while somebody looks.
	ReadEvery = time.Minute
	// ReadUnseen is how often it is read while nobody does.
	ReadUnseen = 10 * time.Minute
	// LookedFor is how long somebody who has looked counts as looking.
	LookedFor = 2 * time.Minute
	// MaxSubscribers bounds how many readers follow a board.
	MaxSubscribers = 64

	readTimeout   = 2 * time.Minute
	drillsTimeout = 20 * time.Second // of what only a page shows, and the rest waits for
	readApart     = time.Second      // between two readings that are asked for
	retryAfter    = 30 * time.Second
	evaluateEvery = time.Minute
	standEvery    = 10 * time.Minute // between two looks at settings and ledger, which cost a workflow
	maxListed     = 500
	maxApplied    = 64
)

// Options are what a board can do without.
type Options struct {
	Limit   int           // backups that are listed, 500 when zero
	Timeout time.Duration // of one reading, 2 minutes when zero
	Now     func() time.Time
	After   func(time.Duration) <-chan time.Time
	// OnAlerts is told what was opened and closed. It must not wait, nor change the board.
	OnAlerts func(opened, closed []alert.Alert)
	// Complete adds to a backup of a new snapshot what is known elsewhere. It must not wait, nor
	// change the snapshot.
	Complete func(*Backup, *Snapshot)
}

// Board is what is known of one instance. It may be used concurrently.
type Board struct {
	source  Source
	options Options
	current atomic.Pointer[Snapshot]
	looked  atomic.Int64  // when somebody looked last, in Unix nanoseconds
	wake    chan struct{} // holds a token when the loop has to think again
	started atomic.Bool

	mu          sync.Mutex // for what follows, and for publishing
	known       known
	told        []alert.Alert // that were handed to OnAlerts
	asked       bool          // for a reading soon
	writes      int64         // number of the newest entry of applied
	applied     []write       // that a reading under way may not know of
	subscribers map[chan *Snapshot]func() bool
	ended       bool
}

// write is something that a caller has put in.
type write struct {
	number int64
	change func(*Snapshot)
}

// New makes a board that knows nothing yet; [Board.Run] reads.
func New(source Source, o Options) *Board {
	if o.Limit <= 0 {
		o.Limit = maxListed
	}
	if o.Timeout <= 0 {
		o.Timeout = readTimeout
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.After == nil {
		o.After = time.After
	}
	b := &Board{source: source, options: o, wake: make(chan struct{}, 1), subscribers: map[chan *Snapshot]func() bool{}}
	b.current.Store(&Snapshot{Number: 1, Alerts: []alert.Alert{}})
	return b
}

// Snapshot returns the newest snapshot. It is never nil, and costs nothing.
func (b *Board) Snapshot() *Snapshot { return b.current.Load() }

// Refresh asks for a reading soon, and returns at once. What is asked for while one is under
// way is one more after it.
func (b *Board) Refresh() {
	b.mu.Lock()
	b.asked = true
	b.mu.Unlock()
	b.think()
}

// Looked says that somebody looks, so that it is read more often for a while.
func (b *Board) Looked() {
	now := b.options.Now().UnixNano()
	if before := b.looked.Swap(now); now-before > int64(LookedFor) {
		b.think()
	}
}

// think wakes the loop.
func (b *Board) think() {
	select {
	case b.wake <- struct{}{}:
	default: // it will think anyhow
	}
}

// Apply makes a snapshot with a change that the caller knows of, such as what it has just
// written, and asks for a reading soon. A reading that had begun before does not undo the change,
// so it has to be one that can be made twice. The snapshot that it gets is its own; what lies behind
// elements of slices is to be replaced, not changed.
func (b *Board) Apply(change func(*Snapshot)) {
	b.mu.Lock()
	b.writes++
	if len(b.applied) == maxApplied {
		b.applied = append(b.applied[:0], b.applied[1:]...)
	}
	b.applied = append(b.applied, write{b.writes, change})
	b.publish(true, change)
	b.asked = true
	b.mu.Unlock()
	b.think()
}

// publish makes the next snapshot from the current one. Unless it is wanted in any case, it is left
// out when nothing follows from the time that has passed. It needs the lock.
func (b *Board) publish(always bool, change func(*Snapshot)) {
	before := b.current.Load()
	next := before.clone()
	change(next)
	if next.Running != nil && (before.Running == nil || before.Running.BackupID != next.Running.BackupID) {
		b.known.progressAt = b.options.Now() // another one runs
	}
	b.derive(next)
	if !always && same(before, next) {
		return
	}
	next.Number = before.Number + 1
	b.current.Store(next)
	for reader := range b.subscribers {
		hand(reader, next)
	}
	if opened, closed := alert.Changes(b.told, next.Alerts); len(opened)+len(closed) > 0 && b.options.OnAlerts != nil {
		b.options.OnAlerts(opened, closed)
	}
	b.told = next.Alerts
}

// Subscribe returns a channel with the current snapshot and each newer one; a reader that is slow
// gets only the newest. It is closed when ctx or [Board.Run] ends, and at once when there are
// [MaxSubscribers] already.
func (b *Board) Subscribe(ctx context.Context) <-chan *Snapshot {
	reader := make(chan *Snapshot, 1)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended || len(b.subscribers) == MaxSubscribers || ctx.Err() != nil {
		close(reader)
		return reader
	}
	reader <- b.current.Load()
	b.subscribers[reader] = context.AfterFunc(ctx, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if _, still := b.subscribers[reader]; still {
			delete(b.subscribers, reader)
			close(reader)
		}
	})
	b.think()
	return reader
}

// hand replaces what a reader has not taken yet. Only the publisher sends, so there is space
// after it.
func hand(reader chan *Snapshot, s *Snapshot) {
	select {
	case <-reader:
	default:
	}
	reader <- s
}

// finish closes the channels of all readers.
func (b *Board) finish() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = true
	for reader, stop := range b.subscribers {
		stop()
		delete(b.subscribers, reader)
		close(reader)
	}
}

// errRuns says that a board was to run twice.
var errRuns = errors.New("the board runs already, or has ended")
