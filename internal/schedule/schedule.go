// Package schedule says when backups are due.
package schedule

import (
	"time"

	"infrabackup/internal/backup"
)

// Setting is what an operator sets.
type Setting struct {
	Enabled        bool `json:"enabled"`        // backups start by themselves
	FrequencyHours int  `json:"frequencyHours"` // 4 to 12
	RetentionDays  int  `json:"retentionDays"`  // 2 to 14
	KeepVerified   int  `json:"keepVerified"`   // verified good backups that are never removed, whatever their age
}

// Outcome is what came of a slot.
type Outcome string

// State is what the settings workflow remembers.
type State struct {
	Setting
	Anchor    time.Time `json:"anchor,omitzero"`
	ChangedAt time.Time `json:"changedAt,omitzero"`
	ChangedBy string    `json:"changedBy,omitempty"`
	Slot      time.Time `json:"slot,omitzero"`
	Outcome   Outcome   `json:"outcome,omitempty"`
	Code      string    `json:"code,omitempty"`
	Message   string    `json:"message,omitempty"`
	BackupID  backup.ID `json:"backupId,omitempty"`
	Missed    int64     `json:"missed,omitempty"`
}
