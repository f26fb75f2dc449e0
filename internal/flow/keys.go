package flow

import "infrabackup/internal/backup"

// Workflows that replace the keys of finished backups. Both have the same fixed ID, so
// one of them runs at a time.
var (
	Rewrap    = Workflow[RewrapInput, RewrapOutput]{"RewrapWorkflow"}
	Reencrypt = Workflow[ReencryptInput, ReplacedBackup]{"ReencryptWorkflow"}
)

// Their activities.
var (
	ReplaceKeys = Activity[RewrapInput, RewrapOutput]{"ReplaceKeys"}
	SwapBackup  = Activity[ReencryptInput, ReplacedBackup]{"SwapBackup"}
)

// RewrapBatch is how many keys one run replaces at the most: so many fit a payload.
const RewrapBatch = 16

// RewrapInput holds backup keys that an operator has unwrapped and wrapped to the
// recipients of a revision; the service could do neither.
type RewrapInput struct {
	Instance    string       `json:"instance"`
	Revision    int64        `json:"revision"` // whose recipients the keys are wrapped to
	RequestedBy string       `json:"requestedBy"`
	Keys        []WrappedKey `json:"keys"`
}

// WrappedKey is the new key.age of one backup.
type WrappedKey struct {
	BackupID backup.ID `json:"backupId"`
	KeyAge   []byte    `json:"keyAge"`
}

// RewrapOutput tells what became of each backup, in the order of the input.
type RewrapOutput struct {
	Backups []ReplacedBackup `json:"backups"`
}

// ReplacedBackup is a backup whose key was replaced.
type ReplacedBackup struct {
	BackupID backup.ID `json:"backupId"`
	Path     string    `json:"path"`
	Changed  bool      `json:"changed"` // false when it was so already
	Written  int64     `json:"writtenBytes"`
}

// ReencryptInput asks for the replacement of a backup by the one that an operator has
// encrypted anew and put into staging/.
type ReencryptInput struct {
	Instance    string    `json:"instance"`
	Revision    int64     `json:"revision"`
	BackupID    backup.ID `json:"backupId"`
	RequestedBy string    `json:"requestedBy"`
	Staged      string    `json:"staged"` // SHA-256 of the staged SHA256SUMS, which is to be signed
}
