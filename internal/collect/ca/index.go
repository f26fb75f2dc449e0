package ca

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// maxLineBytes bounds a row of the index and the content of a number file.
const maxLineBytes = 64 << 10

// serialBytes is the longest serial number that RFC 5280 4.1.2.2 allows.
const serialBytes = 20

// serial is a serial number or CRL number, big-endian, padded on the left, so
// that serials compare as their bytes do.
type serial [serialBytes]byte

// String renders the number as openssl does: upper-case hex of whole bytes.
func (s serial) String() string {
	trimmed := bytes.TrimLeft(s[:], "\x00")
	if len(trimmed) == 0 {
		return "00"
	}
	return strings.ToUpper(hex.EncodeToString(trimmed))
}

func (s serial) compare(other serial) int { return bytes.Compare(s[:], other[:]) }

// next is the number after s.
func (s serial) next() serial {
	for i := len(s) - 1; i >= 0; i-- {
		if s[i]++; s[i] != 0 {
			break
		}
	}
	return s
}

// far reports whether two numbers differ by 2^32 or more, which consecutive ones
// never do and random ones practically always.
func (s serial) far(other serial) bool {
	high, low := s, other
	if high.compare(low) < 0 {
		high, low = low, high
	}
	borrow := 0
	for i := len(high) - 1; i >= 0; i-- {
		d := int(high[i]) - int(low[i]) - borrow
		borrow = 0
		if d < 0 {
			d, borrow = d+256, 1
		}
		high[i] = byte(d)
	}
	return !bytes.Equal(high[:serialBytes-4], make([]byte, serialBytes-4))
}

// parseSerial reads a number in openssl's hex: an even count of digits, any case.
func parseSerial(text string) (s serial, err error) {
	if len(text) < 2 || len(text)%2 != 0 {
		return s, fmt.Errorf("serial number %q: want an even count of hex digits", shorten(text, 64))
	}
	raw, err := hex.DecodeString(text)
	if err != nil {
		return s, fmt.Errorf("serial number %q: want hex digits", shorten(text, 64))
	}
	return serialOf(raw)
}

// serialOf makes a serial of big-endian bytes.
func serialOf(raw []byte) (s serial, err error) {
	raw = bytes.TrimLeft(raw, "\x00")
	if len(raw) > serialBytes {
		return s, fmt.Errorf("serial number has %d bytes, RFC 5280 allows %d", len(raw), serialBytes)
	}
	copy(s[serialBytes-len(raw):], raw)
	return s, nil
}

// parseNumberFile reads a serial or crlnumber file: one hex number on one line.
func parseNumberFile(data []byte) (serial, error) {
	text := strings.TrimRight(string(data), " \t\r\n")
	if text == "" {
		return serial{}, errors.New("number file is empty")
	}
	return parseSerial(text)
}

// row is one issued certificate in the index.
type row struct {
	status  byte // 'V' valid, 'R' revoked, 'E' expired
	expiry  time.Time
	revoked time.Time // zero unless status is 'R'
	reason  string    // CRL reason, empty when none was given
	serial  serial
	subject string
}

// rowError is a row that openssl would refuse.
type rowError struct {
	line int
	err  error
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
			return malformed(&rowError{line, errors.New("row has no end, it may have been cut off")})
		case errors.Is(err, bufio.ErrBufferFull):
			if err := malformed(&rowError{line, errTooLong}); err != nil {
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
			if err := malformed(&rowError{line, err}); err != nil {
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
	if len(column[columnStatus]) != 1 || !strings.Contains("VRE", column[columnStatus]) {
		return r, fmt.Errorf("status %q: want V, R or E", shorten(column[columnStatus], 16))
	}
	r.status = column[columnStatus][0]
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

// parseTime reads an ASN.1 UTCTime or GeneralizedTime in UTC. Two-digit years
// below 50 are 20xx (RFC 5280 4.1.2.5.1).
func parseTime(text string) (time.Time, error) {
	switch len(text) {
	case len("060102150405Z"):
		century := "20"
		if text[0] >= '5' {
			century = "19"
		}
		text = century + text
	case len("20060102150405Z"):
	default:
		return time.Time{}, fmt.Errorf("time %q: want YYMMDDHHMMSSZ or YYYYMMDDHHMMSSZ", shorten(text, 32))
	}
	t, err := time.Parse("20060102150405Z", text)
	if err != nil {
		return time.Time{}, fmt.Errorf("time %q: want YYMMDDHHMMSSZ or YYYYMMDDHHMMSSZ", shorten(text, 32))
	}
	return t, nil
}

// parseRevocation reads the date of revocation, its reason and the reason's
// argument: date[,reason[,argument]].
func parseRevocation(text string) (at time.Time, reason string, err error) {
	date, rest, _ := strings.Cut(text, ",")
	if at, err = parseTime(date); err != nil {
		return at, "", fmt.Errorf("revocation: %w", err)
	}
	reason, argument, hasArgument := strings.Cut(rest, ",")
	switch reason {
	case "", "unspecified", "keyCompromise", "CACompromise", "affiliationChanged", "superseded",
		"cessationOfOperation", "certificateHold", "removeFromCRL":
		if hasArgument {
			return at, "", fmt.Errorf("revocation reason %s takes no argument", reason)
		}
	case "holdInstruction", "keyTime", "CAkeyTime":
		if argument == "" {
			return at, "", fmt.Errorf("revocation reason %s lacks its argument", reason)
		}
	default:
		return at, "", fmt.Errorf("unknown revocation reason %q", shorten(reason, 32))
	}
	return at, reason, nil
}
