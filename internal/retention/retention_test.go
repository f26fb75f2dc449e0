package retention

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
)

var noon = time.Date(2026, 3, 29, 12, 0, 0, 0, time.UTC)

// aged is a good and verified backup that ended some time before noon.
func aged(id string, sequence int64, age time.Duration) Backup {
	end := noon.Add(-age)
	return Backup{ID: backup.ID(id), Sequence: sequence, StartedAt: end.Add(-20 * time.Minute), FinishedAt: end, Good: true, Verified: true}
}

// everyTwelveHours are backups as a schedule makes them, the oldest first: b1 and so on.
func everyTwelveHours(count int) []Backup {
	var all []Backup
	for i := range count {
		all = append(all, aged(fmt.Sprintf("b%d", i+1), int64(10+i), time.Duration(count-1-i)*12*time.Hour+time.Hour))
	}
	return all
}

func codes(p Plan) map[backup.ID]Code {
	all := map[backup.ID]Code{}
	for _, d := range p.Decisions {
		all[d.ID] = d.Code
	}
	return all
}

// removed are the backups that a plan removes, the oldest first.
func removed(p Plan) (ids []backup.ID) {
	for _, d := range slices.Backward(p.Decisions) {
		if d.Remove {
			ids = append(ids, d.ID)
		}
	}
	return ids
}

