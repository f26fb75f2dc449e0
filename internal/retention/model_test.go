package retention

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
)

// The model says the same as the package, one backup at a time and from the text of doc.go,
// without regard to what it costs.

const minute = int64(60_000_000)

var endOfTime = time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)

func sound(t time.Time) bool { return t.After(time.Time{}) && t.Before(endOfTime) }

func understood(b Backup, all []Backup, across bool) bool {
	same := 0
	for _, o := range all {
		if o.ID == b.ID {
			same++
		}
	}
	return same == 1 && sound(b.StartedAt) && sound(b.FinishedAt) && !b.StartedAt.After(b.FinishedAt.Add(10*time.Minute)) &&
		(b.Sequence > 0 || b.Sequence == 0 && across)
}

func newer(a, b Backup) bool {
	if x, y := a.FinishedAt.UnixMicro(), b.FinishedAt.UnixMicro(); x != y {
		return x > y
	}
	if a.Sequence != b.Sequence {
		return a.Sequence > b.Sequence
	}
	return a.ID < b.ID
}

// clear reports whether clocks and ledger let anything go.
func clear(all, known []Backup, p Policy, now, other time.Time) bool {
	if p.Days < 1 || p.Days > 36_500 || p.KeepVerified < 1 || p.KeepVerified > 1_000_000 || !sound(now) || !sound(other) {
		return false
	}
	if now.After(other.Add(10*time.Minute)) || other.After(now.Add(10*time.Minute)) {
		return false
	}
	for _, b := range all {
		if sound(b.FinishedAt) && b.FinishedAt.After(now.Add(10*time.Minute)) {
			return false
		}
	}
	for i, a := range known {
		for j, b := range known {
			if i == j || a.Sequence == 0 || b.Sequence == 0 {
				continue
			}
			if a.Sequence == b.Sequence || a.Sequence < b.Sequence && a.FinishedAt.After(b.FinishedAt.Add(10*time.Minute)) {
				return false
			}
		}
	}
	return true
}

// unseen is the longest time without a backup between two times.
func unseen(known []Backup, from, until int64) int64 {
	ends := append(make([]int64, 0, len(known)+1), until)
	for _, b := range known {
		if end := b.FinishedAt.UnixMicro(); end >= from && end <= until {
			ends = append(ends, end)
		}
	}
	slices.Sort(ends)
	longest := int64(0)
	for i := 1; i < len(ends); i++ {
		longest = max(longest, ends[i]-ends[i-1])
	}
	return longest
}

func modelRemoves(all []Backup, p Policy, now, other time.Time) []backup.ID {
	known := make([]Backup, 0, len(all))
	for _, b := range all {
		if understood(b, all, p.AcrossHole) {
			known = append(known, b)
		}
	}
	if !clear(all, known, p, now, other) {
		return nil
	}
	good, verified := make([]Backup, 0, len(known)), make([]Backup, 0, len(known))
	for _, b := range known {
		if b.Good {
			good = append(good, b)
			if b.Verified {
				verified = append(verified, b)
			}
		}
	}
	if len(good) == 0 {
		return nil
	}
	newest := good[0]
	for _, b := range good {
		if newer(b, newest) {
			newest = b
		}
	}
	clock := min(now.UnixMicro(), other.UnixMicro())
	age := int64(p.Days) * 24 * 60 * minute
	var gone []backup.ID
	for _, b := range known {
		end := b.FinishedAt.UnixMicro()
		if clock-end <= age || newest.FinishedAt.UnixMicro()-end <= age || b.ID == newest.ID {
			continue
		}
		if b.Good && len(verified) < p.KeepVerified {
			continue
		}
		newerVerified := 0
		for _, v := range verified {
			if newer(v, b) {
				newerVerified++
			}
		}
		if b.Good && b.Verified && newerVerified < p.KeepVerified {
			continue
		}
		if p.AcrossHole {
			gone = append(gone, b.ID)
			continue
		}
		whole := unseen(known, end, max(clock, newest.FinishedAt.UnixMicro()))
		if newest.FinishedAt.UnixMicro() <= clock {
			whole = unseen(known, end, clock)
		}
		if clock-end-whole <= age || newest.FinishedAt.UnixMicro()-end-unseen(known, end, newest.FinishedAt.UnixMicro()) <= age {
			if whole > max(age, 4*24*60*minute) {
				return nil
			}
			continue
		}
		gone = append(gone, b.ID)
	}
	return sortedIDs(gone)
}

func sortedIDs(ids []backup.ID) []backup.ID {
	if len(ids) == 0 {
		return nil
	}
	ids = slices.Clone(ids)
	slices.Sort(ids)
	return ids
}

// checkInvariants holds a plan to what has to be true whatever the rules are.
func checkInvariants(t *testing.T, all []Backup, p Policy, now, other time.Time, plan Plan) {
	gone, seen := map[backup.ID]bool{}, make(map[backup.ID]int, len(all))
	for _, id := range removed(plan) {
		gone[id] = true
	}
	for _, d := range plan.Decisions {
		if seen[d.ID]++; d.Remove != gone[d.ID] || d.Reason == "" || d.Code == "" {
			require.FailNow(t, "a decision contradicts the plan", "%+v", d)
		}
	}
	require.True(t, plan.Hold == (Hold{}) || len(gone) == 0, "removes although %s", plan.Hold.Reason)
	if len(gone) > 0 && now.Sub(other).Abs() > Tolerance {
		require.FailNow(t, "removes while clocks differ")
	}
	var verified, left int
	var newest *Backup
	for i, b := range all {
		if seen[b.ID] != 1 {
			require.FailNow(t, "not decided once", "%s: %d", b.ID, seen[b.ID])
		}
		verifiedGood := b.Good && b.Verified
		if gone[b.ID] {
			switch {
			case b.FinishedAt.IsZero(), b.Sequence < 0,
				now.Sub(b.FinishedAt) <= time.Duration(p.Days)*24*time.Hour,
				other.Sub(b.FinishedAt) <= time.Duration(p.Days)*24*time.Hour:
				require.FailNow(t, "wrongly removed", "%+v at %s", b, now)
			}
		}
		if verifiedGood {
			if verified++; !gone[b.ID] {
				left++
			}
		}
		if b.Good && (newest == nil || b.FinishedAt.After(newest.FinishedAt)) {
			newest = &all[i]
		}
	}
	if newest == nil {
		require.Empty(t, gone, "removes without a good backup")
		return
	}
	require.False(t, gone[newest.ID], "removes the newest good backup")
	if left < min(p.KeepVerified, verified) {
		require.FailNow(t, "removes verified ones", "%d of %d are left, want %d", left, verified, p.KeepVerified)
	}
	for _, b := range all {
		if gone[b.ID] && b.Good && left < p.KeepVerified {
			require.FailNow(t, "removes a good one with too few verified", "%+v", b)
		}
	}
}
