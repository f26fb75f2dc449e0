package ad

import (
	"context"
	"sync"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"infrabackup/internal/collect/ad/directory"
	"infrabackup/internal/fault"
)

// Naming contexts are read at the same time because a controller serves each connection
// with one core, and waits while an answer is taken apart. They are written one after
// the other in their order, so that a part does not depend on who was faster.
//
// Those that are not being written yet are read ahead into bounded memory, and then
// wait. That is short for the first ones, which every controller holds: schema and
// configuration are small, and the domain is the third. Further ones, such as DNS
// zones, would wait for all of the domain, for which a controller may end their
// connection (MaxConnIdleTime, MS-ADTS 3.1.1.3.4.6); they are read when it is their turn.
const (
	// maxConnections is how many connections a capture has at once.
	maxConnections = 3
	// aheadBytes is how much of one naming context may wait to be written, and
	// aheadBatches in how many pieces.
	aheadBytes   = 8 << 20
	aheadBatches = 16
	// batchBytes is the size of a piece, or it is one page.
	batchBytes = 512 << 10
	// stepBytes is about what an object takes beside its document.
	stepBytes = 400
)

// step is one call of a [receiver].
type step struct {
	object    *object // without a document when it is only listed
	referral  string
	end, last bool // of a page
}

// batch is some steps that follow each other.
type batch struct {
	steps []step
	bytes int64
	// written, when not nil, is closed when they have been dealt with.
	written chan struct{}
}

// ahead is a naming context that is read by one goroutine and written by another.
type ahead struct {
	ctx     context.Context // of the goroutine that reads
	dn      string
	batches chan batch // closed behind the last one
	room    *semaphore.Weighted
	turn    chan struct{} // closed when it is being written
	filling batch
}

var _ receiver = (*ahead)(nil)

func newAhead(ctx context.Context, dn string) *ahead {
	return &ahead{
		ctx: ctx, dn: dn, batches: make(chan batch, aheadBatches),
		room: semaphore.NewWeighted(aheadBytes), turn: make(chan struct{}),
	}
}

// read reads all of it.
func (a *ahead) read(from asking) error {
	// What is large is read when everything before it was written, so that there is
	// never more than one such thing in memory.
	from.conn.Large = a.waitForTurn
	defer func() { from.conn.Large = nil }()
	if err := from.readTree(a.ctx, a.dn, a.dn, "(objectClass=*)", a); err != nil {
		return err
	}
	if err := a.flush(); err != nil {
		return err
	}
	close(a.batches)
	return nil
}

func (a *ahead) waitForTurn() error {
	select {
	case <-a.turn:
		return nil
	case <-a.ctx.Done():
		return a.ctx.Err()
	}
}

// add appends a step.
func (a *ahead) add(s step, bytes int) error {
	a.filling.steps = append(a.filling.steps, s)
	if a.filling.bytes += int64(bytes + stepBytes); a.filling.bytes < batchBytes {
		return nil
	}
	return a.flush()
}

// flush hands on what was added, and waits while too much is there already.
func (a *ahead) flush() error {
	if len(a.filling.steps) == 0 {
		return nil
	}
	b := a.filling
	a.filling = batch{}
	b.bytes = min(b.bytes, aheadBytes)
	if err := a.room.Acquire(a.ctx, b.bytes); err != nil {
		return err
	}
	select {
	case a.batches <- b:
		return nil
	case <-a.ctx.Done():
		return a.ctx.Err()
	}
}

// take implements [receiver]. Fresh is true, because only who writes knows; see
// [reading.writeSteps].
func (a *ahead) take(f *found) (fresh bool, err error) {
	size := f.record.Size()
	if size > directory.MaxSmall {
		return true, a.takeLarge(f, size)
	}
	o, err := newObject(f, make([]byte, 0, size))
	if err != nil {
		return false, err
	}
	return true, a.add(step{object: o}, size+len(o.name))
}

// takeLarge comes back when the object was written.
func (a *ahead) takeLarge(f *found, size int) error {
	if err := a.flush(); err != nil {
		return err
	}
	if err := a.waitForTurn(); err != nil {
		return err
	}
	o, err := newObject(f, make([]byte, 0, size))
	if err != nil {
		return err
	}
	written := make(chan struct{})
	a.filling.written = written
	if err := a.add(step{object: o}, max(size, batchBytes)); err != nil {
		return err
	}
	select {
	case <-written:
		return nil
	case <-a.ctx.Done():
		return a.ctx.Err()
	}
}

// listed implements [receiver].
func (a *ahead) listed(guid [16]byte) (fresh bool, err error) {
	return true, a.add(step{object: &object{guid: guid}}, 0)
}

