package azure

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"infrabackup/internal/fault"
)

// The bounds of waiting for a stamp that asks for it.
const (
	// defaultPatience is how long a host may answer nothing but that it has to be waited
	// for. Stamps count requests in windows of up to an hour.
	defaultPatience = 6 * time.Hour
	// maxWait is after how long it is asked again at the latest.
	maxWait = time.Hour
	// maxBackoff bounds the wait when the stamp does not say how long.
	maxBackoff = time.Minute
	// minInterval is a pace that is none.
	minInterval = 2 * time.Millisecond
	// maxLocal is how often one address may ask to wait, other than by 429, while others
	// of its host are answered; maxPassed is how often by 429, which others may have used up.
	maxLocal  = 4
	maxPassed = 20
	// idle is how long nothing was sent when a new burst begins.
	idle = time.Minute
)

// waitFor is an answer that asks to wait.
type waitFor struct {
	ticket ticket
	wait   time.Duration // 0 when it does not say how long
	local  bool          // it may be about this address alone: it is not 429
	err    error         // the fault, if it is not waited for
	trial  *trial        // of the request; nil when nothing is known of it
	own    time.Duration // what this request alone has to wait, set by [pacer.refused]
}

// trial is what is remembered of one request while it is tried.
type trial struct {
	target   string
	refusals int // answers that asked to wait
	first    int // successes of the host before the first of them
	last     int // and before the last of them
	passed   int // refusals since which others succeeded until the next
}

func (w *waitFor) Error() string { return w.err.Error() }
func (w *waitFor) Unwrap() error { return w.err }

type patienceKey struct{}

// WithPatience bounds how long requests with the context wait for a stamp that asks for
// it, for those who cannot wait for hours. What would take longer is SOURCE_THROTTLED at
// once, as is what would take longer than the context has.
func WithPatience(ctx context.Context, patience time.Duration) context.Context {
	return context.WithValue(ctx, patienceKey{}, patience)
}

// clock is time, which tests make faster.
type clock interface {
	Now() time.Time
	Sleep(context.Context, time.Duration) error
}

type wallClock struct{}

func (wallClock) Now() time.Time                                   { return time.Now() }
func (wallClock) Sleep(ctx context.Context, d time.Duration) error { return sleep(ctx, d) }

// pacer makes all requests to one host wait when the host asks for it, and learns how
// many it allows: when it asks a second time after a similar number of requests, they
// are spread over the time in which that many are allowed. While the host does not ask
// again, the pace grows. It is safe for concurrent use.
type pacer struct {
	clock    clock
	patience time.Duration
	backoff  time.Duration // first wait when the host does not say

	mu       sync.Mutex
	resume   time.Time // nothing is sent before
	began    time.Time // of the burst: the end of the last wait, or the first request
	burst    int       // counts the bursts
	last     time.Time // when a request was to be sent last
	sent     int       // successes of the burst
	strikes  int       // bursts in a row that ended with a refusal
	span     time.Duration
	interval time.Duration // between requests, 0 for no pace
	slot     time.Time     // of the next request, when there is a pace
	quicker  time.Time     // when the pace grew last
	grants   int           // counts successes
	refusals int           // in a row, without a success
	target   string        // of the first of them
	since    time.Time     // of the first of them
	said     error         // the last of them
}

// ticket tells in which burst a request was sent.
type ticket struct{ burst int }

