package backup

import "infrabackup/internal/printable"

// Verdict is the outcome of a verification: the backup is good when there is no
// finding.
type Verdict struct {
	BackupID ID        `json:"backupId"`
	Path     string    `json:"path"`
	Files    int       `json:"files"`
	Bytes    int64     `json:"bytes"`  // read and compared
	Items    int64     `json:"items"`  // decrypted and checked, 0 without an identity
	Signer   string    `json:"signer"` // fingerprint of the key that signed it
	Findings []Finding `json:"findings"`
	// Foreign is what lies in the folder and is not the backup's. It is no finding.
	Foreign Foreign `json:"foreign,omitzero"`
	// Ledger is what the backup was compared with, nil when the ledger was not asked: in
	// an audit, which has that once for all backups.
	Ledger *LedgerSeen `json:"ledger,omitempty"`
}

// LedgerSeen is a ledger as it was read from the share. A share from before the ledger
// has no entries.
type LedgerSeen struct {
	Entries   int        `json:"entries"`
	Head      LedgerHead `json:"head"`
	HeadKnown bool       `json:"headKnown"` // it was compared with one that was kept elsewhere
	// Sequence is that of the newest entry about the backup; 0 when there is none.
	Sequence int64 `json:"sequence,omitempty"`
}

// Finding is one thing that is wrong, with the file that it was found in.
type Finding struct {
	Code    string `json:"code"` // a fault code
	File    string `json:"file"` // relative to the share's path
	Message string `json:"message"`
}

// maxMessage bounds the words of a finding, in bytes.
const maxMessage = 1 << 10

// Clip bounds what a finding repeats of names and texts that others gave.
func (f Finding) Clip() Finding {
	f.File, f.Message = printable.Clip(f.File, maxReportedName), printable.Clip(f.Message, maxMessage)
	return f
}
