package table

import (
	"cmp"
	"fmt"
	"strings"
	"text/tabwriter"

	"infrabackup/internal/backup"
	"infrabackup/internal/seal"
	"infrabackup/internal/settings"
	"infrabackup/internal/ui"
)

// SettingsLabels are what [Settings] puts before a signing key.
var SettingsLabels = []string{signingLabel, formerLabel}

const (
	signingLabel = "Signing key:"
	formerLabel  = "Signed before:"
)

// Settings shows settings without secrets.
func Settings(w *tabwriter.Writer, s settings.Summary) {
	Line(w, "Instance:", strings.TrimSpace(s.Instance.Name+" "+s.Instance.FQDN+" "+s.Instance.Region))
	Line(w, "Share:", s.Share.Path)
	Line(w, "Transport:", s.Share.Transport)
	Line(w, "Account:", s.Username)
	for _, r := range s.Recipients {
		Line(w, "Opens with:", recipientLine(r))
	}
	Line(w, "Contains:", cmp.Or(settings.Join(s.Services), "what the workers have sources for"))
	Line(w, signingLabel, s.SigningKey+" "+SignerFingerprint(s.SigningKey))
	for _, former := range s.FormerSigners {
		Line(w, formerLabel, former+" "+SignerFingerprint(former))
	}
	Line(w, "Controller:", s.Controller)
	if s.Ledger != (backup.LedgerHead{}) {
		Line(w, "Ledger:", s.Ledger)
	}
	Line(w, "Changed:", ui.Time(s.ChangedAt)+" by "+s.ChangedBy+", revision "+fmt.Sprint(s.Revision))
}

// SignerFingerprint is what a verdict and ssh-keygen call a signing key. One that cannot
// be read has none, which is no reason to hide the settings.
func SignerFingerprint(public string) string {
	fingerprint, err := seal.SignerFingerprint(public)
	if err != nil {
		return ""
	}
	return fingerprint
}

func recipientLine(r settings.RecipientSummary) string {
	text := r.Kind + " " + r.Fingerprint
	if !r.Expires.IsZero() {
		text += ", certificate valid until " + ui.Time(r.Expires)
	}
	if r.ProvenAt.IsZero() {
		return text + ", never proven"
	}
	return text + ", proven " + ui.Time(r.ProvenAt) + " by " + r.ProvenBy
}

// History shows who changed what.
func History(w *tabwriter.Writer, h settings.History) {
	Line(w, "TIME", "KIND", "BY", "RESULT", "WHAT")
	for _, r := range h.Records {
		result := string(r.Outcome)
		if r.Code != "" {
			result += " " + r.Code
		}
		Line(w, ui.Time(r.At), r.Kind, r.By, result, r.What)
	}
	if h.Dropped > 0 {
		Line(w, fmt.Sprintf("%d older changes are no longer kept here.", h.Dropped))
	}
}
