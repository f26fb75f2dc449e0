package web

import (
	"container/list"
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	maxCallers = 10_000      // how many callers a limit remembers
	sweepEvery = time.Second // how often those that have used nothing are looked for, at most
)

// rates limits each caller by a rate of its own. Whatever callers do, a request costs about
// the same: it is the attack with many addresses in which that counts.
type rates struct {
	perSecond float64
	burst     int
	now       func() time.Time

	mu       sync.Mutex
	byCaller map[string]*list.Element
	swept    time.Time
	// Of *counted, the latest seen in front: those that might go on when they were last seen,
	// and those that might not. To forget one of the latter would be to let it go on.
	going, spent *list.List
}

// counted is a caller and what it has left.
type counted struct {
	caller  string
	limiter *rate.Limiter
	in      *list.List
}

func newRates(perSecond float64, burst int, now func() time.Time) *rates {
	return &rates{perSecond: perSecond, burst: burst, now: now, byCaller: map[string]*list.Element{}, going: list.New(), spent: list.New()}
}

// limiter returns that of a caller, which is made when there is none.
func (r *rates) limiter(caller string, now time.Time) *rate.Limiter {
	if e := r.byCaller[caller]; e != nil {
		return e.Value.(*counted).limiter
	}
	if len(r.byCaller) >= maxCallers {
		r.makePlace(now)
	}
	c := &counted{caller: caller, limiter: rate.NewLimiter(rate.Limit(r.perSecond), r.burst), in: r.going}
	r.byCaller[caller] = r.going.PushFront(c)
	return c.limiter
}

// makePlace forgets those that have used nothing, and else who was not seen for longest; who
// is exhausted only when there is nobody else.
func (r *rates) makePlace(now time.Time) {
	if since := now.Sub(r.swept); since >= sweepEvery || since < 0 {
		r.swept = now
		for _, e := range r.byCaller {
			if e.Value.(*counted).limiter.TokensAt(now) >= float64(r.burst) {
				r.forget(e)
			}
		}
	}
	if len(r.byCaller) < maxCallers {
		return
	}
	oldest := r.going.Back()
	if oldest == nil {
		oldest = r.spent.Back()
	}
	r.forget(oldest)
}

func (r *rates) forget(e *list.Element) {
	c := e.Value.(*counted)
	c.in.Remove(e)
	delete(r.byCaller, c.caller)
}

// left returns what a caller that is remembered has left, and notes that it was seen.
func (r *rates) left(caller string, now time.Time) float64 {
	e := r.byCaller[caller]
	c := e.Value.(*counted)
	left, to := c.limiter.TokensAt(now), r.going
	if left < 1 {
		to = r.spent
	}
	if c.in == to {
		to.MoveToFront(e)
		return left
	}
	c.in.Remove(e)
	c.in, r.byCaller[caller] = to, to.PushFront(c)
	return left
}

// take uses one of what a caller may do, and says how many are left.
func (r *rates) take(caller string) (left int, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	ok = r.limiter(caller, now).AllowN(now, 1)
	return max(0, int(r.left(caller, now))), ok
}

// exhausted reports whether a caller may do no more, without using anything.
func (r *rates) exhausted(caller string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.byCaller[caller] != nil && r.left(caller, r.now()) < 1
}

// retryAfter is when a caller may do one more thing, in whole seconds.
func (r *rates) retryAfter(caller string) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	missing := 0.0
	if r.byCaller[caller] != nil {
		missing = 1 - r.left(caller, r.now())
	}
	return time.Duration(math.Max(1, math.Ceil(missing/r.perSecond))) * time.Second
}
