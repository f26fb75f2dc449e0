package restore

import (
	"context"

	"infrabackup/internal/restore/mapping"
	"infrabackup/internal/restore/residual"
)

// Journal is where a restore keeps what it is about to change and what it did. One journal
// belongs to one plan. What a method wrote is durable when it returns. Its content holds
// secrets: implementations encrypt it.
//
// Errors are JOURNAL_IO for a disk that fails, JOURNAL_INVALID for what is not as it was
// written.
type Journal interface {
	// PutBefore keeps what a batch is about to change, before anything of it is sent. A
	// batch that was begun before is not begun again.
	PutBefore(ctx context.Context, batch int, before []Before) error
	// Before returns it, and whether the batch was begun.
	Before(ctx context.Context, batch int) ([]Before, bool, error)
	// PutOutcome keeps what became of a batch.
	PutOutcome(ctx context.Context, batch int, outcomes []Outcome) error
	// Outcome returns it, and whether the batch has ended.
	Outcome(ctx context.Context, batch int) ([]Outcome, bool, error)
}

// Before is the state of a place before a step.
type Before struct {
	N     int   `json:"n"`
	State State `json:"state"`
}

// Status is what became of a step.
type Status string

// The statuses.
const (
	Confirmed Status = "confirmed" // written, and read back as it should be
	Unneeded  Status = "unneeded"  // the target has it, or it stays by the plan
	Refused   Status = "refused"   // not written: the target moved, or says that it cannot be
	Blocked   Status = "blocked"   // not written: what it needs did not come about
	Failed    Status = "failed"    // written, and not as it should be
	Undone    Status = "undone"    // not begun when the restore was ended
)

// Good reports whether what was wanted is there.
func (s Status) Good() bool { return s == Confirmed || s == Unneeded }

// Outcome is what became of a step.
type Outcome struct {
	N      int    `json:"n"`
	Status Status `json:"status"`
	Code   string `json:"code,omitempty"`
	Detail string `json:"detail,omitempty"`
	// After is the digest of the state behind the step.
	After string `json:"after,omitempty"`
	// Inverse takes the step back; nil when nothing was written or nothing comes back.
	Inverse    *Want         `json:"inverse,omitempty"`
	Reversible Reversibility `json:"reversible"`
	// Learned are identities that the target gave, for a run that goes on elsewhere.
	Learned []mapping.Pair `json:"learned,omitempty"`
	// Residual are names of the source that the target's state has behind the step.
	Residual []residual.Finding `json:"residual,omitempty"`
}

// Totals count outcomes.
type Totals struct {
	Confirmed int `json:"confirmed"`
	Unneeded  int `json:"unneeded"`
	Refused   int `json:"refused"`
	Blocked   int `json:"blocked"`
	Failed    int `json:"failed"`
	Undone    int `json:"undone"`
	// Residual counts steps behind which the target has names of the source.
	Residual int `json:"residual,omitempty"`
}

// add counts outcomes.
func (t *Totals) add(outcomes []Outcome) {
	for _, o := range outcomes {
		if len(o.Residual) > 0 {
			t.Residual++
		}
		switch o.Status {
		case Confirmed:
			t.Confirmed++
		case Unneeded:
			t.Unneeded++
		case Refused:
			t.Refused++
		case Blocked:
			t.Blocked++
		case Failed:
			t.Failed++
		case Undone:
			t.Undone++
		}
	}
}

// Whole reports whether everything of a plan came about, and in the target's names.
func (t Totals) Whole() bool { return t.Refused+t.Blocked+t.Failed+t.Undone+t.Residual == 0 }

// Add adds the totals of another batch.
func (t *Totals) Add(other Totals) {
	t.Confirmed += other.Confirmed
	t.Unneeded += other.Unneeded
	t.Refused += other.Refused
	t.Blocked += other.Blocked
	t.Failed += other.Failed
	t.Undone += other.Undone
	t.Residual += other.Residual
}