func TestRetention(t *testing.T) {
	week := Policy{Days: 7, KeepVerified: 2}
	// Each changes twenty backups of ten days: b20 is an hour old, b1 is 9 days 13 hours old.
	for name, c := range map[string]struct {
		policy Policy
		change func(all []Backup) []Backup
		now    time.Duration // added to noon
		other  time.Duration // added to noon
		held   Hold
		remove []backup.ID
		hold   Code
		codes  map[backup.ID]Code
	}{
		"what is older goes, the oldest first": {policy: week, remove: []backup.ID{"b1", "b2", "b3", "b4"},
			codes: map[backup.ID]Code{"b20": NewestGood, "b19": NewestVerified, "b18": Young, "b7": Young, "b6": CloseToGood, "b5": NotSeenAgeing, "b1": Expired}},
		"an operator vouches for the times": {policy: Policy{Days: 7, KeepVerified: 2, AcrossHole: true}, remove: []backup.ID{"b1", "b2", "b3", "b4", "b5"}},
		"shorter retention":                 {policy: Policy{Days: 2, KeepVerified: 2}, remove: []backup.ID{"b1", "b2", "b3", "b4", "b5", "b6", "b7", "b8", "b9", "b10", "b11", "b12", "b13", "b14"}},
		"partial and damaged ones go by age": {policy: week, change: func(all []Backup) []Backup {
			all[0].Good, all[0].Verified = false, false
			all[1].Good, all[1].Verified = false, true // it was, before it was damaged
			return all
		}, remove: []backup.ID{"b1", "b2", "b3", "b4"}},
		"the newest good is old": {policy: week, change: func(all []Backup) []Backup {
			for i := range all[4:] {
				all[4+i].Good = false
			}
			return all
		}, codes: map[backup.ID]Code{"b4": NewestGood, "b3": NewestVerified, "b2": CloseToGood, "b5": CloseToGood}},
		"no good one": {policy: week, change: func(all []Backup) []Backup {
			for i := range all {
				all[i].Good = false
			}
			return all
		}, codes: map[backup.ID]Code{"b1": NoGood}},
		"the verified ones are old": {policy: week, change: func(all []Backup) []Backup {
			for i := range all[2:] {
				all[2+i].Verified = false
			}
			return all
		}, remove: []backup.ID{"b3", "b4"}, codes: map[backup.ID]Code{"b2": NewestVerified, "b1": NewestVerified}},
		"too few verified ones": {policy: week, change: func(all []Backup) []Backup {
			for i := range all[1:] {
				all[1+i].Verified = false
			}
			all[2].Good = false
			return all
		}, remove: []backup.ID{"b3"}, codes: map[backup.ID]Code{"b2": TooFewVerified, "b1": NewestVerified}},
		"partial ones verify nothing": {policy: Policy{Days: 7, KeepVerified: 3}, change: func(all []Backup) []Backup {
			for i := range all[2:19] {
				all[2+i].Good = false // and Verified, which contradicts it
			}
			return all
		}, remove: []backup.ID{"b3", "b4"}, codes: map[backup.ID]Code{"b2": NewestVerified, "b1": NewestVerified}},
		"the caller holds":       {policy: week, held: Hold{InUse, "keys are being replaced"}, hold: InUse, codes: map[backup.ID]Code{"b1": HeldBack, "b5": NotSeenAgeing}},
		"that stands for others": {policy: week, held: Hold{InUse, "keys are being replaced"}, other: 11 * time.Minute, hold: InUse},
		"clocks differ":          {policy: week, other: 11 * time.Minute, hold: ClocksDiffer},
		"clocks differ, behind":  {policy: week, other: -11 * time.Minute, hold: ClocksDiffer},
		"clocks differ a little": {policy: week, other: 9 * time.Minute, remove: []backup.ID{"b1", "b2", "b3", "b4"}},
		"both clocks behind":     {policy: week, now: -72 * time.Minute, other: -72 * time.Minute, hold: ClockBehind},
		"both a little behind":   {policy: week, now: -69 * time.Minute, other: -69 * time.Minute, remove: []backup.ID{"b1", "b2", "b3", "b4"}},
		"both clocks jumped ten years ahead": {policy: week, now: 87600 * time.Hour, other: 87600 * time.Hour, hold: LongHole,
			codes: map[backup.ID]Code{"b1": HeldBack, "b5": NotSeenAgeing}},
		"nobody was there for ten years": {policy: Policy{Days: 7, KeepVerified: 2, AcrossHole: true}, now: 87600 * time.Hour, other: 87600 * time.Hour,
			remove: []backup.ID{"b1", "b2", "b3", "b4", "b5"}},
		"a backup of the future": {policy: week, change: func(all []Backup) []Backup {
			return append(all, aged("next", 99, -24*time.Hour))
		}, hold: ClockBehind},
		"a clock was set back": {policy: week, change: func(all []Backup) []Backup {
			all[10].FinishedAt = all[10].FinishedAt.Add(-13 * time.Hour)
			all[10].StartedAt = all[10].StartedAt.Add(-13 * time.Hour)
			return all
		}, hold: OrderContradict},
		"a clock was set back ten years": {policy: week, change: func(all []Backup) []Backup {
			all[19].FinishedAt = all[19].FinishedAt.AddDate(-10, 0, 0)
			all[19].StartedAt = all[19].StartedAt.AddDate(-10, 0, 0)
			return all
		}, hold: OrderContradict},
		"consent is none to that": {policy: Policy{Days: 7, KeepVerified: 2, AcrossHole: true}, change: func(all []Backup) []Backup {
			all[10].Sequence, all[11].Sequence = all[11].Sequence, all[10].Sequence
			return all
		}, hold: OrderContradict},
		"one place in the ledger for two": {policy: week, change: func(all []Backup) []Backup { all[3].Sequence = all[4].Sequence; return all }, hold: OrderContradict},
		"a hole": {policy: week, change: func(all []Backup) []Backup {
			for i := range all[:10] { // the older half is ten days older
				all[i].FinishedAt, all[i].StartedAt = all[i].FinishedAt.AddDate(0, 0, -10), all[i].StartedAt.AddDate(0, 0, -10)
			}
			return all
		}, hold: LongHole},
		"a hole, with consent": {policy: Policy{Days: 7, KeepVerified: 2, AcrossHole: true}, change: func(all []Backup) []Backup {
			for i := range all[:10] {
				all[i].FinishedAt, all[i].StartedAt = all[i].FinishedAt.AddDate(0, 0, -10), all[i].StartedAt.AddDate(0, 0, -10)
			}
			return all
		}, remove: []backup.ID{"b1", "b2", "b3", "b4", "b5", "b6", "b7", "b8", "b9", "b10"}},
		"a hole, seen ageing since": {policy: Policy{Days: 3, KeepVerified: 2}, change: func(all []Backup) []Backup {
			for i := range all[:10] {
				all[i].FinishedAt, all[i].StartedAt = all[i].FinishedAt.AddDate(0, 0, -10), all[i].StartedAt.AddDate(0, 0, -10)
			}
			return all
		}, remove: []backup.ID{"b1", "b2", "b3", "b4", "b5", "b6", "b7", "b8", "b9", "b10", "b11", "b12"}},
		"three days without backups": {policy: week, change: func(all []Backup) []Backup {
			for i := range all[:18] {
				all[i].FinishedAt, all[i].StartedAt = all[i].FinishedAt.AddDate(0, 0, -3), all[i].StartedAt.AddDate(0, 0, -3)
			}
			return all
		}, remove: []backup.ID{"b1", "b2", "b3", "b4"}, codes: map[backup.ID]Code{"b5": NotSeenAgeing, "b11": NotSeenAgeing, "b12": CloseToGood}},
		"an ID appears twice": {policy: week, change: func(all []Backup) []Backup { return append(all, all[0]) },
			remove: []backup.ID{"b2", "b3", "b4"}, codes: map[backup.ID]Code{"b1": AppearsTwice}},
		"no times": {policy: week, change: func(all []Backup) []Backup {
			all[0].FinishedAt, all[1].StartedAt = time.Time{}, time.Time{}
			all[2].StartedAt = all[2].FinishedAt.Add(time.Hour)
			return all
		}, remove: []backup.ID{"b4"}, codes: map[backup.ID]Code{"b1": TimesUnknown, "b2": TimesUnknown, "b3": TimesUnknown}},
		"no place in the ledger": {policy: week, change: func(all []Backup) []Backup { all[0].Sequence, all[1].Sequence = 0, -1; return all },
			remove: []backup.ID{"b3", "b4"}, codes: map[backup.ID]Code{"b1": NotInLedger, "b2": NotInLedger}},
		"no place in the ledger, with consent": {policy: Policy{Days: 7, KeepVerified: 2, AcrossHole: true},
			change: func(all []Backup) []Backup { all[0].Sequence, all[1].Sequence = 0, -1; return all },
			remove: []backup.ID{"b1", "b3", "b4", "b5"}, codes: map[backup.ID]Code{"b2": NotInLedger}},
		"year 9999": {policy: week, change: func(all []Backup) []Backup {
			all[3].FinishedAt = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)
			return all
		}, hold: ClockBehind},
		"no policy":               {policy: Policy{}, hold: PolicyInvalid},
		"no verified one is kept": {policy: Policy{Days: 7}, hold: PolicyInvalid},
		"the policy overflows":    {policy: Policy{Days: math.MaxInt, KeepVerified: 1}, hold: PolicyInvalid},
		"a single one":            {policy: week, change: func(all []Backup) []Backup { return all[:1] }, codes: map[backup.ID]Code{"b1": NewestGood}},
		"none":                    {policy: week, change: func([]Backup) []Backup { return nil }},
	} {
		t.Run(name, func(t *testing.T) {
			all := everyTwelveHours(20)
			if c.change != nil {
				all = c.change(all)
			}
			p := Make(all, c.policy, noon.Add(c.now), noon.Add(c.other), c.held)
			require.Equal(t, c.hold, p.Hold.Code, p.Hold.Reason)
			require.Equal(t, c.hold == "", p.Hold.Reason == "")
			require.Equal(t, c.remove, removed(p), "%v", p.Decisions)
			got := codes(p)
			for id, want := range c.codes {
				require.Equal(t, want, got[id], "%s", id)
			}
			for _, d := range p.Decisions {
				require.NotEmpty(t, d.Reason)
				require.Equal(t, d.Code == Expired, d.Remove)
			}
		})
	}
}

