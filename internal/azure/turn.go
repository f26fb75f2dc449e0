package azure

import (
	"context"
	"sync"
)

// Limits of what is held of answers.
const (
	// MaxDocumentBytes bounds one document, and one element of a list. Resource managers
	// take 4 MiB.
	MaxDocumentBytes = 16 << 20
	// MaxBlobBytes bounds the answer to an action: a vault's backup of an object holds up
	// to 500 versions of 25 KiB, encoded twice.
	MaxBlobBytes = 32 << 20
	// MaxPageBytes bounds one page of a list, of which some elements are held at a time.
	MaxPageBytes = 1 << 30
	// maxAhead bounds what all answers hold together that wait for their turn, and
	// maxOneAhead one of them.
	maxAhead    = 16 << 20
	maxOneAhead = 4 << 20
	// maxChunkBytes and maxChunkElements bound what [Pages.Next] gives at once, but for
	// single elements that are larger.
	maxChunkBytes    = 1 << 20
	maxChunkElements = 1000
	maxRefusalBytes  = 64 << 10 // of an answer that is no success
)

// Turn is the place of a request in a queue, see [Ahead].
type Turn struct {
	mu   sync.Mutex
	came chan struct{}
	held map[*budget]int64
}

type turnKey struct{}

// Ahead marks what is read with the context as read ahead: it may have to wait, held in
// memory, for others. Then only so much of it is read, over all that is read ahead of a
// stamp, and the rest when the turn comes: a document that is larger is read again
// then, and of a page, [Pages.Next] gives what was read. The caller has to call
// [Turn.Come] in any case, at the latest when it gives up.
func Ahead(ctx context.Context) (context.Context, *Turn) {
	t := &Turn{came: make(chan struct{})}
	return context.WithValue(ctx, turnKey{}, t), t
}

// Come says that what was read ahead is used now. It may be called more than once.
func (t *Turn) Come() {
	t.mu.Lock()
	defer t.mu.Unlock()
	select {
	case <-t.came:
	default:
		close(t.came)
	}
	for b, n := range t.held {
		b.give(n)
	}
	t.held = nil
}

// turnOf is the turn that a context waits for, nil when it waits for none.
func turnOf(ctx context.Context) *Turn {
	t, ok := ctx.Value(turnKey{}).(*Turn)
	if !ok || t.is() {
		return nil
	}
	return t
}

// is reports whether the turn came.
func (t *Turn) is() bool {
	select {
	case <-t.came:
		return true
	default:
		return false
	}
}

// take holds n more bytes until the turn comes. It reports false when too many are held.
func (t *Turn) take(b *budget, n int64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.is() {
		return true
	}
	if !b.take(n) {
		return false
	}
	if t.held == nil {
		t.held = map[*budget]int64{}
	}
	t.held[b] += n
	return true
}

// budget is how many bytes may be held.
type budget struct {
	mu   sync.Mutex
	left int64
}

func (b *budget) take(n int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n > b.left {
		return false
	}
	b.left -= n
	return true
}

func (b *budget) give(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left += n
}

// gate lets one in at a time, and nobody wait longer than its context.
type gate chan struct{}

func newGate() gate { return make(gate, 1) }

func (g gate) enter(ctx context.Context) error {
	select {
	case g <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g gate) leave() { <-g }
