package archive

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"

	"infrabackup/internal/fault"
)

// Limits of a path in a part. They are those of Linux, where a part must be
// extractable: PATH_MAX and NAME_MAX, and a depth that no real source has.
const (
	maxPath    = 4095
	maxElement = 255
	maxDepth   = 128
	// maxPaths bounds the files and folders of one part, and so the memory that
	// telling them apart takes.
	maxPaths = 1 << 20
)

// isKind reports whether s can name a kind of items, and so a folder in a part: 1 to 63
// lower case letters, digits and hyphens, none of these at its ends. It is asked
// several times for each item.
func isKind(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// checkPath accepts a relative path that stays below its root whatever system
// resolves it. Any byte that a file name can have is allowed, valid UTF-8 or not.
func checkPath(path string) error {
	switch {
	case path == "":
		return errors.New("the path is empty")
	case len(path) > maxPath:
		return fmt.Errorf("the path has %d bytes, at most %d are possible", len(path), maxPath)
	case strings.IndexByte(path, 0) >= 0:
		return fmt.Errorf("path %q holds a NUL", path)
	}
	depth := 0
	for element := range strings.SplitSeq(path, "/") {
		depth++
		switch {
		case element == "" || element == "." || element == "..":
			return fmt.Errorf("path %q is not relative and clean", path)
		case len(element) > maxElement:
			return fmt.Errorf("path %q has an element of %d bytes, at most %d are possible", path, len(element), maxElement)
		case depth > maxDepth:
			return fmt.Errorf("path %q is deeper than %d", path, maxDepth)
		}
	}
	return nil
}

// pathSet knows which files a part has, and which folders they imply. It keeps
// digests instead of names: 17 bytes each, however long the names are.
type pathSet map[[16]byte]bool // true for a file

// add refuses a path that is there already, or that is a file and a folder at once,
// because no file system could hold both.
func (s pathSet) add(path string) error {
	for i := range len(path) {
		if path[i] != '/' {
			continue
		}
		parent := pathKey(path[:i])
		if s[parent] {
			return fault.Newf(fault.SourceInvalid, "%q is a file, and %q would lie below it", path[:i], path)
		}
		s[parent] = false
	}
	key := pathKey(path)
	if _, there := s[key]; there {
		return fault.Newf(fault.SourceInvalid, "%q is in the part already", path)
	}
	s[key] = true
	if len(s) > maxPaths {
		return fault.Newf(fault.LimitExceeded, "the part has more than %d files and folders", maxPaths)
	}
	return nil
}

func pathKey(path string) [16]byte {
	sum := sha256.Sum256([]byte(path))
	return [16]byte(sum[:16])
}
