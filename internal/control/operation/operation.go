package operation

import (
	"time"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/settings"
)

// Kind is what an operation does.
type Kind string

// The kinds.
const (
	Backup Kind = "backup"
	Change Kind = "change"
	Prune  Kind = "prune"
	Verify Kind = "verify"
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
}

// PruneResult is what the retention removed, or would remove.
type PruneResult struct {
	Decisions []flow.PruneDecision `json:"decisions"` // newest first
	Hold      string               `json:"hold,omitempty"`
	Removed   []backup.ID          `json:"removed"`
	Failed    []flow.FailedStep    `json:"failed,omitempty"` // removals that failed
}
