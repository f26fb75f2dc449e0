package flow

import (
	"time"

	"infrabackup/internal/backup"
)

// Backup makes one backup.
var Backup = Workflow[BackupInput, backup.Overview]{"BackupWorkflow"}

// DefaultSpoolWait is how long a run waits for the host whose spool holds
// captured data before the service is captured again elsewhere.
const DefaultSpoolWait = 10 * time.Minute

// DefaultSourceWait is how long a run waits for a worker that has a service's source.
// Where none was there when the run began, it is [AbsentSourceWait] at the most.
const (
	DefaultSourceWait = 10 * time.Minute
	AbsentSourceWait  = time.Minute
)

// BackupInput starts a backup.
type BackupInput struct {
	Instance    string        `json:"instance"`
	BackupID    backup.ID     `json:"backupId"`
	RequestedBy string        `json:"requestedBy"`
	SpoolWait   time.Duration `json:"spoolWait"` // DefaultSpoolWait when zero
	// IgnoreFreeSpace goes on with less free space on the share than a backup is expected to
	// need, for servers that report less than there is.
	IgnoreFreeSpace bool `json:"ignoreFreeSpace,omitempty"`
	// SourceWait is how long a service waits for a worker that has its source;
	// DefaultSourceWait when zero.
	SourceWait time.Duration `json:"sourceWait,omitempty"`
}

// BackupProgress tells how far the running backup is. Bytes within a running
// activity are in that activity's heartbeat, see [Heartbeat].
var BackupProgress = Query[struct{}, Progress]{"progress"}

// Progress is the state of a run.
type Progress struct {
	BackupID  backup.ID         `json:"backupId"`
	Status    backup.Status     `json:"status"`
	Step      string            `json:"step"` // what the run does as a whole, in words
	StartedAt time.Time         `json:"startedAt"`
	Services  []ServiceProgress `json:"services"`
}

// Phase is where a service is in its run.
type Phase string

// The phases of a service, in order; Failed can follow any.
const (
	PhaseQueued   Phase = "queued"
	PhaseCapture  Phase = "capture"
	PhaseUpload   Phase = "upload"
	PhaseDone     Phase = "done"
	PhaseFailed   Phase = "failed"
	PhaseReadBack Phase = "read back" // the second half of an upload; only in heartbeats
)

// ServiceProgress is the state of one service in a run.
type ServiceProgress struct {
	Service    backup.Service `json:"service"`
	Phase      Phase          `json:"phase"`
	Items      int64          `json:"items"`
	Bytes      int64          `json:"bytes"`      // done in this phase
	TotalBytes int64          `json:"totalBytes"` // of this phase, 0 while unknown
	Code       string         `json:"code,omitempty"`
	Message    string         `json:"message,omitempty"`
}

// Result is the progress as a backup has it that is not finished.
func (p ServiceProgress) Result() backup.ServiceResult {
	status := backup.Running
	switch p.Phase {
	case PhaseQueued:
		status = backup.Queued
	case PhaseDone:
		status = backup.Succeeded
	case PhaseFailed:
		status = backup.Failed
	}
	return backup.ServiceResult{Service: p.Service, Status: status, Items: p.Items, Bytes: p.Bytes, Gaps: []backup.Gap{}, Code: p.Code, Message: p.Message}
}

// Heartbeat is what every long activity reports.
type Heartbeat struct {
	Service    backup.Service `json:"service,omitempty"`
	Phase      Phase          `json:"phase"`
	Items      int64          `json:"items"`
	Bytes      int64          `json:"bytes"`
	TotalBytes int64          `json:"totalBytes"`
}

// The activities of a backup, in the order in which they run.
var (
	CheckShare    = Activity[CheckShareInput, CheckShareOutput]{"CheckShare"}
	PrepareKey    = Activity[PrepareKeyInput, PrepareKeyOutput]{"PrepareKey"}
	UploadPart    = Activity[UploadPartInput, UploadPartOutput]{"UploadPart"}
	SealBackup    = Activity[SealBackupInput, SealBackupOutput]{"SealBackup"}
	PublishBackup = Activity[PublishBackupInput, PublishBackupOutput]{"PublishBackup"}
	ReleaseSpool  = Activity[ReleaseSpoolInput, struct{}]{"ReleaseSpool"}
	DiscardBackup = Activity[DiscardBackupInput, DiscardBackupOutput]{"DiscardBackup"}
)

// Collect is the activity that captures a service, such as CollectAD.
func Collect(s backup.Service) Activity[CollectInput, CollectOutput] {
	return Activity[CollectInput, CollectOutput]{"Collect" + string(s)}
}

// CheckShareInput asks for the pre-flight check of a run.
type CheckShareInput struct {
	Instance        string    `json:"instance,omitempty"` // absent in runs of earlier versions
	BackupID        backup.ID `json:"backupId"`
	IgnoreFreeSpace bool      `json:"ignoreFreeSpace,omitempty"`
}

// CheckShareOutput pins what the run works with.
type CheckShareOutput struct {
	Revision  int64            `json:"revision"`  // of the settings, for the whole run
	Services  []backup.Service `json:"services"`  // that the backup has to contain
	FreeBytes int64            `json:"freeBytes"` // on the share, 0 when it does not tell
	// Previous is the newest backup that was there, nil for none; PreviousKnown says that it
	// was looked for, as earlier versions do not.
	Previous      *backup.Previous `json:"previous,omitempty"`
	PreviousKnown bool             `json:"previousKnown,omitempty"`
	// Absent are those of the services that no worker had a source for when the run
	// began, as far as Temporal knows.
	Absent []backup.Service `json:"absent,omitempty"`
	// Shared are those that are captured on the queue of all workers: the worker that
	// checked has their source, and nobody polls the queue that is only for them, as
	// workers of earlier versions do not.
	Shared []backup.Service `json:"shared,omitempty"`
}

