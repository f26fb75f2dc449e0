package azure

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
)

// handClock goes on when somebody sleeps.
type handClock struct{ now time.Time }

func (c *handClock) Now() time.Time { return c.now }

func (c *handClock) Sleep(ctx context.Context, d time.Duration) error {
	c.now = c.now.Add(d)
	return ctx.Err()
}

// allowance is a host that answers so many requests in a window.
type allowance struct {
	clock  *handClock
	most   int
	window time.Duration
	slide  bool // the window is the time before each request

	times   []time.Time // of what was answered
	refused int
}

// ask is a request that takes a while. It says how long is to be waited.
func (a *allowance) ask() (wait time.Duration, ok bool) {
	a.clock.now = a.clock.now.Add(20 * time.Millisecond)
	now := a.clock.now
	begin := now.Add(-a.window)
	if !a.slide && len(a.times) > 0 {
		begin = now.Add(-now.Sub(a.times[0]) % a.window).Add(-time.Nanosecond)
	}
	n := 0
	var first time.Time
	for i := len(a.times) - 1; i >= 0 && a.times[i].After(begin); i-- {
		n, first = n+1, a.times[i]
	}
	if n < a.most {
		a.times = append(a.times, now)
		return 0, true
	}
	a.refused++
	if a.slide {
		return (first.Add(a.window).Sub(now) + time.Second).Truncate(time.Second), false
	}
	return (begin.Add(a.window).Sub(now) + time.Second).Truncate(time.Second), false
}

func throttledWith(t ticket, wait time.Duration) *waitFor {
	f := fault.New(fault.SourceThrottled, "read x", &AnswerError{Status: 429})
	f.RetryAfter = wait
	return &waitFor{ticket: t, wait: wait, err: f}
}

// TestAllowances: whatever a host allows, requests come through in a time that fits it,
// and the host seldom has to ask twice.
func TestAllowances(t *testing.T) {
	for _, slide := range []bool{false, true} {
		for _, test := range []struct {
			most, requests int
			window         time.Duration
		}{{50, 600, 70 * time.Second}, {50, 100, 70 * time.Second}, {1, 20, time.Second}, {1200, 3000, time.Hour}, {3, 60, 10 * time.Second}, {200, 2000, 5 * time.Minute}} {
			t.Run(fmt.Sprint(test, slide), func(t *testing.T) {
				clock := &handClock{now: time.Unix(1_700_000_000, 0)}
				host := &allowance{clock: clock, most: test.most, window: test.window, slide: slide}
				p := &pacer{clock: clock, patience: defaultPatience, backoff: time.Second}
				began := clock.now
				for range test.requests {
					for {
						ticket, err := p.enter(t.Context(), "x")
						require.NoError(t, err)
						wait, ok := host.ask()
						if ok {
							p.granted(ticket)
							break
						}
						require.NoError(t, p.refused(t.Context(), throttledWith(ticket, wait)))
					}
				}
				windows := (test.requests + test.most - 1) / test.most
				least := time.Duration(windows-1) * test.window
				took := clock.now.Sub(began)
				require.LessOrEqual(t, took, least*5/4+2*test.window+time.Duration(windows)*1500*time.Millisecond, "with %d refusals", host.refused)
				require.LessOrEqual(t, host.refused, windows+2)
			})
		}
	}
}

// TestOneRefusal: a host that asks to wait once is not slowed down for good.
func TestOneRefusal(t *testing.T) {
	clock := &handClock{now: time.Unix(1_700_000_000, 0)}
	p := &pacer{clock: clock, patience: defaultPatience, backoff: time.Second}
	began := clock.now
	for i := range 10_000 {
		ticket, err := p.enter(t.Context(), "x")
		require.NoError(t, err)
		clock.now = clock.now.Add(10 * time.Millisecond)
		if i == 30 {
			require.NoError(t, p.refused(t.Context(), throttledWith(ticket, time.Minute)))
			continue
		}
		p.granted(ticket)
	}
	require.Less(t, clock.now.Sub(began), 3*time.Minute)
}

