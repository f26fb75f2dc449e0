package collect

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"infrabackup/internal/printable"
)

// Limits of what stands in a part as a file (backup's FORMAT.md, section 6).
const (
	// MaxElement is the most bytes that one element of a file's path in a part can have.
	MaxElement = 255
	// MaxPath is the most bytes that the whole path can have.
	MaxPath = 4095
)

// shortMark stands in front of the digest in a shortened name.
const shortMark = "~"

// ShortenElement makes a name fit for an element of a path in a part: its beginning, ~
// and the first 32 hexadecimal digits of the SHA-256 of the whole name. One that fits is
// returned as it is. Different names stay different, unless the source holds a name that
// was made to look like a shortened one: callers keep shortened names in a folder where
// no name of the source can stand as it is.
func ShortenElement(name string) (short string, shortened bool) {
	if len(name) <= MaxElement {
		return name, false
	}
	mark := digestMark(name)
	return clip(name, MaxElement-len(mark)) + mark, true
}

// ShortenPath does the same for each element of a path, and for the path as a whole:
// of one that is still too long only the last element stays, below a folder named by
// the mark of the whole path.
func ShortenPath(path string, limit int) (short string, shortened bool) {
	elements := strings.Split(path, "/")
	for i := range elements {
		var cut bool
		elements[i], cut = ShortenElement(elements[i])
		shortened = shortened || cut
	}
	short = strings.Join(elements, "/")
	if len(short) <= limit {
		return short, shortened
	}
	return digestMark(path) + "/" + elements[len(elements)-1], true
}

func digestMark(text string) string {
	sum := sha256.Sum256([]byte(text))
	return shortMark + hex.EncodeToString(sum[:16])
}

// clip cuts text to at most n bytes: neither in the middle of a character nor of a
// percent-encoded byte.
func clip(text string, n int) string {
	text = printable.Prefix(text, n)
	if at := strings.LastIndexByte(text, '%'); at >= 0 && at > len(text)-3 {
		text = text[:at]
	}
	return text
}
