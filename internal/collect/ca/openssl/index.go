package openssl

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"infrabackup/internal/printable"
)

// MaxLineBytes bounds a row of the index and the content of a number file.
const MaxLineBytes = 64 << 10

// Row is one issued certificate in the index.
type Row struct {
	Status  byte // 'R' revoked; openssl takes all others, even none, as not revoked
	Expiry  time.Time
	Revoked time.Time // zero unless status is 'R'
	Reason  string    // CRL reason, empty when none was given
	Serial  Serial
	Subject string
}

// RowError is a row that openssl would refuse, or that cannot be compared.
type RowError struct {
	Line   int
	Err    error
	Serial Serial // when known
	Known  bool
}

// Error implements error.
func (e *RowError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }

// Unwrap returns the cause.
func (e *RowError) Unwrap() error { return e.Err }

// errTooLong ends the reading of an index whose rows have no end.
var errTooLong = fmt.Errorf("row is longer than %d bytes", MaxLineBytes)

// ParseIndex reads an index.txt: rows of six columns, separated by tabs, a tab
// inside a column escaped by a backslash, lines that begin with # left out
// (openssl, crypto/txt_db and ca(1)). Rows that make no sense go to malformed and
// reading goes on; either function ends it by returning an error. A last row
// without line feed is malformed: it may have been cut off.
func ParseIndex(r io.Reader, use func(Row) error, malformed func(*RowError) error) error {
	reader := bufio.NewReaderSize(r, MaxLineBytes)
	for line := 1; ; line++ {
		text, err := reader.ReadSlice('\n')
		switch {
		case err == nil:
		case errors.Is(err, io.EOF) && len(text) == 0:
			return nil
		case errors.Is(err, io.EOF):
			return malformed(&RowError{Line: line, Err: errors.New("row has no end, it may have been cut off")})
		case errors.Is(err, bufio.ErrBufferFull):
			if err := malformed(&RowError{Line: line, Err: errTooLong}); err != nil {
				return err
			}
			// The rest belongs to the same row; it still has to be read, since the
			// index is hashed on the way.
			for errors.Is(err, bufio.ErrBufferFull) {
				_, err = reader.ReadSlice('\n')
			}
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			continue
		default:
			return err
		}
		if text[0] == '#' {
			continue
		}
		parsed, err := ParseRow(strings.TrimSuffix(string(text[:len(text)-1]), "\r"))
		if err != nil {
			bad := &RowError{Line: line, Err: err}
			bad.Serial, bad.Known = serialOfRow(string(text[:len(text)-1]))
			if err := malformed(bad); err != nil {
				return err
			}
			continue
		}
		if err := use(parsed); err != nil {
			return err
		}
	}
}

// Columns of a row, as openssl's apps number them.
const (
	columnStatus = iota
	columnExpiry
	columnRevoked
	columnSerial
	columnFile
	columnSubject
	columns
)

// ParseRow reads one row of an index, without its end of line.
func ParseRow(text string) (r Row, err error) {
	column := splitRow(text)
	if len(column) != columns {
		return r, fmt.Errorf("row has %d columns, want %d", len(column), columns)
	}
	if column[columnStatus] != "" {
		r.Status = column[columnStatus][0]
	}
	if r.Expiry, err = parseTime(column[columnExpiry]); err != nil {
		return r, fmt.Errorf("expiry: %w", err)
	}
	switch revoked := column[columnRevoked]; {
	case r.Status == 'R':
		if r.Revoked, r.Reason, err = parseRevocation(revoked); err != nil {
			return r, err
		}
	case revoked != "":
		return r, errors.New("not revoked, but with a date of revocation")
	}
	if r.Serial, err = ParseSerial(column[columnSerial]); err != nil {
		return r, err
	}
	r.Subject = column[columnSubject]
	return r, nil
}

// serialOfRow finds the serial number of a row that makes no sense otherwise.
func serialOfRow(text string) (Serial, bool) {
	column := splitRow(text)
	if len(column) <= columnSerial {
		return Serial{}, false
	}
	n, err := ParseSerial(column[columnSerial])
	return n, err == nil
}

// splitRow splits at tabs that no backslash precedes.
func splitRow(text string) []string {
	var out []string
	var column []byte
	for i := range len(text) {
		switch c := text[i]; {
		case c == '\t' && len(column) > 0 && column[len(column)-1] == '\\':
			column[len(column)-1] = '\t'
		case c == '\t':
			out = append(out, string(column))
			column = column[:0]
		default:
			column = append(column, c)
		}
	}
	return append(out, string(column))
}

// parseRevocation reads the date of revocation, its reason and the reason's
// argument, as openssl's unpack_revinfo does: date[,reason[,argument]]. Reasons are
// compared without case, and arguments count only where a reason has one.
func parseRevocation(text string) (at time.Time, reason string, err error) {
	date, rest, hasReason := strings.Cut(text, ",")
	if at, err = parseTime(date); err != nil {
		return at, "", fmt.Errorf("revocation: %w", err)
	}
	if !hasReason {
		return at, "", nil
	}
	reason, argument, _ := strings.Cut(rest, ",")
	switch strings.ToLower(reason) {
	case "unspecified", "keycompromise", "cacompromise", "affiliationchanged", "superseded",
		"cessationofoperation", "certificatehold", "removefromcrl":
	case "holdinstruction":
		if argument == "" {
			return at, "", fmt.Errorf("revocation reason %s lacks its argument", reason)
		}
	case "keytime", "cakeytime":
		if _, ok := ParseGeneralizedTime(argument); !ok {
			return at, "", fmt.Errorf("revocation reason %s has no time as its argument", reason)
		}
	default:
		return at, "", fmt.Errorf("unknown revocation reason %q", printable.Line(reason, 32))
	}
	return at, reason, nil
}
