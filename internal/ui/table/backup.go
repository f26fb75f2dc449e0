package table

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"infrabackup/internal/backup"
	"infrabackup/internal/flow"
	"infrabackup/internal/ui"
)

// Backup shows one backup in full.
func Backup(w *tabwriter.Writer, b backup.Overview) {
	Line(w, "Backup:", b.BackupID)
	Line(w, "Status:", b.Status)
	Line(w, "Started:", ui.Time(b.StartedAt))
	Line(w, "Finished:", ui.Time(b.FinishedAt))
	Line(w, "Path:", b.Path)
	Line(w, "Size:", ui.Size(b.TotalBytes))
	Line(w, "Requested by:", b.RequestedBy)
	for _, r := range b.Recipients {
		Line(w, "Opens with:", r.Kind+" "+r.Fingerprint)
	}
	if b.Message != "" {
		Line(w, "Message:", b.Message)
	}
	Line(w)
	Line(w, "SERVICE", "STATUS", "ITEMS", "SIZE", "GAPS", "MESSAGE")
	for _, s := range b.Services {
		Line(w, s.Service, s.Status, s.Items, ui.Size(s.Bytes), len(s.Gaps), strings.TrimSpace(s.Code+" "+s.Message))
	}
	for _, s := range b.Services {
		if len(s.Gaps) == 0 {
			continue
		}
		Line(w)
		Line(w, fmt.Sprintf("Noted about %s:", s.Service))
		for _, g := range s.Gaps {
			object := g.Object
			if g.Count > 1 {
				object = fmt.Sprintf("%s (%d)", object, g.Count)
			}
			Line(w, "  "+g.Code, object, g.Reason)
		}
	}
	if b.Consistency != nil {
		consistencyTable(w, b.Consistency)
	}
	if b.Foreign.Count > 0 {
		Line(w)
		Foreign(w, b.Foreign)
	}
}

// ListedBackup is a backup in a list, with what is known beside its manifest.
type ListedBackup struct {
	backup.Overview
	VerifiedAt time.Time `json:"verifiedAt,omitzero"`  // the last time; zero when it never was
	VerifyCode string    `json:"verifyCode,omitempty"` // of what was found about the backup, empty when nothing was
}

// WithVerdicts adds to backups when they were last verified.
func WithVerdicts(backups []backup.Overview, known flow.UpkeepState) []ListedBackup {
	rows := make([]ListedBackup, 0, len(backups))
	for _, b := range backups {
		v, _ := known.Verdict(b.BackupID)
		rows = append(rows, ListedBackup{Overview: b, VerifiedAt: v.At, VerifyCode: v.Code})
	}
	return rows
}

func (b ListedBackup) verified() string {
	if b.VerifiedAt.IsZero() {
		return "never"
	}
	return strings.TrimSpace(ui.Time(b.VerifiedAt) + " " + b.VerifyCode)
}

// Backups shows a list.
func Backups(w *tabwriter.Writer, backups []ListedBackup) {
	Line(w, "BACKUP", "STATUS", "STARTED", "SIZE", "VERIFIED", "SERVICES")
	for _, b := range backups {
		var services []string
		for _, s := range b.Services {
			text := string(s.Service)
			if s.Status != backup.Succeeded {
				text += " (" + string(s.Status) + ")"
			}
			services = append(services, text)
		}
		Line(w, b.BackupID, b.Status, ui.Time(b.StartedAt), ui.Size(b.TotalBytes), b.verified(), strings.Join(services, " "))
	}
}