// TestPatience: a host that never answers anything else is given up after hours, and
// at once by those who have no time.
func TestPatience(t *testing.T) {
	for wait, least := range map[time.Duration]time.Duration{0: defaultPatience, time.Second: defaultPatience, 70 * time.Second: defaultPatience, 100 * time.Hour: defaultPatience} {
		clock := &handClock{now: time.Unix(1_700_000_000, 0)}
		p := &pacer{clock: clock, patience: defaultPatience, backoff: time.Second}
		began, tries := clock.now, 0
		for {
			ticket, err := p.enter(t.Context(), "x")
			require.NoError(t, err)
			tries++
			if err = p.refused(t.Context(), throttledWith(ticket, wait)); err != nil {
				require.ErrorIs(t, err, fault.SourceThrottled)
				break
			}
		}
		took := clock.now.Sub(began)
		require.GreaterOrEqual(t, took, least)
		require.Less(t, took, least+2*time.Hour)
		if wait == 0 {
			require.Less(t, tries, 500, "it waits longer and longer when the host does not say how long")
		}
	}

	clock := &handClock{now: time.Unix(1_700_000_000, 0)}
	p := &pacer{clock: clock, patience: defaultPatience, backoff: time.Second}
	ticket, err := p.enter(t.Context(), "x")
	require.NoError(t, err)
	require.ErrorIs(t, p.refused(WithPatience(t.Context(), time.Minute), throttledWith(ticket, 2*time.Minute)), fault.SourceThrottled)
	_, err = p.enter(WithPatience(t.Context(), time.Minute), "read y")
	require.ErrorIs(t, err, fault.SourceThrottled, "what comes later does not wait either")
	f, _ := fault.Of(err)
	require.Equal(t, 2*time.Minute, f.RetryAfter)
	short, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err = p.enter(short, "read y")
	require.ErrorIs(t, err, fault.SourceThrottled)
	ended, end := context.WithCancel(t.Context())
	end()
	_, err = p.enter(ended, "read y")
	require.True(t, errors.Is(err, context.Canceled))
}

// TestOneAddressAsksToWait: an address that asks to wait holds up nobody else, and not
// itself for hours, while its host answers others.
func TestOneAddressAsksToWait(t *testing.T) {
	for name, test := range map[string]struct {
		local  bool // other than 429
		others bool // are answered meanwhile
		most   int  // refusals; 0 for patience's
	}{"503": {true, true, maxLocal + 1}, "429": {false, true, maxPassed + 1}, "503 of a host": {true, false, 0}, "429 of a host": {false, false, 0}} {
		clock := &handClock{now: time.Unix(1_700_000_000, 0)}
		p := &pacer{clock: clock, patience: time.Hour, backoff: time.Second}
		began, refusals := clock.now, 0
		of := trial{target: "x"}
		for {
			ticket, err := p.enter(t.Context(), "x")
			require.NoError(t, err)
			refusals++
			w := throttledWith(ticket, time.Second)
			w.local, w.trial = test.local, &of
			if p.refused(t.Context(), w) != nil {
				break
			}
			if test.local {
				now := clock.now
				_, err := p.enter(t.Context(), "y")
				require.NoError(t, err)
				require.Equal(t, now, clock.now, "%s: others wait", name)
				require.Equal(t, time.Second, w.own, name)
			}
			require.NoError(t, clock.Sleep(t.Context(), w.own))
			if test.others {
				ticket, err := p.enter(t.Context(), "y")
				require.NoError(t, err)
				p.granted(ticket)
			}
		}
		if test.most > 0 {
			require.Equal(t, test.most, refusals, name)
			require.Less(t, clock.now.Sub(began), 10*time.Minute, name)
		} else {
			require.GreaterOrEqual(t, clock.now.Sub(began), time.Hour, name)
		}
	}

	// Two addresses in a row are the host.
	clock := &handClock{now: time.Unix(1_700_000_000, 0)}
	p := &pacer{clock: clock, patience: time.Hour, backoff: time.Second}
	for _, target := range []string{"x", "y"} {
		w := throttledWith(ticket{}, time.Second)
		w.local, w.trial = true, &trial{target: target}
		require.NoError(t, p.refused(t.Context(), w))
	}
	began := clock.now
	_, err := p.enter(t.Context(), "z")
	require.NoError(t, err)
	require.Equal(t, time.Second, clock.now.Sub(began))
}