// enter waits until a request may be sent.
func (p *pacer) enter(ctx context.Context, what string) (ticket, error) {
	began := p.clock.Now()
	slotted := -1
	for {
		p.mu.Lock()
		now := p.clock.Now()
		if p.began.IsZero() || (p.interval == 0 && now.Sub(p.last) > idle) {
			p.began, p.sent = now, 0
		}
		p.last = now
		at := p.resume
		if p.interval > 0 && slotted != p.burst {
			slotted = p.burst
			p.slot = later(later(p.slot, p.resume), now)
			at = p.slot
			p.slot = p.slot.Add(p.interval)
		}
		t, said := ticket{p.burst}, p.said
		p.mu.Unlock()
		wait := at.Sub(now)
		if wait <= 0 {
			return t, nil
		}
		if said != nil && !p.mayWait(ctx, began, now, wait) {
			return t, throttled(what, said, wait)
		}
		if err := p.clock.Sleep(ctx, wait); err != nil {
			return t, fmt.Errorf("%s: %w", what, err)
		}
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// mayWait reports whether a wait is one that the context allows.
func (p *pacer) mayWait(ctx context.Context, began, now time.Time, wait time.Duration) bool {
	if end, ok := ctx.Deadline(); ok && wait > time.Until(end) {
		return false
	}
	patience, bounded := ctx.Value(patienceKey{}).(time.Duration)
	return !bounded || now.Add(wait).Sub(began) <= patience
}

// granted notes a success.
func (p *pacer) granted(t ticket) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refusals, p.target = 0, ""
	p.grants++
	if t.burst != p.burst {
		return
	}
	now := p.clock.Now()
	p.sent++
	switch {
	case p.strikes == 0:
	case p.interval == 0 && now.Sub(p.began) > 10*p.span:
		p.strikes = 0 // the refusal was one of its kind
	case p.interval > 0 && now.Sub(p.quicker) > p.span:
		p.quicker = now
		if p.interval = p.interval * 3 / 4; p.interval < minInterval {
			p.interval, p.strikes = 0, 0
		}
	}
}

// refused notes an answer that asks to wait. It returns the fault when that has gone on
// for too long, or when it is about one address while the host answers others; enter
// waits otherwise, or, while only one address is refused, who asks for that.
func (p *pacer) refused(ctx context.Context, w *waitFor) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.clock.Now()
	if p.refusals++; p.refusals == 1 {
		p.since = now
	}
	refusals := p.refusals
	if t := w.trial; t != nil {
		if p.refusals == 1 {
			p.target = t.target
		}
		if t.refused(p.grants); t.ends(w.local) {
			return w.err
		}
		refusals = max(refusals, t.refusals)
	}
	wait := w.wait
	if wait <= 0 {
		wait = min(p.backoff<<min(refusals-1, 16), maxBackoff)
	}
	if now.Sub(p.since) > p.patience || (p.patience < maxWait && wait > p.patience) {
		return w.err
	}
	wait = min(wait, maxWait)
	if w.local && w.trial != nil && w.trial.target == p.target { // nobody else is refused
		if !p.mayWait(ctx, now, now, wait) {
			return w.err
		}
		w.own = wait
		return nil
	}
	p.said = w.err
	resume := now.Add(wait)
	if w.ticket.burst == p.burst { // the first to be refused in this burst
		p.burst++
		p.learn(resume)
		p.began, p.sent = resume, 0
		p.slot, p.quicker = resume, resume
	}
	p.resume = later(p.resume, resume)
	if !p.mayWait(ctx, now, now, p.resume.Sub(now)) {
		return w.err
	}
	return nil
}

// refused notes an answer that asks to wait, after so many successes of the host.
func (t *trial) refused(grants int) {
	if t.refusals++; t.refusals == 1 {
		t.first = grants
	} else if grants != t.last {
		t.passed++
	}
	t.last = grants
}

// ends reports whether it is the address, and not the host, that asks to wait.
func (t *trial) ends(local bool) bool {
	return local && t.refusals > maxLocal && t.last != t.first || t.passed >= maxPassed
}

// learn sets the pace when a burst ended that began at began.
func (p *pacer) learn(resume time.Time) {
	if p.sent == 0 {
		return
	}
	p.strikes++
	p.span = resume.Sub(p.began)
	if p.strikes >= 2 || p.interval > 0 {
		p.interval = p.span / time.Duration(p.sent)
	}
}

// throttled is the fault for a request that was not sent, since another one was refused
// with said.
func throttled(what string, said error, wait time.Duration) error {
	f := fault.New(fault.SourceThrottled, what+": the stamp asked to wait", errors.Unwrap(said))
	f.RetryAfter = wait.Round(time.Second)
	return f
}