// refer implements [receiver].
func (a *ahead) refer(url string) error { return a.add(step{referral: url}, len(url)) }

// pageEnd implements [receiver].
func (a *ahead) pageEnd(last bool) error {
	if err := a.add(step{end: true, last: last}, 0); err != nil {
		return err
	}
	return a.flush()
}

// crew are the goroutines that read naming contexts.
type crew struct {
	from       asking
	invocation string
	enough     func() // ends looking for further connections

	mu       sync.Mutex
	contexts []*ahead // that nobody reads yet
	kept     *directory.Conn
}

// readTogether reads naming contexts at the same time and writes them in their order.
// Afterwards the reading has one connection again, that of them which was used last.
func (r *reading) readTogether(ctx context.Context, contexts []string) error {
	group, ctx := errgroup.WithContext(ctx)
	looking, enough := context.WithCancel(ctx)
	defer enough()
	c := &crew{from: r.asking, invocation: r.invocation, enough: enough}
	for _, dn := range contexts {
		c.contexts = append(c.contexts, newAhead(ctx, dn))
	}
	all := c.contexts
	first := r.conn
	r.conn = nil
	group.Go(func() error { return c.work(first) })
	group.Go(func() error {
		// One after the other, so that a refused login is not repeated.
		for range len(contexts) - 1 {
			conn := c.further(looking)
			if conn == nil {
				return nil
			}
			group.Go(func() error { return c.work(conn) })
		}
		return nil
	})
	err := r.writeAll(ctx, all)
	group.Go(func() error { return err }) // the first error counts, whoever has it
	err = group.Wait()
	r.conn = c.kept
	return err
}

// further connects once more. That is for speed only, so that the capture goes on
// without, when the controller allows no more connections, or another controller answers
// under its name.
func (c *crew) further(ctx context.Context) *directory.Conn {
	conn, err := c.from.dial(ctx)
	if err != nil {
		return nil
	}
	root, err := readRootDSE(ctx, conn)
	if err == nil {
		var invocation string
		if invocation, err = readInvocation(ctx, conn, root); err == nil && invocation == c.invocation {
			conn.Limit = directory.MaxMessage
			return conn
		}
	}
	conn.Close()
	return nil
}

// work reads naming contexts on a connection until none is left.
func (c *crew) work(conn *directory.Conn) error {
	from := c.from
	from.conn = conn
	for a := c.next(); a != nil; a = c.next() {
		if err := a.read(from); err != nil {
			conn.Close()
			return err
		}
	}
	c.keep(conn)
	return nil
}

// next is the next naming context that nobody reads yet, nil when there is none.
func (c *crew) next() *ahead {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.contexts) == 0 {
		return nil
	}
	a := c.contexts[0]
	if c.contexts = c.contexts[1:]; len(c.contexts) == 0 {
		c.enough()
	}
	return a
}

// keep keeps the connection in place of the one before, which has been idle for longer.
func (c *crew) keep(conn *directory.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kept != nil {
		c.kept.Close()
	}
	c.kept = conn
}

// writeAll writes naming contexts in their order.
func (r *reading) writeAll(ctx context.Context, contexts []*ahead) error {
	for _, a := range contexts {
		r.search++
		close(a.turn)
		if err := r.writeOne(ctx, a); err != nil {
			return err
		}
	}
	return nil
}

func (r *reading) writeOne(ctx context.Context, a *ahead) error {
	var page pageCount
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case b, more := <-a.batches:
			if !more {
				return nil
			}
			if err := r.writeSteps(a.dn, b.steps, &page); err != nil {
				return err
			}
			a.room.Release(b.bytes)
			if b.written != nil {
				close(b.written)
			}
		}
	}
}

// pageCount counts the objects of a page, and those that the search did not give before.
type pageCount struct{ entries, fresh int }

// writeSteps does what was asked of the receiver. It counts for each page what the
// search did not give before, as [directory.Conn.Run] does.
func (r *reading) writeSteps(dn string, steps []step, page *pageCount) error {
	for _, s := range steps {
		switch {
		case s.end:
			if !s.last && page.entries > 0 && page.fresh == 0 {
				return fault.Newf(fault.SourceIncomplete, "cannot read %s from %s: the server repeats its pages", dn, r.host)
			}
			*page = pageCount{}
		case s.referral != "":
			if err := r.refer(s.referral); err != nil {
				return err
			}
		default:
			page.entries++
			if r.fresh(s.object.guid) {
				page.fresh++
			}
			if s.object.document == nil {
				r.owed[s.object.guid] = struct{}{}
				continue
			}
			if err := r.arrive(s.object); err != nil {
				return err
			}
		}
	}
	return nil
}
