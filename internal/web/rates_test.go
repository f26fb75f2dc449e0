package web

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// With many addresses one does not get rid of a limit: who is exhausted is forgotten last.
func TestExhaustedCallersAreForgottenLast(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	r := newRates(0.001, 2, func() time.Time { return now })
	for n := range 50 {
		r.take(fmt.Sprint("bad ", n))
		r.take(fmt.Sprint("bad ", n))
	}
	for n := range 5 * maxCallers {
		r.take(fmt.Sprint(n))
	}
	for n := range 50 {
		_, ok := r.take(fmt.Sprint("bad ", n))
		require.False(t, ok)
		require.True(t, r.exhausted(fmt.Sprint("bad ", n)))
		require.Greater(t, r.retryAfter(fmt.Sprint("bad ", n)), time.Minute)
	}
	left, _ := r.take(fmt.Sprint(5*maxCallers - 1))
	require.Zero(t, left, "of the others those that were seen last are known")
	left, _ = r.take("0")
	require.Equal(t, 1, left, "and those that were not seen for longest are forgotten")
	require.Len(t, r.byCaller, maxCallers)
	require.Equal(t, maxCallers, r.going.Len()+r.spent.Len())

	now = now.Add(20 * time.Minute)
	require.False(t, r.exhausted("bad 0"), "the time that it takes, and no more")
	require.Same(t, r.going, r.byCaller["bad 0"].Value.(*counted).in)
}

func TestAllCallersAreExhausted(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	r := newRates(0.001, 1, func() time.Time { return now })
	for n := range maxCallers {
		r.take(fmt.Sprint(n))
	}
	require.True(t, r.exhausted("0"), "which is to be seen")
	r.take("another")
	require.Len(t, r.byCaller, maxCallers)
	require.True(t, r.exhausted("0"))
	require.False(t, r.exhausted("1"), "it was not seen for longest")
	require.Equal(t, time.Second, r.retryAfter("1"))
	require.Len(t, r.byCaller, maxCallers, "to ask takes no place")
}

// All callers are looked at once a second at most, however many new ones come.
func TestCallersAreSweptOnceASecond(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	r := newRates(10, 1, func() time.Time { return now })
	for n := range maxCallers + 1 {
		r.take(fmt.Sprint(n))
	}
	require.Equal(t, now, r.swept)
	now = now.Add(sweepEvery / 2)
	r.take("soon")
	require.Len(t, r.byCaller, maxCallers)
	now = now.Add(sweepEvery / 2)
	r.take("later")
	require.Len(t, r.byCaller, 1, "all others have used nothing")
	now = now.Add(-time.Hour)
	for n := range maxCallers {
		r.take(fmt.Sprint(n))
	}
	require.Equal(t, now, r.swept, "also when the clock was set back")
}
