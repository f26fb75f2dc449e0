package table

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"infrabackup/internal/backup"
	"infrabackup/internal/board"
	"infrabackup/internal/ui"
)

// Backup shows one backup in full.
func Backup(w *tabwriter.Writer, b backup.Overview) {
	backupHead(w, b)
	backupBody(w, b)
}

// ShownBackup shows one backup in full, with what is known beside its manifest.
func ShownBackup(w *tabwriter.Writer, b ListedBackup) {
	backupHead(w, b.Overview)
	if b.judged {
		Line(w, "Verified:", b.verified())
		Line(w, "Restorable:", restorableLine(b))
	}
	backupBody(w, b.Overview)
}

func backupHead(w *tabwriter.Writer, b backup.Overview) {
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
}

func backupBody(w *tabwriter.Writer, b backup.Overview) {
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
	// RestorableUntil is until when everything can be restored, zero when it cannot or that is not
	// known; [board.Forever] when nothing ends it. Why says what ends it, or why it cannot; empty when
	// that is not known. The API has the same names.
	RestorableUntil time.Time `json:"restorableUntil,omitzero"`
	Why             string    `json:"why,omitempty"`

	judged bool // what follows from more than the manifest is known
}

// Listed makes rows of backups. Judged says that what is beside their manifests is known.
func Listed(backups []board.Backup, judged bool) []ListedBackup {
	rows := make([]ListedBackup, 0, len(backups))
	for _, b := range backups {
		rows = append(rows, ListedBackup{
			Overview: b.Overview, VerifiedAt: b.VerifiedAt, VerifyCode: b.VerifyCode, RestorableUntil: b.Restorable, Why: b.Why, judged: judged,
		})
	}
	return rows
}

// restorable is until when everything can be restored.
func (b ListedBackup) restorable() string {
	switch {
	case !b.judged:
		return "unknown"
	case b.RestorableUntil.IsZero():
		return "no"
	case b.RestorableUntil.Equal(board.Forever):
		return "no end"
	}
	return ui.Time(b.RestorableUntil)
}

// restorableLine is the same with what ends it.
func restorableLine(b ListedBackup) string {
	if b.RestorableUntil.IsZero() || b.RestorableUntil.Equal(board.Forever) {
		return b.restorable() + ": " + b.Why
	}
	return "until " + b.restorable() + ": " + b.Why
}

func (b ListedBackup) verified() string {
	if !b.judged {
		return "unknown"
	}
	if b.VerifiedAt.IsZero() {
		return "never"
	}
	return strings.TrimSpace(ui.Time(b.VerifiedAt) + " " + b.VerifyCode)
}

// Backups shows a list.
func Backups(w *tabwriter.Writer, backups []ListedBackup) {
	Line(w, "BACKUP", "STATUS", "STARTED", "SIZE", "VERIFIED", "RESTORABLE UNTIL", "SERVICES")
	for _, b := range backups {
		var services []string
		for _, s := range b.Services {
			text := string(s.Service)
			if s.Status != backup.Succeeded {
				text += " (" + string(s.Status) + ")"
			}
			services = append(services, text)
		}
		Line(w, b.BackupID, b.Status, ui.Time(b.StartedAt), ui.Size(b.TotalBytes), b.verified(), b.restorable(), strings.Join(services, " "))
	}
}
