package drill

import (
	"regexp"
	"strings"

	"infrabackup/internal/backup"
)

// SignatureSuffix ends the name of the signature beside a certificate.
const SignatureSuffix = ".sig"

const (
	fileTime   = "20060102T150405Z"
	fileSuffix = ".json"
)

var filePattern = regexp.MustCompile(`^\d{8}T\d{6}Z_[0-9a-f-]{36}\.json$`)

// FileName is what the certificate's file is called: names sort as the drills began.
func (c *Certificate) FileName() string {
	return c.StartedAt.Format(fileTime) + "_" + string(c.DrillID) + fileSuffix
}

// IsFileName reports whether a file may be a certificate by its name.
func IsFileName(name string) bool { return filePattern.MatchString(name) }

// IDOf is the drill that a certificate is of by its file's name, empty for a name that is none.
func IDOf(name string) backup.ID {
	if !IsFileName(name) {
		return ""
	}
	_, id, _ := strings.Cut(strings.TrimSuffix(name, fileSuffix), "_")
	return backup.ID(id)
}
