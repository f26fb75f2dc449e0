package ca

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// maxLineBytes bounds a row of the index and the content of a number file.
const maxLineBytes = 64 << 10

// row is one issued certificate in the index.
type row struct {
	status  byte // 'R' revoked; openssl takes all others, even none, as not revoked
	expiry  time.Time
	revoked time.Time // zero unless status is 'R'
	reason  string    // CRL reason, empty when none was given
	serial  serial
	subject string
}

// rowError is a row that openssl would refuse, or that cannot be compared.
type rowError struct {
	line   int
	err    error
	serial serial // when known
	known  bool
}

// Error implements error.
func (e *rowError) Error() string { return fmt.Sprintf("line %d: %v", e.line, e.err) }

// Unwrap returns the cause.
func (e *rowError) Unwrap() error { return e.err }

// errTooLong ends the reading of an index whose rows have no end.
var errTooLong = fmt.Errorf("row is longer than %d bytes", maxLineBytes)

// parseIndex reads an index.txt: rows of six columns, separated by tabs, a tab
// inside a column escaped by a backslash, lines that begin with # left out
// (openssl, crypto/txt_db and ca(1)). Rows that make no sense go to malformed and
// reading goes on; either function ends it by returning an error. A last row
// without line feed is malformed: it may have been cut off.
func parseIndex(r io.Reader, use func(row) error, malformed func(*rowError) error) error {
	reader := bufio.NewReaderSize(r, maxLineBytes)
	for line := 1; ; line++ {
		text, err := reader.ReadSlice('\n')
		switch {
		case err == nil:
		case errors.Is(err, io.EOF) && len(text) == 0:
			return nil
		case errors.Is(err, io.EOF):
			return malformed(&rowError{line: line, err: errors.New("row has no end, it may have been cut off")})
		case errors.Is(err, bufio.ErrBufferFull):
			if err := malformed(&rowError{line: line, err: errTooLong}); err != nil {
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
		parsed, err := parseRow(strings.TrimSuffix(string(text[:len(text)-1]), "\r"))
		if err != nil {
			bad := &rowError{line: line, err: err}
			bad.serial, bad.known = serialOfRow(string(text[:len(text)-1]))
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

func parseRow(text string) (r row, err error) {
	column := splitRow(text)
	if len(column) != columns {
		return r, fmt.Errorf("row has %d columns, want %d", len(column), columns)
	}
	if column[columnStatus] != "" {
		r.status = column[columnStatus][0]
	}
	if r.expiry, err = parseTime(column[columnExpiry]); err != nil {
		return r, fmt.Errorf("expiry: %w", err)
	}
	switch revoked := column[columnRevoked]; {
	case r.status == 'R':
		if r.revoked, r.reason, err = parseRevocation(revoked); err != nil {
			return r, err
		}
	case revoked != "":
		return r, errors.New("not revoked, but with a date of revocation")
	}
	if r.serial, err = parseSerial(column[columnSerial]); err != nil {
		return r, err
	}
	r.subject = column[columnSubject]
	return r, nil
}

// serialOfRow finds the serial number of a row that makes no sense otherwise.
func serialOfRow(text string) (serial, bool) {
	column := splitRow(text)
	if len(column) <= columnSerial {
		return serial{}, false
	}
	n, err := parseSerial(column[columnSerial])
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
		if _, ok := parseClock(argument, 4, true); !ok {
			return at, "", fmt.Errorf("revocation reason %s has no time as its argument", reason)
		}
	default:
		return at, "", fmt.Errorf("unknown revocation reason %q", shorten(reason, 32))
	}
	return at, reason, nil
}
