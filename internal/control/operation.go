package control

import (
	"time"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/schedule"
	"infrabackup/internal/seal"
	"infrabackup/internal/secret"
	"infrabackup/internal/settings"
)

// Wanted is a change of several settings at once, as one revision, or the first settings.
// What is nil or empty stays as it is.
type Wanted struct {
	Share       *settings.Share
	Username    string
	Password    secret.String // empty keeps the one in use
	Recipients  []seal.Recipient
	Schedule    *schedule.Setting
	RequestedBy string
	// Instance and Services are for the first settings only.
	Instance backup.Instance
	Services []backup.Service
}

// Begun is an operation that was begun.
type Begun struct {
	ID string `json:"id"` // the run's, or the backup's
	// Unchanged says that what was wanted is so already: nothing was begun.
	Unchanged bool `json:"unchanged,omitempty"`
}

// OperationKind is what an operation does.
type OperationKind string

// The kinds.
const (
	OperationBackup OperationKind = "backup"
	OperationChange OperationKind = "change"
	OperationPrune  OperationKind = "prune"
	OperationVerify OperationKind = "verify"
)

// Operation is how far something is that was begun, and what came of it.
type Operation struct {
	ID        string            `json:"id"`
	Kind      OperationKind     `json:"kind"`
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
	Decisions []PruneDecision   `json:"decisions"` // newest first
	Hold      string            `json:"hold,omitempty"`
	Removed   []backup.ID       `json:"removed"`
	Failed    []flow.FailedStep `json:"failed,omitempty"` // removals that failed
}

// PruneDecision is what becomes of one backup.
type PruneDecision struct {
	BackupID   backup.ID `json:"backupId"`
	Path       string    `json:"path"` // of its folder, relative to the share's path
	FinishedAt time.Time `json:"finishedAt,omitzero"`
	Remove     bool      `json:"remove"`
	Code       string    `json:"code"`
	Reason     string    `json:"reason"`
}
