package mount

import (
	"context"
	"errors"
	"sync"
	"time"

	"infrabackup/internal/fault"
	"infrabackup/internal/settings"
	"infrabackup/internal/share"
)

// refusedFor is how long a refused login is remembered: several services that find
// out at once must not lock the account.
const refusedFor = 30 * time.Second

// Pool keeps one open connection to the share for each revision of the settings in use, so
// that the steps of a run log in once. Revisions are told apart by their fingerprints:
// settings that were set back can have the number of others. It may be used concurrently.
type Pool struct {
	open func(context.Context, settings.Settings) (share.Store, error)
	now  func() time.Time

	mu      sync.Mutex
	current map[string]*opening
	refused map[string]refusal
}

// opening is a store that is open, or is being opened by the first who asked.
type opening struct {
	ready chan struct{}
	store share.Store
	err   error
}

type refusal struct {
	err   error
	until time.Time
}

// NewPool makes a pool of the connections that open makes.
func NewPool(open func(context.Context, settings.Settings) (share.Store, error), now func() time.Time) *Pool {
	return &Pool{open: open, now: now, current: map[string]*opening{}, refused: map[string]refusal{}}
}

// Get returns the open store of a revision. It is shared and stays open.
func (p *Pool) Get(ctx context.Context, set settings.Settings) (share.Store, error) {
	p.mu.Lock()
	if r, ok := p.refused[set.Fingerprint()]; ok && p.now().Before(r.until) {
		p.mu.Unlock()
		return nil, r.err
	}
	o, ok := p.current[set.Fingerprint()]
	if !ok {
		o = &opening{ready: make(chan struct{})}
		p.current[set.Fingerprint()] = o
	}
	p.mu.Unlock()
	if !ok {
		p.dial(ctx, set, o)
	}
	select {
	case <-o.ready:
		return o.store, o.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Keep takes a store that was just opened with these settings, and proved good, so that the
// next step need not log in again. It reports false when there is one already, and the store
// stays the caller's.
func (p *Pool) Keep(set settings.Settings, store share.Store) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.current[set.Fingerprint()]; ok {
		return false
	}
	o := &opening{ready: make(chan struct{}), store: store}
	close(o.ready)
	p.current[set.Fingerprint()] = o
	delete(p.refused, set.Fingerprint()) // the login has just worked
	return true
}

func (p *Pool) dial(ctx context.Context, set settings.Settings, o *opening) {
	o.store, o.err = p.open(ctx, set)
	p.mu.Lock()
	defer p.mu.Unlock()
	if o.err != nil {
		delete(p.current, set.Fingerprint())
		switch fault.CodeOf(o.err) {
		case fault.ShareAuthFailed, fault.ShareAccountLocked, fault.ShareAccountInvalid:
			p.refused[set.Fingerprint()] = refusal{o.err, p.now().Add(refusedFor)}
		}
	}
	close(o.ready)
}

// Close ends all connections.
func (p *Pool) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for revision, o := range p.current {
		delete(p.current, revision)
		<-o.ready
		if o.store != nil {
			errs = append(errs, o.store.Close())
		}
	}
	return errors.Join(errs...)
}
