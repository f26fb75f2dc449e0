package activities

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

// stores keeps one open connection to the share for each revision of the settings
// in use, so that the steps of a run log in once. Revisions are told apart by their
// fingerprints: settings that were set back can have the number of others.
type stores struct {
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

func newStores(open func(context.Context, settings.Settings) (share.Store, error), now func() time.Time) *stores {
	return &stores{open: open, now: now, current: map[string]*opening{}, refused: map[string]refusal{}}
}

// get returns the open store of a revision. It is shared and stays open.
func (s *stores) get(ctx context.Context, set settings.Settings) (share.Store, error) {
	s.mu.Lock()
	if r, ok := s.refused[set.Fingerprint()]; ok && s.now().Before(r.until) {
		s.mu.Unlock()
		return nil, r.err
	}
	o, ok := s.current[set.Fingerprint()]
	if !ok {
		o = &opening{ready: make(chan struct{})}
		s.current[set.Fingerprint()] = o
	}
	s.mu.Unlock()
	if !ok {
		s.dial(ctx, set, o)
	}
	select {
	case <-o.ready:
		return o.store, o.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// keep takes a store that was just opened with these settings, and proved good, so that the
// next step need not log in again. It reports false when there is one already, and the store
// stays the caller's.
func (s *stores) keep(set settings.Settings, store share.Store) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.current[set.Fingerprint()]; ok {
		return false
	}
	o := &opening{ready: make(chan struct{}), store: store}
	close(o.ready)
	s.current[set.Fingerprint()] = o
	delete(s.refused, set.Fingerprint()) // the login has just worked
	return true
}

func (s *stores) dial(ctx context.Context, set settings.Settings, o *opening) {
	o.store, o.err = s.open(ctx, set)
	s.mu.Lock()
	defer s.mu.Unlock()
	if o.err != nil {
		delete(s.current, set.Fingerprint())
		switch fault.CodeOf(o.err) {
		case fault.ShareAuthFailed, fault.ShareAccountLocked, fault.ShareAccountInvalid:
			s.refused[set.Fingerprint()] = refusal{o.err, s.now().Add(refusedFor)}
		}
	}
	close(o.ready)
}

// close ends all connections.
func (s *stores) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for revision, o := range s.current {
		delete(s.current, revision)
		<-o.ready
		if o.store != nil {
			errs = append(errs, o.store.Close())
		}
	}
	return errors.Join(errs...)
}
