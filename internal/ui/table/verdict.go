package table

import (
	"fmt"
	"slices"
	"text/tabwriter"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/ui"
)

// Verdict shows what a check of one backup found. UnknownSigner says that all that is wrong is
// that the operator's list of signers lacks a key.
func Verdict(w *tabwriter.Writer, v backup.Verdict, unknownSigner bool) {
	Line(w, "Backup:", v.BackupID)
	Line(w, "Verdict:", verdictOf(v.Findings, unknownSigner))
	Line(w, "Read:", fmt.Sprintf("%d files, %s", v.Files, ui.Size(v.Bytes)))
	if v.Items > 0 {
		Line(w, "Decrypted:", fmt.Sprintf("%d items", v.Items))
	}
	Line(w, "Signed by:", v.Signer)
	if v.Ledger != nil {
		Line(w, "Ledger:", ledgerSeen(v.Ledger.Entries, v.Ledger.Head, v.Findings))
	}
	for _, f := range v.Findings {
		Line(w, f.Code+":", f.File+": "+f.Message)
	}
	Foreign(w, v.Foreign)
}

// verdictOf is [verdictWord] for a list of signers that may lack a key.
func verdictOf(findings []backup.Finding, unknownSigner bool) string {
	if unknownSigner {
		return "NOT KNOWN, signed by a key that is not on your list"
	}
	return verdictWord(findings)
}

// foreignShown is how many foreign entries a table names; JSON has more of them.
const foreignShown = 20

// Foreign names what lies in the product's folders and is not its own.
func Foreign(w *tabwriter.Writer, f backup.Foreign) {
	if f.Count == 0 {
		return
	}
	Line(w, "Foreign:", fmt.Sprintf("%d entries that are not infrabackup's, harmless and left alone", f.Count))
	for _, name := range f.Names[:min(len(f.Names), foreignShown)] {
		Line(w, "", name)
	}
	if rest := f.Count - foreignShown; rest > 0 {
		Line(w, "", fmt.Sprintf("and %d more", rest))
	}
}

// verdictWord sums findings up. A file that may not be read is no damage, and no good
// backup either.
func verdictWord(findings []backup.Finding) string {
	denied := func(f backup.Finding) bool { return f.Code == string(fault.ShareAccessDenied) }
	switch {
	case len(findings) == 0:
		return "good"
	case !slices.ContainsFunc(findings, func(f backup.Finding) bool { return !denied(f) }):
		return "NOT KNOWN, not everything may be read"
	default:
		return "DAMAGED OR FORGED"
	}
}

// LedgerUnread reports whether there is something in the ledger's place that no entry was
// taken from, such as for want of a signing key.
func LedgerUnread(findings []backup.Finding) bool {
	return slices.ContainsFunc(findings, func(f backup.Finding) bool { return f.Code == string(fault.LedgerDamaged) })
}

// ledgerSeen says how far a ledger reaches.
func ledgerSeen(entries int, head backup.LedgerHead, findings []backup.Finding) string {
	switch {
	case entries == 0 && LedgerUnread(findings):
		return "not checked"
	case entries == 0:
		return "none"
	}
	return fmt.Sprintf("%d entries, newest %s", entries, head)
}
