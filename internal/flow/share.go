package flow

import (
	"slices"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
)

// Workflows that look at the share on behalf of somebody who cannot reach it.
var (
	List     = Workflow[ListInput, ListOutput]{"ListWorkflow"}
	Verify   = Workflow[VerifyInput, backup.Verdict]{"VerifyWorkflow"}
	Delete   = Workflow[DeleteInput, backup.Overview]{"DeleteWorkflow"}
	Diagnose = Workflow[DiagnoseInput, DiagnoseOutput]{"DiagnoseWorkflow"}
)

// Their activities.
var (
	ListBackups  = Activity[ListInput, ListOutput]{"ListBackups"}
	VerifyBackup = Activity[VerifyInput, backup.Verdict]{"VerifyBackup"}
	DeleteBackup = Activity[DeleteInput, backup.Overview]{"DeleteBackup"}
	DiagnoseHost = Activity[DiagnoseInput, DiagnoseOutput]{"DiagnoseHost"}
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

// ShareTrial is how much of the share a diagnosis tries.
type ShareTrial int

// The trials, each more than the one before.
const (
	ShareUntried         ShareTrial = iota
	ShareTried                      // what a backup needs from the server
	ShareTriedThoroughly            // all that an adapter promises
)

// MaxWorkers bounds how many workers of an instance are asked one by one.
const MaxWorkers = 32

// Names of checks that others look for in a diagnosis.
const (
	CheckOfSettings = "settings" // that the entity answers, with settings that can be used
	CheckOfAnchor   = "anchor"   // that the share does not tell of newer ones
)

// DiagnoseOutput is the worker's report.
type DiagnoseOutput struct {
	Host    string  `json:"host"`
	Version string  `json:"version"`
	Checks  []Check `json:"checks"`
	// Services are those that the worker has sources for.
	Services []backup.Service `json:"services,omitempty"`
	// Workers are the reports of the other workers.
	Workers []DiagnoseOutput `json:"workers,omitempty"`
}

// Unanswered is the report on a worker that was asked and did not answer.
func Unanswered(host string, cause *fault.Fault) DiagnoseOutput {
	return DiagnoseOutput{Host: host, Checks: []Check{{
		Name: unanswered, Code: string(fault.NoWorker), Message: "does not answer: " + cause.Message(), Remedy: fault.NoWorker.Remedy(),
	}}}
}

const unanswered = "worker" // the name of the only check in such a report

// Answered reports whether the worker has made the report itself.
func (o DiagnoseOutput) Answered() bool {
	return !slices.ContainsFunc(o.Checks, func(c Check) bool { return c.Name == unanswered && !c.OK })
}

// Check is one line of a diagnosis.
type Check struct {
	Name    string `json:"name"`
	OK      bool   `json:"ok"`
	Code    string `json:"code,omitempty"`
	Message string `json:"message"`
	Remedy  string `json:"remedy,omitempty"`
}