// PrepareKeyInput asks for the backup key.
type PrepareKeyInput struct {
	BackupID backup.ID `json:"backupId"`
	Revision int64     `json:"revision"`
}

// PrepareKeyOutput holds public halves and digests only.
type PrepareKeyOutput struct {
	Recipient string      `json:"recipient"` // public half of the backup key
	Key       backup.File `json:"key"`       // key.age as written
	WorkKeyID string      `json:"workKeyId"` // codec key from which the key of work files is derived
}

// CollectInput asks for the capture of one service.
type CollectInput struct {
	BackupID  backup.ID      `json:"backupId"`
	Service   backup.Service `json:"service"`
	Recipient string         `json:"recipient"`
	WorkKeyID string         `json:"workKeyId"`
	// Revision of the settings with which a large part is uploaded while it is captured;
	// 0, as in older histories, waits with the upload until the capture has ended.
	Revision int64 `json:"revision,omitempty"`
}

// CollectOutput says what was captured and on which host it lies.
type CollectOutput struct {
	Host   string               `json:"host"`
	Result backup.ServiceResult `json:"result"` // Status is Running until the part is on the share
	Part   backup.File          `json:"part"`   // in the spool
	Index  backup.File          `json:"index"`  // the part's catalog entries, in the spool, under the work key
}

// UploadPartInput asks the host of the spool to upload.
type UploadPartInput struct {
	BackupID backup.ID      `json:"backupId"`
	Revision int64          `json:"revision"`
	Service  backup.Service `json:"service"`
	Part     backup.File    `json:"part"`
	Index    backup.File    `json:"index"`
	// Inline asks for the index in the result: far from the share, that spares writing,
	// reading and removing it there. A run whose workflow an earlier version
	// works on does not ask, since it would not pass it on.
	Inline bool `json:"inline,omitempty"`
}

// UploadPartOutput says what is on the share.
type UploadPartOutput struct {
	Part        backup.File `json:"part"`
	Index       backup.File `json:"index"`
	IndexData   []byte      `json:"indexData,omitempty"` // of a short index, which is not on the share then
	ResumedFrom int64       `json:"resumedFrom"`         // offset of the part at which the last attempt began
	SentBytes   int64       `json:"sentBytes"`           // by the last attempt
}

// SealBackupInput asks for catalog, manifest, sums and signature.
type SealBackupInput struct {
	BackupID    backup.ID              `json:"backupId"`
	Revision    int64                  `json:"revision"`
	StartedAt   time.Time              `json:"startedAt"`
	RequestedBy string                 `json:"requestedBy"`
	Recipient   string                 `json:"recipient"`
	WorkKeyID   string                 `json:"workKeyId"`
	Key         backup.File            `json:"key"`
	Services    []backup.ServiceResult `json:"services"`
	Parts       []backup.File          `json:"parts"`
	Indexes     []ServiceIndex         `json:"indexes"`
	// Previous is the backup before this one, as the check of the share found it; without
	// PreviousKnown it is looked for.
	Previous      *backup.Previous `json:"previous,omitempty"`
	PreviousKnown bool             `json:"previousKnown,omitempty"`
}

// ServiceIndex is a part's list of items, encrypted to the run's key of work files.
type ServiceIndex struct {
	Service backup.Service `json:"service"`
	File    backup.File    `json:"file"`
	Data    []byte         `json:"data,omitempty"` // all of it; without, it is on the share
}

// MaxIndexData bounds the lists that travel in the results of one run, and together in one
// input, of which Temporal takes no more than 2 MiB as it is encoded.
const MaxIndexData = 512 << 10

// SealBackupOutput lists everything that the backup consists of.
type SealBackupOutput struct {
	Status     backup.Status `json:"status"`
	FinishedAt time.Time     `json:"finishedAt"`
	TotalBytes int64         `json:"totalBytes"`
	Sealed     []backup.File `json:"sealed"` // what SealBackup itself wrote
}

// PublishBackupInput asks for the rename that makes it a backup.
type PublishBackupInput struct {
	BackupID    backup.ID     `json:"backupId"`
	Revision    int64         `json:"revision"`
	StartedAt   time.Time     `json:"startedAt"`
	RequestedBy string        `json:"requestedBy"`
	Sealed      []backup.File `json:"sealed"`
}

// PublishBackupOutput names the backup's folder.
type PublishBackupOutput struct {
	Path    string         `json:"path"`             // relative to the share's path
	Foreign backup.Foreign `json:"foreign,omitzero"` // what others put into it; left there
}

// ReleaseSpoolInput asks a host to forget what it captured for a backup. With a
// service, only that service's files.
type ReleaseSpoolInput struct {
	BackupID backup.ID      `json:"backupId"`
	Service  backup.Service `json:"service,omitempty"`
}

// DiscardBackupInput asks for the removal of work in progress from the share.
type DiscardBackupInput struct {
	BackupID backup.ID `json:"backupId"`
	Revision int64     `json:"revision"`
}

// DiscardBackupOutput tells what was not removed.
type DiscardBackupOutput struct {
	// Published is the path of the backup when it was finished and is in the ledger: it stays.
	Published string `json:"published,omitempty"`
}
