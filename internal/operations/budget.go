package operations

import (
	"sync"
	"time"
)

// Limit is how often something may be asked for, and how many at a time.
type Limit struct {
	PerSecond, Burst float64
	AtOnce           int
}

// maxSubjects bounds of how many callers something is remembered.
const maxSubjects = 1024

// budget is what is left of what callers may ask for: all of them together, and each of them
// with a share, so that none starves the others.
type budget struct {
	now        func() time.Time
	all, share Limit

	mu       sync.Mutex
	total    account
	subjects map[string]*account
}

// account is what is left of a limit.
type account struct {
	tokens float64
	filled time.Time
	inside int
}

func newBudget(now func() time.Time, all, share Limit) *budget {
	return &budget{now: now, all: all, share: share, total: account{tokens: all.Burst, filled: now()}, subjects: map[string]*account{}}
}

// enter takes one question of a caller from the budget, and returns what is to be called when
// it is answered; false when nothing is left.
func (b *budget) enter(subject string) (leave func(), ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	own := b.subjects[subject]
	if own == nil {
		if len(b.subjects) >= maxSubjects {
			b.forget(now)
		}
		if len(b.subjects) >= maxSubjects {
			return nil, false
		}
		own = &account{tokens: b.share.Burst, filled: now}
		b.subjects[subject] = own
	}
	b.total.fill(b.all, now)
	own.fill(b.share, now)
	if !own.has(b.share) || !b.total.has(b.all) {
		return nil, false
	}
	for _, a := range []*account{own, &b.total} {
		a.tokens--
		a.inside++
	}
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		own.inside--
		b.total.inside--
	}, true
}

// forget drops the callers whose share is whole again.
func (b *budget) forget(now time.Time) {
	for subject, a := range b.subjects {
		if a.fill(b.share, now); a.inside == 0 && a.tokens >= b.share.Burst {
			delete(b.subjects, subject)
		}
	}
}

func (a *account) fill(l Limit, now time.Time) {
	if passed := now.Sub(a.filled); passed > 0 {
		a.tokens = min(l.Burst, a.tokens+passed.Seconds()*l.PerSecond)
	}
	a.filled = now
}

func (a *account) has(l Limit) bool { return a.tokens >= 1 && a.inside < l.AtOnce }
