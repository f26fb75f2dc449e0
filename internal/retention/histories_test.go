package retention

import (
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/tests/tier"
)

// history is what happened, by a clock that is right, and what clocks that may be wrong made
// of it.
type history struct {
	policy     Policy
	all        []Backup
	ends       map[backup.ID]time.Time // by the right clock
	now        time.Time               // by the right clock
	host, peer time.Time               // now, by the two clocks
	garbage    bool
}

// ids are made once, because histories are many.
var ids = func() (all []backup.ID) {
	for i := range 64 {
		all = append(all, backup.ID(fmt.Sprintf("b%02d", i)))
	}
	return all
}()

func chance(r *rand.Rand, percent int) bool { return r.IntN(100) < percent }

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

// draw makes up a history. A clock is set wrong once, and perhaps set right once.
func draw(r *rand.Rand) history {
	h := history{
		policy: Policy{Days: 2 + r.IntN(13), KeepVerified: 1 + r.IntN(4), AcrossHole: chance(r, 8)},
		ends:   make(map[backup.ID]time.Time, len(ids)),
	}
	frequency := pick(r, 4*time.Hour, 6*time.Hour, 8*time.Hour, 12*time.Hour, 12*time.Hour)
	count := r.IntN(28)
	at := time.Date(2020+r.IntN(10), time.Month(1+r.IntN(12)), r.IntN(29), 0, 0, 0, 0, time.UTC)
	span := time.Duration(count+1) * frequency
	var wrong, right time.Time // between these a clock is off
	var off time.Duration
	both := false
	if chance(r, 50) {
		wrong = at.Add(time.Duration(r.Int64N(int64(span))))
		right = wrong.Add(time.Duration(r.Int64N(int64(span))))
		off = pick(r, time.Minute, 9*time.Minute, time.Hour, 7*time.Hour, 30*time.Hour, 72*time.Hour, 100*time.Hour, 10*24*time.Hour, 10*365*24*time.Hour)
		if chance(r, 50) {
			off = -off
		}
		both = chance(r, 40) // the other clock agrees
	}
	clock := func(t time.Time) time.Time {
		if !t.Before(wrong) && t.Before(right) {
			return t.Add(off)
		}
		return t
	}
	for i := range count {
		at = at.Add(frequency + time.Duration(r.IntN(1200)-600)*time.Second)
		if chance(r, 3) {
			at = at.Add(time.Duration(1+r.IntN(12*24)) * time.Hour)
		}
		b := Backup{ID: ids[i], Sequence: int64(1 + 2*i), FinishedAt: clock(at), Good: chance(r, 77)}
		b.StartedAt = b.FinishedAt.Add(-time.Duration(r.IntN(3600)) * time.Second)
		b.Verified = b.Good && chance(r, 70)
		h.all, h.ends[b.ID] = append(h.all, b), at
	}
	h.now = at.Add(time.Duration(r.Int64N(int64(2 * frequency))))
	if chance(r, 10) {
		h.now = h.now.Add(time.Duration(r.IntN(20*24)) * time.Hour)
	}
	h.host, h.peer = clock(h.now), h.now.Add(time.Duration(r.IntN(10))*time.Second)
	if both {
		h.peer = h.host.Add(time.Second)
	}
	if h.garbage = len(h.all) > 0 && chance(r, 10); h.garbage {
		h.spoil(r)
	}
	r.Shuffle(len(h.all), func(i, j int) { h.all[i], h.all[j] = h.all[j], h.all[i] })
	return h
}

// spoil makes nonsense of a backup or two.
func (h *history) spoil(r *rand.Rand) {
	for range 1 + r.IntN(2) {
		b := &h.all[r.IntN(len(h.all))]
		switch r.IntN(9) {
		case 0:
			b.ID = h.all[0].ID
		case 1:
			b.FinishedAt = time.Time{}
		case 2:
			b.StartedAt = time.Time{}
		case 3:
			b.Sequence = -r.Int64()
		case 4:
			b.Sequence = 0
		case 5:
			b.FinishedAt = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
		case 6:
			b.FinishedAt, b.StartedAt = time.Date(1, 1, 1, 0, 0, 1, 0, time.UTC), time.Date(1, 1, 1, 0, 0, 1, 0, time.UTC)
		case 7:
			b.FinishedAt = time.Unix(r.Int64(), 0)
		case 8:
			b.Good, b.Verified = false, true
		}
	}
}

// checkTruth holds a plan to what a clock that is right would keep.
func (h history) checkTruth(t *testing.T, gone []backup.ID) {
	var newest time.Time
	for _, b := range h.all {
		if end := h.ends[b.ID]; b.Good && end.After(newest) {
			newest = end
		}
	}
	age := time.Duration(h.policy.Days) * 24 * time.Hour
	for _, id := range gone {
		if end := h.ends[id]; h.now.Sub(end) <= age || newest.Sub(end) <= age {
			require.FailNow(t, "a clock that is right would keep it", "%s of %s at %s (%s), newest good %s, policy %+v: %+v", id, end, h.now, h.host, newest, h.policy, h.all)
		}
	}
}

// TestRandomHistories: what goes is what the model lets go, and nothing that has to stay,
// whatever the clocks did.
func TestRandomHistories(t *testing.T) {
	const parts = 4
	n := tier.Size(10_000, 50_000, 1_000_000)
	seed := uint64(7)
	if tier.Soak() {
		seed = rand.Uint64()
	}
	t.Logf("seed %d", seed)
	percent := debug.SetGCPercent(1000) // it is small, and short-lived
	t.Cleanup(func() { debug.SetGCPercent(percent) })
	for part := range uint64(parts) {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			tryHistories(t, rand.New(rand.NewPCG(seed, part)), n/parts)
			tier.Tried(t, "retention histories", int64(n/parts))
		})
	}
}

func tryHistories(t *testing.T, r *rand.Rand, n int) {
	count, holds := 0, map[Code]int{}
	for i := range n {
		h := draw(r)
		plan := Make(h.all, h.policy, h.host, h.peer, Hold{})
		gone := removed(plan)
		if want, got := modelRemoves(h.all, h.policy, h.host, h.peer), sortedIDs(gone); !slices.Equal(want, got) {
			require.Equal(t, want, got, "history %d: %+v", i, h)
		}
		checkInvariants(t, h.all, h.policy, h.host, h.peer, plan)
		if !h.garbage && !h.policy.AcrossHole {
			h.checkTruth(t, gone)
		}
		count += len(gone)
		holds[plan.Hold.Code]++
	}
	t.Logf("%d removed, held: %v", count, holds)
	require.Greater(t, count, n/2, "histories in which something goes")
	for _, code := range []Code{ClocksDiffer, ClockBehind, OrderContradict, LongHole} {
		require.Greater(t, holds[code], n/500, "%s", code)
	}
	require.Greater(t, holds[""], n/3)
}