func TestReasonsAreForPeople(t *testing.T) {
	p := Make(everyTwelveHours(20), Policy{Days: 7, KeepVerified: 2}, noon, noon, Hold{})
	var said []string
	for _, d := range p.Decisions {
		if text := string(d.ID) + ": " + d.Reason; !slices.Contains(said, text) {
			said = append(said, text)
		}
	}
	require.Contains(t, said, "b20: newest good backup")
	require.Contains(t, said, "b19: one of the 2 newest verified backups")
	require.Contains(t, said, "b1: older than 7 days")
	require.Contains(t, said, "b5: older than 7 days, of which 12 hours were without a backup")
	require.Equal(t, backup.ID("b20"), p.Decisions[0].ID, "the newest first")
	p = Make(everyTwelveHours(20), Policy{Days: 7, KeepVerified: 2}, noon.AddDate(10, 0, 0), noon.AddDate(10, 0, 0), Hold{})
	require.Contains(t, p.Hold.Reason, "there was no backup between 2026-03-29T11:00:00Z and 2036-03-29T12:00:00Z")
	require.Contains(t, p.Decisions[19].Reason, "but nothing is removed: "+p.Hold.Reason)
}

// TestOrderGivenDoesNotMatter: what is listed from a share comes in any order.
func TestOrderGivenDoesNotMatter(t *testing.T) {
	all := everyTwelveHours(20)
	want := Make(all, Policy{Days: 3, KeepVerified: 4}, noon, noon, Hold{})
	slices.Reverse(all)
	require.Equal(t, want, Make(all, Policy{Days: 3, KeepVerified: 4}, noon, noon, Hold{}))
}

