package flow

import (
	"encoding/json"
	"time"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
)

// Workflows that replace the keys of finished backups. Both have the same fixed ID, so
// one of them runs at a time.
var (
	Rewrap    = Workflow[RewrapInput, RewrapOutput]{"RewrapWorkflow"}
	Reencrypt = Workflow[ReencryptInput, ReplacedBackup]{"ReencryptWorkflow"}
	// ChallengeBackups makes the challenges that a rewrapping answers.
	ChallengeBackups = Workflow[ChallengeInput, ChallengeOutput]{"ChallengeBackupsWorkflow"}
)

// Their activities.
var (
	ReplaceKeys = Activity[RewrapInput, RewrapOutput]{"ReplaceKeys"}
	SwapBackup  = Activity[ReencryptInput, ReplacedBackup]{"SwapBackup"}
	// MakeChallenges is the one step of [ChallengeBackups].
	MakeChallenges = Activity[ChallengeInput, ChallengeOutput]{"MakeChallenges"}
)

// ChallengeInput asks for challenges to the keys of backups.
type ChallengeInput struct {
	Instance string      `json:"instance"`
	Revision int64       `json:"revision"` // whose recipients the keys are to be wrapped to
	Backups  []backup.ID `json:"backups"`  // at most RewrapBatch
}

// ChallengeOutput holds them, in the order of the input.
type ChallengeOutput struct {
	Challenges []KeyFileChallenge `json:"challenges"`
}

// KeyFileChallenge is a challenge to the key of one backup, with what a worker needs to
// check the answer. The worker keeps nothing: it knows its challenge again by the signature.
type KeyFileChallenge struct {
	BackupID  backup.ID `json:"backupId"`
	Revision  int64     `json:"revision"`
	Public    string    `json:"public"` // half of the key that vouches
	At        time.Time `json:"at"`
	Signature []byte    `json:"signature,omitempty"` // of all above
	// Text is the challenge itself; it is not sent back.
	Text []byte `json:"text,omitempty"`
}

// Statement is what the worker signs.
func (c KeyFileChallenge) Statement() ([]byte, error) {
	c.Signature, c.Text = nil, nil
	text, err := json.Marshal(c)
	if err != nil {
		return nil, fault.New(fault.Internal, "state a challenge", err)
	}
	return append([]byte("infrabackup key file challenge, version 1\n"), text...), nil
}

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
	// Challenge and Voucher prove that somebody who can open the backup made KeyAge, as
	// [seal.KeyFileStatement] says. A file that the ledger knows already needs none.
	Challenge *KeyFileChallenge `json:"challenge,omitempty"`
	Voucher   []byte            `json:"voucher,omitempty"`
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
// re-encrypted and put into staging/.
type ReencryptInput struct {
	Instance    string    `json:"instance"`
	Revision    int64     `json:"revision"`
	BackupID    backup.ID `json:"backupId"`
	RequestedBy string    `json:"requestedBy"`
	Staged      string    `json:"staged"` // SHA-256 of the staged SHA256SUMS, which is to be signed
}
