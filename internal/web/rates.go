package web

import (
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxCallers bounds how many callers a limit remembers.
const maxCallers = 10_000

// rates limits each caller by a rate of its own.
type rates struct {
	perSecond float64
	burst     int
	now       func() time.Time

	mu       sync.Mutex
	byCaller map[string]*rate.Limiter
}

func newRates(perSecond float64, burst int, now func() time.Time) *rates {
	return &rates{perSecond: perSecond, burst: burst, now: now, byCaller: map[string]*rate.Limiter{}}
}

// limiter returns that of a caller. When there are too many, those that have used nothing go,
// and else any of them.
func (r *rates) limiter(caller string) *rate.Limiter {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l := r.byCaller[caller]; l != nil {
		return l
	}
	if len(r.byCaller) >= maxCallers {
		now := r.now()
		for other, l := range r.byCaller {
			if l.TokensAt(now) >= float64(r.burst) {
				delete(r.byCaller, other)
			}
		}
	}
	if len(r.byCaller) >= maxCallers {
		for other := range r.byCaller {
			delete(r.byCaller, other)
			break
		}
	}
	l := rate.NewLimiter(rate.Limit(r.perSecond), r.burst)
	r.byCaller[caller] = l
	return l
}

// take uses one of what a caller may do, and says how many are left.
func (r *rates) take(caller string) (left int, ok bool) {
	l, now := r.limiter(caller), r.now()
	ok = l.AllowN(now, 1)
	return max(0, int(l.TokensAt(now))), ok
}

// exhausted reports whether a caller may do no more, without using anything.
func (r *rates) exhausted(caller string) bool {
	r.mu.Lock()
	l := r.byCaller[caller]
	r.mu.Unlock()
	return l != nil && l.TokensAt(r.now()) < 1
}

// retryAfter is when a caller may do one more thing, in whole seconds.
func (r *rates) retryAfter(caller string) time.Duration {
	missing := 1 - r.limiter(caller).TokensAt(r.now())
	return time.Duration(math.Max(1, math.Ceil(missing/r.perSecond))) * time.Second
}
