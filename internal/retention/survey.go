package retention

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"infrabackup/internal/backup"
)

// micros is a time in microseconds since 1970: unlike a time.Duration, differences of
// these hold for every year that is accepted.
type micros int64

const microDay = micros(day / time.Microsecond)

// record is one backup, and what is made of it.
type record struct {
	Backup
	end      micros
	doubt    Code // why it is not understood, empty when it is
	verified bool // counts as a verified one
	newest   bool // one of the newest verified ones, which are kept
	good     bool // counts as a good one
	gap      gap  // longest time without a backup since its end
	goodGap  gap  // the same, up to the newest good backup
}

// gap is a time without a backup.
type gap struct {
	length   micros
	from, to time.Time
}

// overview is everything that decisions are made by.
type overview struct {
	policy     Policy
	now, other time.Time
	slower     micros    // of both clocks
	records    []*record // the newest first, those without an end last
	newestGood *record
	young      string // the reason of most decisions
	verified   int    // how many of the newest ones are kept, no more than the policy says
}

// The years that times can be of.
var (
	firstSecond = time.Time{}.Unix()
	lastSecond  = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC).Unix()
)

// plausible reports whether a time can be reckoned with.
func plausible(t time.Time) bool {
	return !t.IsZero() && t.Unix() >= firstSecond && t.Unix() <= lastSecond
}

// survey looks at everything once.
func survey(all []Backup, policy Policy, now, other time.Time) *overview {
	v := &overview{policy: policy, now: now, other: other, young: fmt.Sprintf("not older than %d days", policy.Days)}
	v.slower = micros(now.UnixMicro())
	if other.Before(now) {
		v.slower = micros(other.UnixMicro())
	}
	byID := make(map[backup.ID]*record, len(all))
	store := make([]record, 0, len(all)) // so that all are allocated at once
	v.records = make([]*record, 0, len(all))
	for _, b := range all {
		if first := byID[b.ID]; first != nil {
			first.doubt = AppearsTwice
			if b.FinishedAt.After(first.FinishedAt) {
				first.FinishedAt = b.FinishedAt // the order is by the newest of them
			}
			continue
		}
		store = append(store, record{Backup: b})
		r := &store[len(store)-1]
		byID[b.ID] = r
		v.records = append(v.records, r)
	}
	for _, r := range v.records {
		known := plausible(r.FinishedAt)
		if known {
			r.end = micros(r.FinishedAt.UnixMicro())
		}
		switch {
		case r.doubt != "":
		case !known, !plausible(r.StartedAt), r.StartedAt.After(r.FinishedAt.Add(Tolerance)):
			r.doubt = TimesUnknown
		case r.Sequence <= 0 && (r.Sequence < 0 || !policy.AcrossHole):
			r.doubt = NotInLedger
		}
		r.good = r.doubt == "" && r.Good
		r.verified = r.good && r.Verified
	}
	slices.SortFunc(v.records, newestFirst)
	v.measure()
	return v
}

// newestFirst orders by end, with those last whose end is unknown.
func newestFirst(a, b *record) int {
	if known := plausible(a.FinishedAt); known != plausible(b.FinishedAt) {
		if known {
			return -1
		}
		return 1
	}
	return cmp.Or(cmp.Compare(b.end, a.end), cmp.Compare(b.Sequence, a.Sequence), strings.Compare(string(a.ID), string(b.ID)))
}

// measure finds the newest good ones and the times without backups.
func (v *overview) measure() {
	after, afterTime := v.slower, v.now
	if v.other.Before(v.now) {
		afterTime = v.other
	}
	var longest, longestToGood gap
	for _, r := range v.records {
		if r.doubt != "" {
			continue
		}
		here := gap{after - r.end, r.FinishedAt, afterTime}
		if here.length > longest.length {
			longest = here
		}
		if v.newestGood != nil && here.length > longestToGood.length {
			longestToGood = here
		}
		r.gap, r.goodGap, after, afterTime = longest, longestToGood, r.end, r.FinishedAt
		if r.good && v.newestGood == nil {
			v.newestGood = r
		}
		if r.verified && v.verified < v.policy.KeepVerified {
			r.newest = true
			v.verified++
		}
	}
}

