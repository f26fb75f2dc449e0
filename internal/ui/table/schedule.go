package table

import (
	"fmt"
	"text/tabwriter"

	"infrabackup/internal/flow"
	"infrabackup/internal/schedule"
	"infrabackup/internal/ui"
)

// Schedule shows when backups start by themselves, and how long they are kept.
func Schedule(w *tabwriter.Writer, s schedule.State) {
	switched := "off"
	if s.Enabled {
		switched = "on"
	}
	Line(w, "Scheduled backups:", switched)
	Line(w, "Every:", fmt.Sprintf("%d h", s.FrequencyHours))
	Line(w, "Kept for:", fmt.Sprintf("%d days", s.RetentionDays))
	Line(w, "Verified kept:", s.KeepVerified)
	if !s.Slot.IsZero() {
		last := ui.Time(s.Slot) + " " + string(s.Outcome)
		if s.BackupID != "" {
			last += " " + string(s.BackupID)
		}
		if s.Code != "" {
			last += " " + s.Code + " " + s.Message
		}
		Line(w, "Last slot:", last)
	}
	if !s.ChangedAt.IsZero() {
		Line(w, "Changed:", ui.Time(s.ChangedAt)+" by "+s.ChangedBy)
	}
}

// FailedSteps shows what did not succeed.
func FailedSteps(w *tabwriter.Writer, failed []flow.FailedStep) {
	for _, f := range failed {
		Line(w, "Failed:", f.Step, f.BackupID, f.Code, f.Message)
	}
}
