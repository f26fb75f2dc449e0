package rp

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"infrabackup/internal/control"
	"infrabackup/internal/fault"
	"infrabackup/internal/rp/budget"
	"infrabackup/internal/schedule"
)

// Bounds of what is remembered of operations, and of how often control is asked for them.
const (
	maxRemembered  = 1024
	askTimeout     = 5 * time.Second
	finalFor       = 10 * time.Minute
	runningFor     = time.Second
	goneFor        = 5 * time.Second
	unreachableFor = 2 * time.Second
)

// What callers may ask control for, all of them and each.
var (
	ofAll  = budget.Limit{PerSecond: 20, Burst: 40, AtOnce: 8}
	ofEach = budget.Limit{PerSecond: 5, Burst: 10, AtOnce: 2}
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
	asking *budget.Budget

	mu    sync.Mutex
	known map[resultKey]known
	begun map[resultKey]began
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
	return &results{now: now, asking: budget.New(now, ofAll, ofEach), known: map[resultKey]known{}, begun: map[resultKey]began{}}
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

// of tells a caller how far an operation is.
func (r *results) of(ctx context.Context, subject string, l *location, id string) (control.Operation, error) {
	key := resultKey{l, id}
	r.mu.Lock()
	k, ok := r.known[key]
	if ok && r.now().Before(k.until) {
		r.mu.Unlock()
		return k.operation, k.err
	}
	r.mu.Unlock()
	leave, allowed := r.asking.Enter(subject)
	if !allowed {
		return control.Operation{}, errNotAsked
	}
	defer leave()
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	operation, err := l.Control.Operation(ctx, id)
	if !errors.Is(ctx.Err(), context.Canceled) { // else it is the client that went
		r.remember(key, operation, err)
	}
	return operation, err
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
