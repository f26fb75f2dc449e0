package flow

import "infrabackup/internal/backup"

// VerifyAll checks everything that the instance has on the share, without any key.
var VerifyAll = Workflow[AuditInput, backup.Audit]{"VerifyAllWorkflow"}

// AuditShare compares ledger, folders and sums; it reads no part.
var AuditShare = Activity[AuditInput, AuditOutput]{"AuditShare"}

// MaxAudited bounds how many backups one audit verifies.
const MaxAudited = 2000

// AuditInput asks for the check of all backups.
type AuditInput struct {
	Instance string `json:"instance"`
}

// AuditOutput is what the share as a whole is like, and which backups are to be
// verified one by one.
type AuditOutput struct {
	Audit   backup.Audit `json:"audit"`
	Backups []backup.ID  `json:"backups"`
	// Sequences are those of the ledger's newest entries about the backups, one for each; absent
	// in runs of earlier versions.
	Sequences []int64 `json:"sequences,omitempty"`
	// Found has the code of what was found about a backup, for those that something was found about.
	Found map[backup.ID]string `json:"found,omitempty"`
}
