package table

import (
	"slices"
	"text/tabwriter"

	"infrabackup/internal/backup"
	"infrabackup/internal/ui"
)

// Audit shows what a check of all backups found, as [Verdict] does.
func Audit(w *tabwriter.Writer, found backup.Audit, unknownSigner bool) {
	Line(w, "Verdict:", verdictOf(AllFindings(found), unknownSigner))
	Line(w, "Begun:", ui.Time(found.Began))
	Line(w, "Ledger:", ledgerSeen(found.Entries, found.Head, nil))
	for _, f := range found.Findings {
		Line(w, f.Code+":", f.File+": "+f.Message)
	}
	Line(w)
	Line(w, "BACKUP", "VERDICT", "FILES", "SIZE")
	for _, v := range found.Backups {
		word := "good"
		if len(v.Findings) > 0 {
			word = "BAD"
		}
		Line(w, v.Path, word, v.Files, ui.Size(v.Bytes))
		for _, f := range v.Findings {
			Line(w, "  "+f.Code, f.File+": "+f.Message)
		}
	}
	others := found.Foreign
	others.Names = slices.Clone(others.Names)
	for _, v := range found.Backups {
		others.Merge(v.Foreign)
	}
	if others.Count > 0 {
		Line(w)
		Foreign(w, others)
	}
}

// AllFindings are those of the share as a whole and of its backups.
func AllFindings(found backup.Audit) []backup.Finding {
	all := slices.Clone(found.Findings)
	for _, v := range found.Backups {
		all = append(all, v.Findings...)
	}
	return all
}
