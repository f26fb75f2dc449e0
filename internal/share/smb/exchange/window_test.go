package exchange

import (
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSpend(t *testing.T) {
	w := NewWindow()
	require.NoError(t, w.Spend(Request{ID: 0, Charge: 1}))
	_, ok := w.Settle(0, 0, 20)
	require.True(t, ok)
	require.Equal(t, 20, w.Held())
	_, ok = w.Settle(0, 0, 20)
	require.False(t, ok, "one answer to each request")

	require.NoError(t, w.Spend(Request{ID: 1, Charge: 16}))
	waiting := make(chan error)
	go func() { waiting <- w.Spend(Request{ID: 17, Charge: 16}) }()
	_, _ = w.Settle(1, 0, 16)
	require.NoError(t, <-waiting)

	_, _ = w.Settle(17, 0, 0)
	require.Equal(t, 4, w.Held())
	var short *ShortError
	require.ErrorAs(t, w.Spend(Request{ID: 33, Charge: 16}), &short)
	require.Equal(t, ShortError{Held: 4, Needed: 16}, *short)

	require.NoError(t, w.Spend(Request{ID: 33, Charge: 4}))
	_, _ = w.Settle(33, 0, 0)
	require.NoError(t, w.Spend(Request{ID: 37}), "the server has to leave one")
	require.Equal(t, 0, w.Held())

	go func() { waiting <- w.Spend(Request{ID: 38}) }()
	w.End()
	require.ErrorIs(t, <-waiting, ErrEnded)
	require.ErrorIs(t, w.Spend(Request{ID: 38}), ErrEnded)
}

// What an interim answer without proof grants counts when the final answer confirms it,
// and no more than was asked for.
func TestInterim(t *testing.T) {
	for name, c := range map[string]struct {
		interims []interim
		genuine  bool
		async    uint64
		held     int
	}{
		"none":            {nil, false, 9, 1},
		"confirmed":       {[]interim{{9, 8}}, false, 9, 9},
		"another's":       {[]interim{{7, 8}}, false, 9, 1},
		"beside forged":   {[]interim{{7, 60000}, {9, 8}, {1, 3}}, false, 9, 9},
		"too much":        {[]interim{{9, 60000}}, false, 9, 12},
		"final is not":    {[]interim{{9, 8}}, false, 0, 1},
		"within encrypt.": {[]interim{{9, 8}}, true, 9, 9},
	} {
		t.Run(name, func(t *testing.T) {
			w := NewWindow()
			require.NoError(t, w.Spend(Request{ID: 5, Charge: 1, Asked: 10}))
			for _, i := range c.interims {
				require.NoError(t, w.Interim(5, i.async, i.credits, c.genuine))
			}
			settled, ok := w.Settle(5, c.async, 1)
			require.True(t, ok)
			require.EqualValues(t, 10, settled.Asked)
			require.Equal(t, c.held, w.Held())
			require.Error(t, w.Interim(5, 9, 1, true), "it is settled")
		})
	}
	w := NewWindow()
	require.NoError(t, w.Spend(Request{ID: 5}))
	for i := range uint64(maxInterims) {
		require.NoError(t, w.Interim(5, i, 1, false))
	}
	require.Error(t, w.Interim(5, 99, 1, false), "there is a bound")
}

// Whatever a server grants, and however it orders its answers, no more is spent than
// was granted.
func TestNeverOverspent(t *testing.T) {
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 1))
		limit := 16 + random.IntN(100)
		w := NewWindow()
		var (
			mu      sync.Mutex
			left    = 1 // as the server counts
			pending []Request
			done    sync.WaitGroup
		)
		send := make(chan Request)
		sent := make(chan struct{}, 1000)
		done.Go(func() {
			defer close(sent)
			for r := range send {
				if err := w.Spend(r); err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				if left -= int(r.Charge); left < 0 {
					t.Errorf("seed %d: overspent by %d", seed, -left)
				}
				pending = append(pending, r)
				mu.Unlock()
				sent <- struct{}{}
			}
		})
		done.Go(func() {
			for range sent {
				mu.Lock()
				i := random.IntN(len(pending))
				r := pending[i]
				pending = append(pending[:i], pending[i+1:]...)
				inFlight := 0
				for _, p := range pending {
					inFlight += int(p.Charge)
				}
				grant := limit - left - inFlight
				left += grant
				mu.Unlock()
				_, _ = w.Settle(r.ID, 0, uint16(grant))
			}
		})
		id := uint64(0)
		for n := range 200 {
			charge := uint16(1)
			if n > 0 {
				charge += uint16(n % 16)
			}
			send <- Request{ID: id, Charge: charge}
			id += uint64(charge)
		}
		close(send)
		done.Wait()
	}
}
