package operation

import (
	"time"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/flow/diffs"
	"infrabackup/internal/restore"
	"infrabackup/internal/settings"
)

// Kind is what an operation does.
type Kind string

// The kinds.
const (
	Backup  Kind = "backup"
	Change  Kind = "change"
	Prune   Kind = "prune"
	Verify  Kind = "verify"
	Restore Kind = "restore"
	Plan    Kind = "restorePlan" // of a restore, or of its undo
	Diff    Kind = "diff"        // of two backups
)

// Operation is how far something is that was begun, and what came of it.
type Operation struct {
	ID        string            `json:"id"`
	Kind      Kind              `json:"kind"`
	Running   bool              `json:"running"`
	StartedAt time.Time         `json:"startedAt"`
	EndedAt   time.Time         `json:"endedAt,omitzero"`
	Fault     *fault.Fault      `json:"-"`                  // why it failed
	Backup    *backup.Overview  `json:"backup,omitempty"`   // of a backup
	Settings  *settings.Summary `json:"settings,omitempty"` // of a change
	Prune     *PruneResult      `json:"prune,omitempty"`
	Verdict   *backup.Verdict   `json:"verdict,omitempty"`
	Restore   *restore.Totals   `json:"restore,omitempty"` // of a restore, also of one that is not whole
	Plan      *flow.RestorePlan `json:"plan,omitempty"`
	Diff      *diffs.Summary    `json:"diff,omitempty"` // of a comparison: counts alone
	RestoreAt *flow.RestoreAt   `json:"-"`              // of the restore that runs, where that was asked for
}

// PruneResult is what the retention removed, or would remove.
type PruneResult struct {
	Decisions []flow.PruneDecision `json:"decisions"` // newest first
	Hold      string               `json:"hold,omitempty"`
	Removed   []backup.ID          `json:"removed"`
	Failed    []flow.FailedStep    `json:"failed,omitempty"` // removals that failed
}

// Restored takes what came of a restore. One that did not bring back everything is no success.
func (o *Operation) Restored(out flow.RestoreResult) {
	o.Restore = &out.Totals
	if left := out.Totals; !left.Whole() || out.Refused > 0 {
		o.Fault = fault.Newf(fault.RestoreIncomplete, "restore %.16s ended with %d steps that were not done, %d that left names of the source, and %d items that its plan refuses",
			out.PlanID, left.Refused+left.Blocked+left.Failed+left.Undone, left.Residual, out.Refused)
	}
}
