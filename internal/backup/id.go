package backup

import (
	"encoding/hex"
	"fmt"
	"io"
	"regexp"
)

// ID identifies one backup: a random GUID (RFC 9562 version 4) in lower case.
type ID string

// Ref names a backup. Where an operator has named the backup's folder as well, that one is
// meant, also when others have the ID.
type Ref struct {
	ID     ID
	Folder string // in backups/, empty for the backup's own
}

var idPattern = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

// NewID draws an ID from random, which is crypto/rand.Reader outside tests.
func NewID(random io.Reader) (ID, error) {
	var b [16]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", fmt.Errorf("draw a backup id: %w", err)
	}
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	h := hex.EncodeToString(b[:])
	return ID(h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]), nil
}

// Latest stands for the newest finished backup where a name is asked for.
const Latest = "latest"

// ParseID accepts a GUID in lower case and nothing else, so that an ID is safe
// as a part of a path.
func ParseID(s string) (ID, error) {
	if !idPattern.MatchString(s) {
		return "", fmt.Errorf("%.100q is not a backup id: want a GUID such as 0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11", s)
	}
	return ID(s), nil
}
