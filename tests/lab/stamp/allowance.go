package stamp

import (
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Allowance is how many requests one host of the stamp answers in a window, as resource
// managers count reads. Windows follow each other; the first begins with the first
// request. Refused requests do not count.
type Allowance struct {
	Requests int
	Window   time.Duration
	// Match says which requests count, nil for all.
	Match func(*http.Request) bool
	// Exact gives Retry-After-Ms beside Retry-After, which is in whole seconds.
	Exact bool
}

// allowed is an allowance at work.
type allowed struct {
	Allowance
	mu      sync.Mutex
	hosts   map[string]*window
	refused int
}

type window struct {
	began time.Time
	count int
}

// Allow bounds requests from now on. Refused tells how many were; remove ends it.
func (s *Stamp) Allow(a Allowance) (refused func() int, remove func()) {
	w := &allowed{Allowance: a, hosts: map[string]*window{}}
	s.allowance.Store(w)
	return func() int {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.refused
	}, func() { s.allowance.CompareAndSwap(w, nil) }
}

// beyond refuses a request that is beyond the allowance, and is nil for others.
func (s *Stamp) beyond(r *http.Request) *answer {
	a := s.allowance.Load()
	if a == nil || (a.Match != nil && !a.Match(r)) {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	now, host := time.Now(), hostOf(r)
	w := a.hosts[host]
	if w == nil || now.Sub(w.began) >= a.Window {
		w = &window{began: now}
		a.hosts[host] = w
	}
	if w.count < a.Requests {
		w.count++
		return nil
	}
	a.refused++
	left := w.began.Add(a.Window).Sub(now)
	refusal := fail(http.StatusTooManyRequests, "SubscriptionRequestsThrottled", "Number of requests for the subscription exceeded the limit. Please try again after the time that Retry-After says.")
	refusal.with("Retry-After", seconds(left))
	if a.Exact {
		refusal.with("Retry-After-Ms", strconv.FormatInt(left.Milliseconds()+1, 10))
	}
	return refusal
}
