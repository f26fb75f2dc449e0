package openssl

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"strings"

	"infrabackup/internal/printable"
)

// maxSerialBytes bounds serial numbers that are compared. RFC 5280 4.1.2.2 allows 20,
// openssl writes and reads longer ones, and negative ones too.
const maxSerialBytes = 64

// Serial is a serial number or CRL number: sign and magnitude, big-endian without
// leading zeros. The zero value is the number 0.
type Serial struct {
	magnitude string
	negative  bool
}

// String renders the number as openssl does: upper-case hex of whole bytes.
func (s Serial) String() string {
	if s.magnitude == "" {
		return "00"
	}
	text := strings.ToUpper(hex.EncodeToString([]byte(s.magnitude)))
	if s.negative {
		return "-" + text
	}
	return text
}

// Compare orders numbers: -1, 0 or 1, as [cmp.Compare].
func (s Serial) Compare(other Serial) int {
	switch {
	case s.negative && !other.negative:
		return -1
	case !s.negative && other.negative:
		return 1
	case s.negative:
		return compareMagnitudes(other.magnitude, s.magnitude)
	}
	return compareMagnitudes(s.magnitude, other.magnitude)
}

func compareMagnitudes(a, b string) int {
	if len(a) != len(b) {
		if len(a) < len(b) {
			return -1
		}
		return 1
	}
	return strings.Compare(a, b)
}

func (s Serial) int() *big.Int {
	n := new(big.Int).SetBytes([]byte(s.magnitude))
	if s.negative {
		n.Neg(n)
	}
	return n
}

// Next is the number after s.
func (s Serial) Next() Serial { return s.Plus(1) }

// Plus is the number that many after s.
func (s Serial) Plus(many int64) Serial {
	n := s.int()
	n.Add(n, big.NewInt(many))
	return Serial{string(n.Bytes()), n.Sign() < 0}
}

// FarFrom reports whether two numbers differ by 2^32 or more, which consecutive ones
// never do and random ones practically always.
func (s Serial) FarFrom(other Serial) bool {
	if len(s.magnitude) <= 4 && len(other.magnitude) <= 4 && s.negative == other.negative {
		return false
	}
	a := s.int()
	return a.Sub(a, other.int()).BitLen() > 32
}

// ErrLongSerial is about a number that openssl takes and that is not compared here.
var ErrLongSerial = fmt.Errorf("a serial number of more than %d bytes", maxSerialBytes)

// ParseSerial reads a number as it stands in openssl's index: an even count of hex
// digits, any case, with or without a minus sign in front.
func ParseSerial(text string) (Serial, error) {
	digits, negative := strings.CutPrefix(text, "-")
	if len(digits) < 2 || len(digits)%2 != 0 {
		return Serial{}, fmt.Errorf("serial number %q: want an even count of hex digits", printable.Line(text, 64))
	}
	raw, err := hex.DecodeString(digits)
	if err != nil {
		return Serial{}, fmt.Errorf("serial number %q: want hex digits", printable.Line(text, 64))
	}
	return newSerial(raw, negative)
}

// newSerial makes a serial of a magnitude, big-endian.
func newSerial(magnitude []byte, negative bool) (Serial, error) {
	for len(magnitude) > 0 && magnitude[0] == 0 {
		magnitude = magnitude[1:]
	}
	if len(magnitude) > maxSerialBytes {
		return Serial{}, ErrLongSerial
	}
	return Serial{string(magnitude), negative && len(magnitude) > 0}, nil
}

// SerialOf makes a serial of a certificate's number.
func SerialOf(n *big.Int) (Serial, error) { return newSerial(n.Bytes(), n.Sign() < 0) }

// ParseNumber reads a serial or crlnumber file as openssl does (a2i_ASN1_INTEGER):
// the hex digits that its first line begins with, an even count of them. What follows
// does not count.
func ParseNumber(data []byte) (Serial, error) {
	line, _, _ := strings.Cut(string(data), "\n")
	line = strings.TrimSuffix(line, "\r")
	if line == "" {
		return Serial{}, errors.New("number file is empty, or its first line is")
	}
	end := strings.IndexFunc(line, func(r rune) bool { return !strings.ContainsRune("0123456789abcdefABCDEF", r) })
	if strings.HasSuffix(line, `\`) || end == 0 {
		return Serial{}, fmt.Errorf("number file begins with %q: want hex digits", printable.Line(line, 32))
	}
	if end > 0 {
		line = line[:end]
	}
	return ParseSerial(line)
}