// hold says why nothing at all is removed, but for a long time without backups.
func (v *overview) hold() Hold {
	p := v.policy
	switch {
	case p.Days < 1 || p.Days > MaxDays || p.KeepVerified < 1 || p.KeepVerified > MaxKeepVerified:
		return Hold{PolicyInvalid, fmt.Sprintf("%d days and %d verified backups are no policy", p.Days, p.KeepVerified)}
	case !plausible(v.now) || !plausible(v.other) || v.now.Sub(v.other).Abs() > Tolerance:
		return Hold{ClocksDiffer, fmt.Sprintf("the clocks differ: one says %s, the other %s", show(v.now), show(v.other))}
	}
	if len(v.records) > 0 {
		if r := v.records[0]; plausible(r.FinishedAt) && r.FinishedAt.After(v.now.Add(Tolerance)) { // the newest
			return Hold{ClockBehind, fmt.Sprintf("backup %.50s ended at %s, and now it is %s: a clock is or was wrong; when it was, remove that backup by hand",
				r.ID, show(r.FinishedAt), show(v.now))}
		}
	}
	if text := v.contradiction(); text != "" {
		return Hold{OrderContradict, text}
	}
	return Hold{}
}

// contradiction finds backups that the ledger has in another order than their times.
func (v *overview) contradiction() string {
	sequenced := make([]*record, 0, len(v.records))
	for _, r := range v.records {
		if r.doubt == "" && r.Sequence > 0 {
			sequenced = append(sequenced, r)
		}
	}
	slices.SortStableFunc(sequenced, func(a, b *record) int { return cmp.Compare(a.Sequence, b.Sequence) })
	var latest, previous *record
	for _, r := range sequenced {
		switch {
		case previous != nil && previous.Sequence == r.Sequence:
			return fmt.Sprintf("backups %.50s and %.50s have the same place in the ledger", previous.ID, r.ID)
		case latest != nil && latest.FinishedAt.After(r.FinishedAt.Add(Tolerance)):
			return fmt.Sprintf("by the ledger backup %.50s is older than %.50s, and by their times it is newer: a clock was set back; remove the one whose time is wrong by hand", latest.ID, r.ID)
		}
		if previous = r; latest == nil || r.FinishedAt.After(latest.FinishedAt) {
			latest = r
		}
	}
	return ""
}

// long reports whether there was no backup for so long that an operator has to consent.
func (v *overview) long(g gap) bool {
	return g.length > max(micros(v.policy.Days)*microDay, micros(Hole/time.Microsecond))
}

func (g gap) String() string {
	return fmt.Sprintf("there was no backup between %s and %s, so that others grew old without being seen; an operator has to consent", show(g.from), show(g.to))
}

// decide says what becomes of one backup when nothing is held.
func (v *overview) decide(r *record) Decision {
	keep := func(code Code, format string, args ...any) Decision {
		return Decision{ID: r.ID, Code: code, Reason: fmt.Sprintf(format, args...)}
	}
	age := micros(v.policy.Days) * microDay
	expired := func(until micros) bool { return until-r.end > age }
	seen := func(until micros, g gap) bool { return v.policy.AcrossHole || until-r.end-g.length > age }
	switch {
	case r.doubt == AppearsTwice:
		return keep(r.doubt, "several backups have this ID")
	case r.doubt == TimesUnknown:
		return keep(r.doubt, "its start and end are not known")
	case r.doubt == NotInLedger:
		return keep(r.doubt, "its place in the ledger is not known")
	case v.newestGood == r:
		return keep(NewestGood, "newest good backup")
	case r.newest:
		return keep(NewestVerified, "one of the %d newest verified backups", v.policy.KeepVerified)
	case !expired(v.slower):
		return Decision{ID: r.ID, Code: Young, Reason: v.young}
	case v.newestGood == nil:
		return keep(NoGood, "there is no good backup")
	case !expired(v.newestGood.end):
		return keep(CloseToGood, "not %d days older than the newest good backup", v.policy.Days)
	case r.good && v.verified < v.policy.KeepVerified:
		return keep(TooFewVerified, "good, and only %d of %d verified backups are there", v.verified, v.policy.KeepVerified)
	case !seen(v.slower, r.gap) || !seen(v.newestGood.end, r.goodGap):
		return keep(NotSeenAgeing, "older than %d days, of which %s were without a backup", v.policy.Days, round(r.gap.length))
	}
	return Decision{ID: r.ID, Remove: true, Code: Expired, Reason: fmt.Sprintf("older than %d days", v.policy.Days)}
}

func show(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// round says how long something is, in words.
func round(m micros) string {
	if days := m / microDay; days >= 2 {
		return fmt.Sprintf("%d days", days)
	}
	return fmt.Sprintf("%d hours", m/(microDay/24))
}
