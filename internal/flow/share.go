package flow

import (
	"infrabackup/internal/backup"
	"infrabackup/internal/flow/diagnosis"
)

// Workflows that look at the share on behalf of somebody who cannot reach it.
var (
	List     = Workflow[ListInput, ListOutput]{"ListWorkflow"}
	Verify   = Workflow[VerifyInput, backup.Verdict]{"VerifyWorkflow"}
	Delete   = Workflow[DeleteInput, backup.Overview]{"DeleteWorkflow"}
	Diagnose = Workflow[DiagnoseInput, diagnosis.Report]{"DiagnoseWorkflow"}
)

// Their activities.
var (
	ListBackups  = Activity[ListInput, ListOutput]{"ListBackups"}
	VerifyBackup = Activity[VerifyInput, backup.Verdict]{"VerifyBackup"}
	DeleteBackup = Activity[DeleteInput, backup.Overview]{"DeleteBackup"}
	DiagnoseHost = Activity[DiagnoseInput, diagnosis.Report]{"DiagnoseHost"}
)

// MaxListed bounds how many backups one list holds, so that it fits a payload.
const MaxListed = 500

// ListInput asks for the finished backups on the share.
type ListInput struct {
	Instance string    `json:"instance"`
	BackupID backup.ID `json:"backupId,omitempty"` // only this one
	Limit    int       `json:"limit"`              // newest first, at most MaxListed
	Expected bool      `json:"expected,omitempty"` // tell the newest one that is to be there, too
	Space    bool      `json:"space,omitempty"`    // tell the space on the share, too
}

// ListOutput holds them, newest first.
type ListOutput struct {
	Backups    []backup.Overview `json:"backups"`
	Unreadable []backup.Finding  `json:"unreadable"` // folders that are no readable backup
	// Foreign is what else lies in backups/ and concerns none of them.
	Foreign backup.Foreign `json:"foreign,omitzero"`
	More    bool           `json:"more"` // older ones were left out
	// Expected is the newest backup of those that are listed and those that the ledger
	// tells of, when that was asked for; empty when there is none.
	Expected backup.ID `json:"expected,omitempty"`
	// FreeBytes and TotalBytes are the space on the share, when that was asked for; zero when it does not tell.
	FreeBytes  int64 `json:"freeBytes,omitempty"`
	TotalBytes int64 `json:"totalBytes,omitempty"`
}

// VerifyInput asks for the check of one backup without any key.
type VerifyInput struct {
	Instance string    `json:"instance"`
	BackupID backup.ID `json:"backupId"`
	// BackupOnly leaves out the ledger and what concerns the share as a whole, because an
	// audit has told it: Found is the code of what that has found about the backup, and Sequence
	// that of the ledger's newest entry about it.
	BackupOnly bool   `json:"alone,omitempty"`
	Found      string `json:"found,omitempty"`
	Sequence   int64  `json:"sequence,omitempty"`
}

// DeleteInput asks for the removal of a finished backup.
type DeleteInput struct {
	Instance    string    `json:"instance"`
	BackupID    backup.ID `json:"backupId"`
	RequestedBy string    `json:"requestedBy"`
	// Seen is what the caller knew. A deletion that comes late, when other settings are
	// active or something else has happened to the backup, is refused with
	// SETTINGS_CHANGED. Zero for a caller that has seen nothing.
	Seen Seen `json:"seen,omitzero"`
	// Pruned says that retention removes it, which the ledger records as such.
	Pruned bool `json:"pruned,omitempty"`
}

// Seen is how far settings and ledger were when somebody decided something.
type Seen struct {
	Revision int64             `json:"revision"`
	Ledger   backup.LedgerHead `json:"ledger"`
	// Reasons is a digest of why retention removes, empty where it is not retention that does.
	Reasons string `json:"reasons,omitempty"`
}

// DiagnoseInput asks a worker to check its sources and the share.
type DiagnoseInput struct {
	Instance string `json:"instance"`
	Share    bool   `json:"share"` // try the share, too
	// Thorough tries everything that an adapter promises of a share, not only what another
	// server may keep from it.
	Thorough bool `json:"thorough,omitempty"`
	// Hosts are the hosts of all workers that are to be asked, beside the one that takes
	// up the diagnosis; at most MaxWorkers.
	Hosts []string `json:"hosts,omitempty"`
	// Brief asks only which services a worker has sources for.
	Brief bool `json:"brief,omitempty"`
	// Settings checks the settings alone: whether they are the active ones, and what the
	// share says of that.
	Settings bool `json:"settings,omitempty"`
}

// MaxWorkers bounds how many workers of an instance are asked one by one.
const MaxWorkers = 32
