package ca

import (
	"bytes"
	"strings"

	"infrabackup/internal/collect/ca/openssl"
)

// row is one line of an index.
type row struct {
	text   string // without its end
	parsed openssl.Row
	ok     bool // it makes sense
}

// index is an index.txt, with every line that it has.
type index struct {
	rows     []row
	bySerial map[openssl.Serial]int // the last row of a number
	bad      []int                  // lines that make no sense, from 1, at most maxBad
	random   bool                   // its serial numbers do not follow each other
	top      highest
	cut      bool // the last line has no end
}

// maxBad bounds how many lines are listed that make no sense.
const maxBad = 20

// parseIndex reads an index. Lines that make no sense and comments are kept as they are.
func parseIndex(content []byte) *index {
	x := &index{bySerial: map[openssl.Serial]int{}}
	var last openssl.Serial
	count := 0
	line := 0
	for raw := range bytes.Lines(content) {
		line++
		text, ended := strings.CutSuffix(string(raw), "\n")
		x.cut = !ended
		r := row{text: text}
		if !strings.HasPrefix(text, "#") {
			parsed, err := openssl.ParseRow(strings.TrimSuffix(text, "\r"))
			r.parsed, r.ok = parsed, err == nil && ended && len(text) < openssl.MaxLineBytes
			if !r.ok && len(x.bad) < maxBad {
				x.bad = append(x.bad, line)
			}
		}
		if r.ok {
			x.random = x.random || count > 0 && r.parsed.Serial.FarFrom(last)
			last = r.parsed.Serial
			count++
			x.bySerial[r.parsed.Serial] = len(x.rows)
			x.top.see(r.parsed.Serial)
		}
		x.rows = append(x.rows, r)
	}
	return x
}

// revoked reports whether openssl takes the row's certificate for revoked.
func (r row) revoked() bool { return r.parsed.Status == 'R' }

// same reports whether two rows are about the same certificate.
func (r row) same(other row) bool {
	return r.parsed.Subject == other.parsed.Subject && r.parsed.Expiry.Equal(other.parsed.Expiry)
}

// merge adds to an index the rows that it lacks, and revokes what the other revoked. It
// returns whether anything changed, and a serial number that the two use for different
// certificates.
func (x *index) merge(other *index) (merged []byte, changed bool, clash string) {
	rows := append([]row{}, x.rows...)
	if x.cut {
		// The last line may have been cut off. When it is the beginning of a row that the
		// other has whole, that one takes its place.
		last := rows[len(rows)-1].text
		for _, r := range other.rows {
			if r.ok && strings.HasPrefix(r.text, last) {
				rows[len(rows)-1], changed = r, true
				x.bySerial[r.parsed.Serial] = len(rows) - 1
				break
			}
		}
	}
	for _, r := range other.rows {
		if !r.ok {
			continue
		}
		i, known := x.bySerial[r.parsed.Serial]
		switch {
		case !known:
			rows, changed = append(rows, r), true
		case !rows[i].same(r):
			return nil, false, r.parsed.Serial.String()
		case r.revoked() && !rows[i].revoked():
			rows[i], changed = r, true
		}
	}
	var b bytes.Buffer
	for i, r := range rows {
		b.WriteString(r.text)
		if i < len(rows)-1 || changed || !x.cut {
			b.WriteByte('\n')
		}
	}
	return b.Bytes(), changed, ""
}

// valid counts the subjects of valid rows, which openssl demands to be different unless it
// is told otherwise.
func (x *index) valid() map[string]int {
	subjects := map[string]int{}
	for _, r := range x.rows {
		if r.ok && r.parsed.Status == 'V' {
			subjects[r.parsed.Subject]++
		}
	}
	return subjects
}

// uniqueSubject reads index.txt.attr (ca(1)): whether the index takes one valid certificate
// of a subject only. That is so unless the file says no.
func uniqueSubject(attributes []byte) bool {
	for line := range strings.Lines(string(attributes)) {
		name, value, ok := strings.Cut(line, "=")
		if ok && strings.TrimSpace(name) == "unique_subject" {
			switch strings.TrimSpace(value) {
			case "no", "NO", "n", "N", "f", "F", "0", "false", "FALSE":
				return false
			}
		}
	}
	return true
}
