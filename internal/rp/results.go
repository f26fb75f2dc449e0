package rp

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"infrabackup/internal/control"
	"infrabackup/internal/fault"
	"infrabackup/internal/schedule"
)

// Bounds of what is remembered of operations, and of how often control is asked for them.
const (
	maxRemembered  = 1024
	maxAsking      = 8
	askTimeout     = 5 * time.Second
	askBurst       = 40
	asksPerSecond  = 20
	finalFor       = 10 * time.Minute
	runningFor     = time.Second
	goneFor        = 5 * time.Second
	unreachableFor = 2 * time.Second
)

// errNotAsked says that control is asked too often already.
var errNotAsked = fault.Newf(fault.NoWorker, "too many operations are asked for at the moment")

// began is what is remembered of an operation that this process has begun.
type began struct {
	schedule *schedule.Setting // that it is to set
}

// results remembers answers about operations, so that clients that poll, and those that ask
// for what does not exist, cost control little.
type results struct {
	now    func() time.Time
	asking chan struct{}

	mu     sync.Mutex
	known  map[resultKey]known
	begun  map[resultKey]began
	tokens float64
	filled time.Time
}

type resultKey struct {
	location *location
	id       string
}

type known struct {
	operation control.Operation
	err       error
	until     time.Time
}

func newResults(now func() time.Time) *results {
	return &results{now: now, asking: make(chan struct{}, maxAsking), known: map[resultKey]known{}, begun: map[resultKey]began{}, tokens: askBurst, filled: now()}
}

// begin remembers an operation, and forgets what was found out about its id before.
func (r *results) begin(l *location, id string, b began) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := resultKey{l, id}
	delete(r.known, key)
	if len(r.begun) >= maxRemembered {
		for other := range r.begun { // any: what is forgotten is found out again
			delete(r.begun, other)
			break
		}
	}
	r.begun[key] = b
}

func (r *results) beginning(l *location, id string) began {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.begun[resultKey{l, id}]
}

// of tells how far an operation is.
func (r *results) of(ctx context.Context, l *location, id string) (control.Operation, error) {
	key := resultKey{l, id}
	r.mu.Lock()
	k, ok := r.known[key]
	if ok && r.now().Before(k.until) {
		r.mu.Unlock()
		return k.operation, k.err
	}
	allowed := r.take()
	r.mu.Unlock()
	if !allowed {
		return control.Operation{}, errNotAsked
	}
	select {
	case r.asking <- struct{}{}:
		defer func() { <-r.asking }()
	default:
		return control.Operation{}, errNotAsked
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	operation, err := l.Control.Operation(ctx, id)
	if !errors.Is(ctx.Err(), context.Canceled) { // else it is the client that went
		r.remember(key, operation, err)
	}
	return operation, err
}

// take uses up one question of those that are left.
func (r *results) take() bool {
	now := r.now()
	if passed := now.Sub(r.filled); passed > 0 {
		r.tokens = min(askBurst, r.tokens+passed.Seconds()*asksPerSecond)
	}
	r.filled = now
	if r.tokens < 1 {
		return false
	}
	r.tokens--
	return true
}

func (r *results) remember(key resultKey, operation control.Operation, err error) {
	keep := runningFor
	switch {
	case isGone(err):
		keep = goneFor
	case err != nil:
		keep = unreachableFor
	case !operation.Running:
		keep = finalFor
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	if len(r.known) >= maxRemembered {
		for other, k := range r.known {
			if !now.Before(k.until) {
				delete(r.known, other)
			}
		}
		for other := range r.known {
			if len(r.known) < maxRemembered {
				break
			}
			delete(r.known, other)
		}
	}
	r.known[key] = known{operation, err, now.Add(keep)}
}

// isGone reports whether control says that there is no such operation.
func isGone(err error) bool {
	f, ok := fault.Of(err)
	return ok && f.Code.HTTPStatus() == http.StatusNotFound
}
