package directory

import (
	"bytes"
	"fmt"
	"path"
	"strings"

	"infrabackup/internal/diff/result"
)

// CompareFile compares two versions of a file of SYSVOL, of which it is known that they
// differ. Contents are not shown: policies hold passwords.
func CompareFile(name string, a, b []byte, to *result.Details) {
	if strings.EqualFold(path.Base(name), "gpt.ini") && bytes.Equal(withoutVersion(a), withoutVersion(b)) {
		to.Ignore(ReasonPolicy)
		return
	}
	to.Change("content", fmt.Sprintf("%d bytes", len(a)), fmt.Sprintf("%d bytes", len(b)))
}

// withoutVersion is a GPT.INI (MS-GPOL 2.2.4) without the line that numbers it.
func withoutVersion(file []byte) []byte {
	var out []byte
	for line := range bytes.Lines(file) {
		name, _, ok := bytes.Cut(line, []byte("="))
		if !ok || !bytes.EqualFold(bytes.TrimSpace(name), []byte("version")) {
			out = append(out, line...)
		}
	}
	return out
}
