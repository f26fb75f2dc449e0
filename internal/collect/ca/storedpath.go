package ca

import (
	"fmt"
	"strings"

	"infrabackup/internal/collect"
)

// Folders of a part that hold a CA's files, by their own names and by others.
const (
	storedFolder  = "ca/"
	renamedFolder = "ca-renamed/"
)

// storedPath is where a file goes in the part. Names that are not printable UTF-8
// cannot stand in the catalog: their odd bytes are percent-encoded, in a folder of
// their own, so that they collide with no real name. Encoding makes names up to three
// times as long, and a path may be longer than a part can hold; then the name is
// shortened as well ([collect.ShortenPath]): see isShortened.
func storedPath(name string) (stored string, renamed bool) {
	odd := func(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' || r == '\uFFFD' }
	if strings.IndexFunc(name, odd) < 0 {
		if _, long := collect.ShortenPath(name, collect.MaxPath-len(storedFolder)); !long {
			return storedFolder + name, false
		}
	}
	var b strings.Builder
	for i := range len(name) {
		// The mark of shortened names stands for nothing else in this folder.
		if c := name[i]; c <= ' ' || c >= 0x7f || c == '%' || c == '\\' || c == '~' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	short, _ := collect.ShortenPath(b.String(), collect.MaxPath-len(renamedFolder))
	return renamedFolder + short, true
}

// isShortened reports whether percent-decoding a stored path does not give back the
// name.
func isShortened(stored string) bool {
	return strings.HasPrefix(stored, renamedFolder) && strings.Contains(stored, "~")
}

// itemID is the ID of what stands at a path of the part.
func itemID(stored string) string { return strings.TrimPrefix(stored, storedFolder) }
