package backup

import (
	"fmt"
	"path"
	"regexp"
	"strings"
	"time"
)

// Names below an instance's folder on the share. All paths use forward slashes
// and are relative to the instance's folder unless a comment says otherwise.
const (
	BackupsDir         = "backups"         // finished backups, nothing else
	IncomingDir        = "incoming"        // work in progress, never listed as a backup
	LedgerDir          = "ledger"          // what was done to the backups, one file an entry
	StagingDir         = "staging"         // backups that are being replaced or copied, never listed
	RestoresDir        = "restores"        // plans and journals of restores, encrypted, a folder each
	DrillsDir          = "drills"          // certificates of drills, which operators lay there
	ControllerFile     = "controller.json" // which controller writes here
	RecoveryFile       = "RECOVERY.txt"    // how to open a backup with stock tools
	AllowedSignersFile = "allowed_signers" // public signing keys, for ssh-keygen -Y verify
)

// Names inside a backup's folder.
const (
	ManifestFile  = "manifest.json"
	KeyFile       = "key.age"
	CatalogFile   = "catalog.zst.age"
	SumsFile      = "SHA256SUMS"
	SignatureFile = "SHA256SUMS.sig"
)

// NextSuffix ends the name of a file that is about to replace the one without it:
// stores have no rename that replaces. It is seen in a backup's folder only while
// its key is being replaced, or after a crash in between.
const NextSuffix = ".next"

// FormatVersion is the version of the layout and of every file in it that this
// code writes. FORMAT.md says what each version holds.
const FormatVersion = 1

// SignatureNamespace is the SSHSIG namespace of [SignatureFile], and SignerIdentity
// is the principal that [AllowedSignersFile] lists.
const (
	SignatureNamespace = "infrabackup"
	SignerIdentity     = "infrabackup"
)

// DrillNamespace is the SSHSIG namespace of certificates of drills, and the principal that
// signs them: what vouches for a drill never passes for what vouches for a backup.
const DrillNamespace = "infrabackup-drill"

const folderTime = "20060102T150405Z"

var folderPattern = regexp.MustCompile(`^(\d{8}T\d{6}Z)_([0-9a-f-]{36})$`)

// PartFile names the part of a service inside a backup's folder, such as
// ad.tar.zst.age.
func PartFile(s Service) string { return strings.ToLower(string(s)) + ".tar.zst.age" }

// FolderName names the folder of a finished backup. Names sort by time; the time
// is the start of the backup in UTC.
func FolderName(id ID, startedAt time.Time) string {
	return startedAt.UTC().Format(folderTime) + "_" + string(id)
}

// ParseFolderName takes a name made by [FolderName] apart.
func ParseFolderName(name string) (ID, time.Time, error) {
	m := folderPattern.FindStringSubmatch(name)
	if m == nil {
		return "", time.Time{}, fmt.Errorf("%q is not the folder of a backup", name)
	}
	id, err := ParseID(m[2])
	if err != nil {
		return "", time.Time{}, err
	}
	t, err := time.Parse(folderTime, m[1])
	if err != nil {
		return "", time.Time{}, fmt.Errorf("folder %q: %w", name, err)
	}
	return id, t, nil
}

// OldSuffix ends the name of the folder in staging/ with a backup that was replaced by the
// copy at [StagingPath].
const OldSuffix = ".old"

// BackupPath is where the finished backup lies.
func BackupPath(id ID, startedAt time.Time) string {
	return path.Join(BackupsDir, FolderName(id, startedAt))
}

// IncomingPath is where the backup is put together before it is published.
func IncomingPath(id ID) string { return path.Join(IncomingDir, string(id)) }

// StagingPath is where a backup is put together that replaces a finished one, or
// that is copied from another share.
func StagingPath(id ID) string { return path.Join(StagingDir, string(id)) }
