package operations

import (
	"context"
	"errors"
	"sync"
	"time"

	"infrabackup/internal/control/operation"
	"infrabackup/internal/fault"
)

// How long answers count. What is forgotten is asked for again.
const (
	finalFor       = 10 * time.Minute
	verifiedFor    = 5 * time.Second // the ID of a verification names the newest one of a backup
	runningFor     = time.Second     // what runs is the same for all who look at it
	unknownFor     = 5 * time.Second
	unreachableFor = 2 * time.Second

	maxAnswers = 1024
	askTimeout = 5 * time.Second
)

// ErrBusy says that too much is asked at the moment; it may be asked again soon.
var ErrBusy = fault.Newf(fault.NoWorker, "too many operations are asked for at the moment")

// Ask finds out which operation an ID is, as the method of that name of a controller does.
type Ask func(ctx context.Context, id string) (operation.Operation, error)

// Cache remembers answers. It may be used concurrently. Make one with [New].
type Cache struct {
	now    func() time.Time
	asking *budget

	mu      sync.Mutex
	answers map[key]answer
}

type key struct{ instance, id string }

type answer struct {
	op    operation.Operation
	err   error
	until time.Time
}

// New makes a cache with what all callers may ask for, and what each of them may.
func New(now func() time.Time, all, each Limit) *Cache {
	return &Cache{now: now, asking: newBudget(now, all, each), answers: map[key]answer{}}
}

// Get returns the operation of an instance that has an ID. It asks, for five seconds at most,
// when no answer that counts is known; a question of a caller that is one too many is [ErrBusy].
func (c *Cache) Get(ctx context.Context, instance, id, subject string, ask Ask) (operation.Operation, error) {
	of := key{instance, id}
	if known, ok := c.known(of); ok {
		return known.op, known.err
	}
	leave, allowed := c.asking.enter(subject)
	if !allowed {
		return operation.Operation{}, ErrBusy
	}
	defer leave()
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	op, err := ask(ctx, id)
	if !errors.Is(ctx.Err(), context.Canceled) { // else it is the caller that went
		c.learn(of, op, err)
	}
	return op, err
}

// Enter takes a question that is not about an operation, and costs as much, from what a caller may
// ask. It returns what is to be called when it is answered; false is [ErrBusy].
func (c *Cache) Enter(subject string) (leave func(), ok bool) { return c.asking.enter(subject) }

// Forget drops what is known of an operation, which was begun, or begun again.
func (c *Cache) Forget(instance, id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.answers, key{instance, id})
}

// known finds an answer that counts.
func (c *Cache) known(of key) (answer, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	known, ok := c.answers[of]
	return known, ok && c.now().Before(known.until)
}

func (c *Cache) learn(of key, op operation.Operation, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if _, again := c.answers[of]; !again && len(c.answers) >= maxAnswers {
		c.makePlace(now)
	}
	c.answers[of] = answer{op, err, now.Add(holds(op, err))}
}

// makePlace drops the answers that count no more, and any one when all do.
func (c *Cache) makePlace(now time.Time) {
	for of, a := range c.answers {
		if !now.Before(a.until) {
			delete(c.answers, of)
		}
	}
	for of := range c.answers {
		if len(c.answers) < maxAnswers {
			return
		}
		delete(c.answers, of)
	}
}

// holds is how long an answer counts.
func holds(op operation.Operation, err error) time.Duration {
	switch {
	case Unknown(err):
		return unknownFor
	case err != nil:
		return unreachableFor
	case op.Running:
		return runningFor
	case op.Kind == operation.Verify:
		return verifiedFor
	}
	return finalFor
}

// Unknown reports whether an error says that there is no such operation.
func Unknown(err error) bool {
	switch fault.CodeOf(err) {
	case fault.BackupNotFound, fault.ItemNotFound, fault.NotEnabled:
		return true
	}
	return false
}
