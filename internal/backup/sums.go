package backup

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Limits of a SHA256SUMS that others may have written.
const (
	// MaxSumsBytes bounds its size.
	MaxSumsBytes = 64 << 10
	maxSumsLines = 256
)

// EncodeSums renders [SumsFile] in the format of GNU coreutils' sha256sum: digest,
// two spaces, name, newline, sorted by name. Sizes are not part of it.
func EncodeSums(files []File) []byte {
	sorted := slices.SortedFunc(slices.Values(files), func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	var buf bytes.Buffer
	for _, f := range sorted {
		fmt.Fprintf(&buf, "%s  %s\n", f.SHA256, f.Name)
	}
	return buf.Bytes()
}

// DecodeSums reads a SHA256SUMS that others may have written. It takes exactly what
// [EncodeSums] writes: at least one line, each ended by a newline, names that a
// backup can have, in ascending order and so without duplicates, at most
// [MaxSumsBytes]. The sizes of the files it returns are zero, because the format
// has none.
func DecodeSums(data []byte) ([]File, error) {
	if len(data) > MaxSumsBytes {
		return nil, fmt.Errorf("%s is larger than %d bytes", SumsFile, MaxSumsBytes)
	}
	text, ended := strings.CutSuffix(string(data), "\n")
	if !ended {
		return nil, errors.New(SumsFile + " is empty or its last line has no end")
	}
	lines := strings.Split(text, "\n")
	if len(lines) > maxSumsLines {
		return nil, fmt.Errorf("%s has more than %d lines", SumsFile, maxSumsLines)
	}
	files := make([]File, 0, len(lines))
	for i, line := range lines {
		digest, name, ok := strings.Cut(line, "  ")
		switch {
		case !ok || !digestPattern().MatchString(digest):
			return nil, fmt.Errorf("%s, line %d: want a SHA-256 in lower-case hex, two spaces and a name", SumsFile, i+1)
		case !filePattern().MatchString(name):
			return nil, fmt.Errorf("%s, line %d: %q is not a file name that a backup can have", SumsFile, i+1, name)
		case i > 0 && name <= files[i-1].Name:
			return nil, fmt.Errorf("%s, line %d: %s is listed twice or out of order", SumsFile, i+1, name)
		}
		files = append(files, File{Name: name, SHA256: digest})
	}
	return files, nil
}
