package upkeep

import (
	"time"

	"infrabackup/internal/backup"
	"infrabackup/internal/flow"
	"infrabackup/internal/retention"
	"infrabackup/internal/schedule"
)

// LedgerUnreliable holds everything back while the ledger is not whole, or does not reach
// as far as it did.
const LedgerUnreliable retention.Code = "ledger-unreliable"

// Policy is what an operator has set, or the default when nothing was ever set.
func Policy(s schedule.Setting, acrossHole bool) retention.Policy {
	if s == (schedule.Setting{}) {
		s = schedule.Default()
	}
	return retention.Policy{Days: s.RetentionDays, KeepVerified: s.KeepVerified, AcrossHole: acrossHole}
}

// Prune decides what has expired. Host and Temporal are the times of two clocks; held is as in
// [retention.Make].
func Prune(newestFirst []Backup, policy retention.Policy, host, temporal time.Time, held retention.Hold) flow.PrunePlan {
	facts := make([]retention.Backup, 0, len(newestFirst))
	about := make(map[backup.ID]backup.Overview, len(newestFirst))
	for _, b := range newestFirst {
		if b.OnShare() {
			facts = append(facts, b.fact())
			about[b.ID] = b.Overview
		}
	}
	plan := retention.Make(facts, policy, host, temporal, held)
	out := flow.PrunePlan{Hold: plan.Hold.Reason, HoldCode: plan.Hold.Code, Decisions: make([]flow.PruneDecision, 0, len(plan.Decisions))}
	for _, d := range plan.Decisions {
		out.Decisions = append(out.Decisions, flow.PruneDecision{
			BackupID: d.ID, Path: about[d.ID].Path, FinishedAt: about[d.ID].FinishedAt, Remove: d.Remove, Code: d.Code, Reason: d.Reason,
		})
	}
	return fit(out)
}

// fact is what retention is decided by.
func (b Backup) fact() retention.Backup {
	f := retention.Backup{ID: b.ID, StartedAt: b.Overview.StartedAt, FinishedAt: b.Overview.FinishedAt, Good: b.Good(), Verified: b.Verified()}
	if b.Listed {
		// By the ledger: of one that was adopted, that is when it was.
		f.Sequence, f.FinishedAt = b.State.Made, b.State.MadeAt
		if f.StartedAt.After(f.FinishedAt) {
			f.StartedAt = f.FinishedAt
		}
	}
	return f
}

// fit keeps a plan small enough for a result of Temporal: what is to be removed, the oldest
// before others, and then the newest.
func fit(p flow.PrunePlan) flow.PrunePlan {
	over := len(p.Decisions) - flow.MaxListed
	if over <= 0 {
		return p
	}
	p.More = true
	remove := 0
	for _, d := range p.Decisions {
		if d.Remove {
			remove++
		}
	}
	tooMany, others := max(remove-flow.MaxListed, 0), max(flow.MaxListed-remove, 0)
	var kept []flow.PruneDecision
	for _, d := range p.Decisions {
		switch {
		case d.Remove && tooMany > 0:
			tooMany--
		case d.Remove:
			kept = append(kept, d)
		case others > 0:
			others--
			kept = append(kept, d)
		}
	}
	p.Decisions = kept
	return p
}
