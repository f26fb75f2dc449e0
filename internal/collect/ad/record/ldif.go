package record

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
)

// ldifLine is where lines are folded (RFC 2849, note 2 leaves it to the writer).
const ldifLine = 76

// WriteLDIF writes a record as LDIF content (RFC 2849) with everything it holds, for
// people and tools that read. A server would refuse much of it: see
// [WriteImportLDIF]. The GUIDs of links' targets are in the record only. Errors are
// those of w.
func WriteLDIF(w io.Writer, r *Record) error {
	l := newLDIF(w)
	l.line("dn", []byte(r.DN))
	for _, a := range r.Attributes {
		for _, value := range a.Values {
			l.line(a.Name, value)
		}
	}
	return l.end()
}

// ldif writes LDIF and remembers the first error.
type ldif struct {
	out *bufio.Writer
	buf []byte
	err error
}

func newLDIF(w io.Writer) *ldif { return &ldif{out: bufio.NewWriterSize(w, 64<<10)} }

// line writes one attrval-spec, in base64 unless the value is plainly safe.
func (l *ldif) line(name string, value []byte) {
	l.buf = append(append(l.buf[:0], name...), ':')
	if safe(value) {
		l.buf = append(append(l.buf, ' '), value...)
	} else {
		l.buf = base64.StdEncoding.AppendEncode(append(l.buf, ':', ' '), value)
	}
	for rest, room := l.buf, ldifLine; ; room = ldifLine - 1 {
		n := min(room, len(rest))
		l.write(rest[:n])
		if rest = rest[n:]; len(rest) == 0 {
			break
		}
		l.text("\n ")
	}
	l.text("\n")
}

func (l *ldif) write(p []byte) {
	if l.err == nil {
		_, l.err = l.out.Write(p)
	}
}

func (l *ldif) text(s string) {
	if l.err == nil {
		_, l.err = l.out.WriteString(s)
	}
}

// end ends a record.
func (l *ldif) end() error {
	l.text("\n")
	return l.flush()
}

func (l *ldif) flush() error {
	if l.err == nil {
		l.err = l.out.Flush()
	}
	if l.err != nil {
		return fmt.Errorf("write LDIF: %w", l.err)
	}
	return nil
}

// safe reports whether a value is a SAFE-STRING (RFC 2849) that does not end in a
// space, and has no other control character either. An empty value is one.
func safe(value []byte) bool {
	if len(value) == 0 {
		return true
	}
	switch value[0] {
	case ' ', ':', '<':
		return false
	}
	if value[len(value)-1] == ' ' {
		return false
	}
	for _, c := range value {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}
