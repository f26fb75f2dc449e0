package retention

import (
	"fmt"
	"time"

	"infrabackup/internal/backup"
)

// Bounds of what is decided by.
const (
	// Tolerance is by how much clocks may differ.
	Tolerance = 10 * time.Minute
	// Hole is the longest time without a backup that is nothing unusual, unless the policy
	// keeps backups for longer.
	Hole = 4 * day
	// MaxDays and MaxKeepVerified are the largest values of a policy; what is larger
	// is a mistake.
	MaxDays         = 36_500
	MaxKeepVerified = 1_000_000

	day = 24 * time.Hour
)

// Backup is what is known of one backup.
type Backup struct {
	ID                    backup.ID
	Sequence              int64 // of the ledger's entry that says it was created, 0 when unknown
	StartedAt, FinishedAt time.Time
	Good                  bool // succeeded with all services, and is not known to be damaged
	Verified              bool // is good, and was verified without a finding
}

// Policy is what is kept.
type Policy struct {
	Days         int // how old a backup becomes
	KeepVerified int // verified backups that are kept whatever their age
	// AcrossHole is an operator's consent to remove what grew old while there were no
	// backups.
	AcrossHole bool
}

// Code is the stable word for a reason.
type Code string

// The reasons of decisions.
const (
	Expired         Code = "expired"           // the only one to remove a backup
	NewestGood      Code = "newest-good"       // the newest good backup
	NewestVerified  Code = "newest-verified"   // one of the newest verified ones
	TooFewVerified  Code = "too-few-verified"  // good, and there are not enough verified ones
	Young           Code = "young"             // not old enough by now
	CloseToGood     Code = "close-to-good"     // not old enough by the newest good backup
	NoGood          Code = "no-good-backup"    // there is no good backup
	NotSeenAgeing   Code = "not-seen-ageing"   // old enough, for the longest part without backups
	NotInLedger     Code = "not-in-ledger"     // the order among the others is unknown
	TimesUnknown    Code = "times-unknown"     // start or end are unknown or contradict each other
	AppearsTwice    Code = "appears-twice"     // several backups have the ID
	HeldBack        Code = "held-back"         // would be removed, but nothing is
	InUse           Code = "in-use"            // hold: something is at work on backups or settings
	PolicyInvalid   Code = "policy-invalid"    // hold: days or number are no policy
	ClocksDiffer    Code = "clocks-differ"     // hold: the two clocks differ
	ClockBehind     Code = "clock-behind"      // hold: a backup lies in the future
	OrderContradict Code = "order-contradicts" // hold: ledger and times contradict each other
	LongHole        Code = "long-hole"         // hold: too long without a backup
)

// Decision is what becomes of one backup.
type Decision struct {
	ID     backup.ID
	Remove bool
	Reason string // for people
	Code   Code
}

// Hold is why nothing at all is removed. The zero value holds nothing.
type Hold struct {
	Code   Code
	Reason string // for people
}

// Plan is what becomes of all backups.
type Plan struct {
	Decisions []Decision // the newest first, each ID once; none to remove while there is a hold
	Hold      Hold
}

// Make decides. The two times are those of two clocks that do not depend on each other, such as
// the host's and the Temporal server's. Held is what is known elsewhere to speak against any
// removal; it stands for every hold that is found here.
func Make(all []Backup, policy Policy, now, other time.Time, held Hold) Plan {
	v := survey(all, policy, now, other)
	p := Plan{Decisions: make([]Decision, 0, len(v.records)), Hold: held}
	if p.Hold == (Hold{}) {
		p.Hold = v.hold()
	}
	for _, r := range v.records {
		d := v.decide(r)
		if d.Code == NotSeenAgeing && p.Hold == (Hold{}) && v.long(r.gap) {
			p.Hold = Hold{LongHole, r.gap.String()}
		}
		p.Decisions = append(p.Decisions, d)
	}
	if p.Hold == (Hold{}) {
		return p
	}
	for i, d := range p.Decisions {
		if d.Remove {
			p.Decisions[i].Remove, p.Decisions[i].Code = false, HeldBack
			p.Decisions[i].Reason = fmt.Sprintf("%s, but nothing is removed: %s", d.Reason, p.Hold.Reason)
		}
	}
	return p
}