// spelled reads backups of eight bytes each: ID, sequence, end in hours before noon, duration,
// what is known, and what is odd about it.
func spelled(text []byte) []Backup {
	var all []Backup
	for ; len(text) >= 8 && len(all) < 64; text = text[8:] {
		end := noon.Add(-time.Duration(int16(text[2])<<8|int16(text[3]))*time.Hour - time.Duration(text[4])*time.Minute)
		b := Backup{ID: ids[text[0]%64], Sequence: int64(int8(text[1])), StartedAt: end.Add(-time.Duration(int8(text[5])) * time.Minute), FinishedAt: end,
			Good: text[6]&1 != 0, Verified: text[6]&2 != 0}
		switch text[7] {
		case 1:
			b.StartedAt = time.Time{}
		case 2:
			b.FinishedAt = time.Time{}
		case 3:
			b.FinishedAt = time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC)
		case 4:
			b.FinishedAt = time.Date(1, 1, 1, 0, 0, 0, 1, time.UTC)
		case 5:
			b.StartedAt, b.FinishedAt = time.Unix(math.MinInt64, 0), time.Unix(math.MaxInt64, 0)
		case 6:
			b.Sequence = math.MinInt64
		case 7:
			b.Sequence = math.MaxInt64
		}
		all = append(all, b)
	}
	return all
}

func FuzzMake(f *testing.F) {
	var seed []byte
	for i := range 24 {
		hours := 12 * (23 - i)
		seed = append(seed, byte(i), byte(i+1), byte(hours>>8), byte(hours), 0, 20, 3, 0)
	}
	require.NotEmpty(f, removed(Make(spelled(seed), Policy{Days: 7, KeepVerified: 2}, noon, noon, Hold{})))
	f.Add(seed, 7, 2, false, int64(0), int64(0))
	f.Add([]byte("\x01\x01\x00\x00\x00\x00\x03\x03\x01\xff\x00\x00\x00\x00\x03\x05"), 1, 1, true, int64(1<<62), int64(-5))
	f.Fuzz(func(t *testing.T, text []byte, days, verified int, across bool, seconds, ahead int64) {
		all := spelled(text)
		clock := time.Unix(noon.Unix()+seconds, 0)
		other := time.Unix(noon.Unix()+seconds+ahead, 0)
		policy := Policy{Days: days, KeepVerified: verified, AcrossHole: across}
		p := Make(all, policy, clock, other, Hold{})
		require.Equal(t, modelRemoves(all, policy, clock, other), sortedIDs(removed(p)))
		checkInvariants(t, all, policy, clock, other, p)
	})
}

// TestAgesCountByTheSlowerClock: a clock that is ahead, by as much as two clocks may differ, makes nothing
// older.
func TestAgesCountByTheSlowerClock(t *testing.T) {
	for _, ahead := range []time.Duration{-9 * time.Minute, 0, 9 * time.Minute} {
		v := survey(nil, Policy{Days: 7, KeepVerified: 2}, noon, noon.Add(ahead))
		require.Equal(t, micros(noon.Add(min(ahead, 0)).UnixMicro()), v.slower)
	}
}
