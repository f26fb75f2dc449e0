package folder

import (
	"regexp"
	"slices"
	"strings"

	"infrabackup/internal/backup"
	"infrabackup/internal/share"
)

// Suffixes of work files: lists of items, and uploads that are not complete.
const (
	workSuffix = ".index"
	tempSuffix = ".part"
)

// ProbePrefix begins the names of probes in incoming/.
const ProbePrefix = "probe-"

// IsOwnFile reports whether an entry of a backup's folder, finished or not, has a name
// that only the product gives.
func IsOwnFile(entry share.Info) bool {
	return !entry.IsDir && (IsBackupFile(entry.Name) || isWorkFile(entry.Name) || isPart(entry.Name))
}

// IsBackupFile reports whether the name is one that files in a backup's folder have.
func IsBackupFile(name string) bool {
	if isSealed(strings.TrimSuffix(name, backup.NextSuffix)) {
		return true
	}
	return slices.ContainsFunc(backup.Services(), func(s backup.Service) bool { return backup.PartFile(s) == name })
}

// isSealed reports whether the name is that of a file which every backup has: one that is
// not wanted is no left-over of an attempt.
func isSealed(name string) bool {
	switch name {
	case backup.ManifestFile, backup.KeyFile, backup.CatalogFile, backup.SumsFile, backup.SignatureFile:
		return true
	}
	return false
}

// isWorkFile reports whether the name is one of a file that only exists while a
// backup is being made.
func isWorkFile(name string) bool {
	whole := WholeName(name)
	index, isIndex := strings.CutSuffix(whole, workSuffix)
	return (isIndex || whole != name) && IsBackupFile(index)
}

// partPattern is what parts are called, those of services that this version does not know
// among them.
var partPattern = regexp.MustCompile(`^[a-z0-9]+\.tar\.zst\.age$`)

// isPart reports whether the name is that of an encrypted part.
func isPart(name string) bool { return partPattern.MatchString(name) }

// WholeName is the name that an upload's file gets when it is whole; others stay as they
// are.
func WholeName(name string) string {
	if part, ok := strings.CutSuffix(name, tempSuffix); ok {
		if dot := strings.LastIndexByte(part, '.'); dot > 0 {
			return part[:dot]
		}
	}
	return name
}

// IsSent reports whether an entry is what an upload has written of a file that has no name of
// its own yet.
func IsSent(entry, file string) bool { return entry != file && WholeName(entry) == file }

// FinalName is the name that a file of [Folder.CreateExclusive] was to get, and whether
// the given one is temporary.
func FinalName(name string) (final string, temporary bool) {
	final, _, temporary = strings.Cut(name, tempInfix)
	return final, temporary
}

// WorkOwner is the backup that a folder in incoming/ or staging/ belongs to, empty when
// it belongs to none. Names that were taken already are followed by a dot and something
// else.
func WorkOwner(name string) backup.ID {
	owner, _, _ := strings.Cut(name, ".")
	id, err := backup.ParseID(owner)
	if err != nil {
		return ""
	}
	return id
}
