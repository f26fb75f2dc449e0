package upkeep

import (
	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
)

// Judgment is what a verification came to.
type Judgment int

// The judgments.
const (
	Unverified Judgment = iota // there was none
	Sound                      // nothing was found
	// Unclear is what was found when it says nothing against the backup itself: the ledger is
	// damaged, a file could not be read.
	Unclear
	Bad // the backup is not what was written, and nothing is to be restored from it
)

// bad are the findings that speak against the backup itself.
var bad = map[fault.Code]bool{
	fault.BackupDamaged: true, fault.BackupForged: true, fault.BackupMissing: true, fault.BackupUnlisted: true, fault.BackupRolledBack: true,
	fault.BackupForeign: true, fault.BackupIncomplete: true, fault.FormatUnknown: true, fault.LimitExceeded: true,
}

// BadCode reports whether a finding about a backup speaks against it. What a later version has
// found, under a code that this one does not know, is no less.
func BadCode(code string) bool {
	return code != "" && (bad[fault.Code(code)] || !fault.Code(code).Known())
}

// Judge says what a verdict came to. It is the one place that does: retention, the board and its
// alerts ask here.
func Judge(v flow.Verdict) Judgment {
	switch {
	case v.At.IsZero():
		return Unverified
	case BadCode(v.Code):
		return Bad
	case v.Code != "" || v.Beside != "":
		return Unclear
	}
	return Sound
}

// Note sums up a verdict for the settings workflow to remember: the code of what was found in the
// backup's own folder, what speaks against the backup before anything else, and beside that of what
// was found elsewhere on the share. A verification of the backup alone has not looked there.
func Note(v backup.Verdict, in flow.VerifyInput) flow.VerdictNote {
	note := flow.VerdictNote{BackupID: v.BackupID, Code: in.Found, Sequence: in.Sequence, BackupOnly: in.BackupOnly}
	if v.Ledger != nil {
		note.Sequence = v.Ledger.Sequence
	}
	for _, f := range v.Findings {
		switch own := f.Within(v.Path); {
		case own && (note.Code == "" || BadCode(f.Code) && !BadCode(note.Code)):
			note.Code = f.Code
		case !own && note.Beside == "" && !in.BackupOnly:
			note.Beside = f.Code
		}
	}
	if v.Path == "" && note.Code == "" { // it was neither found nor known to be missing
		note.Code = note.Beside
	}
	return note
}
