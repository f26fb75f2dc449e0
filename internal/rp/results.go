package rp

import (
	"context"
	"sync"
	"time"

	"infrabackup/internal/control/operation"
	"infrabackup/internal/operations"
	"infrabackup/internal/schedule"
)

// maxBegun bounds of how many operations it is remembered what they were to do.
const maxBegun = 1024

// What callers may ask control for, all of them and each.
var (
	ofAll  = operations.Limit{PerSecond: 20, Burst: 40, AtOnce: 8}
	ofEach = operations.Limit{PerSecond: 5, Burst: 10, AtOnce: 2}
)

// results are what came of operations, and what those of this process were to do.
type results struct {
	asked *operations.Cache

	mu    sync.Mutex
	begun map[resultKey]schedule.Setting
}

type resultKey struct {
	location *location
	id       string
}

func newResults(now func() time.Time) *results {
	return &results{asked: operations.New(now, ofAll, ofEach), begun: map[resultKey]schedule.Setting{}}
}

// begin notes that an operation was begun, with the schedule that it is to set, nil for none.
// What was found out about its id before counts no more.
func (r *results) begin(l *location, id string, next *schedule.Setting) {
	r.asked.Forget(l.name, id)
	if next == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.begun) >= maxBegun {
		for other := range r.begun { // any: what is forgotten, the board reads
			delete(r.begun, other)
			break
		}
	}
	r.begun[resultKey{l, id}] = *next
}

// scheduleOf is the schedule that an operation of this process was to set, nil for none.
func (r *results) scheduleOf(l *location, id string) *schedule.Setting {
	r.mu.Lock()
	defer r.mu.Unlock()
	next, ok := r.begun[resultKey{l, id}]
	if !ok {
		return nil
	}
	return &next
}

// of tells a caller how far an operation is.
func (r *results) of(ctx context.Context, subject string, l *location, id string) (operation.Operation, error) {
	return r.asked.Get(ctx, l.name, id, subject, l.Control.Operation)
}
