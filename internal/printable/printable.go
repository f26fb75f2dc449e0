package printable

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxMarks is how many combining marks may follow each other: scripts need two or
// three, and a heap of them covers the lines above.
const maxMarks = 3

// Text shows every character that is not seen as itself as Go's escape for it, such as
// \x1b, \u202e or, for a byte that is no UTF-8, \xff. Everything else stays as it is,
// backslashes and quotes too, so that \\host\share is readable; the result is for people
// and cannot be turned back. Text of a text is that text.
func Text(s string) string {
	if clean(s) {
		return s
	}
	var b strings.Builder
	marks := 0
	for i, r := range s {
		_, width := utf8.DecodeRuneInString(s[i:])
		if unicode.Is(unicode.M, r) {
			marks++
		} else {
			marks = 0
		}
		switch {
		case r == utf8.RuneError && width == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case !Visible(r) || marks > maxMarks:
			quoted := strconv.QuoteRuneToASCII(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// clean reports whether nothing of s needs an escape, for the usual case.
func clean(s string) bool {
	for _, c := range []byte(s) {
		if c < ' ' || c >= 0x7f {
			return false
		}
	}
	return true
}

// Visible reports whether a character is seen as itself. Of blanks that is the ASCII
// one only.
func Visible(r rune) bool {
	return unicode.IsPrint(r) && r != '\u2800' && // the braille pattern without a dot
		!unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// JSON shows the same characters of a JSON document as JSON's own escapes, so that it
// may be printed on a terminal and still says the same to whoever decodes it. Line
// breaks and tabs of the document itself stay. The document must be valid JSON: there,
// all that is not ASCII stands within strings.
func JSON(document []byte) []byte {
	var out bytes.Buffer
	out.Grow(len(document))
	for len(document) > 0 {
		r, width := utf8.DecodeRune(document)
		switch {
		case r < utf8.RuneSelf && r != 0x7f || r == utf8.RuneError || Visible(r):
			out.Write(document[:width])
		case r > 0xffff:
			high, low := surrogates(r)
			fmt.Fprintf(&out, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
		document = document[width:]
	}
	return out.Bytes()
}

// surrogates takes a character apart as UTF-16 does (RFC 8259, section 7).
func surrogates(r rune) (high, low rune) {
	r -= 0x10000
	return 0xd800 + r>>10, 0xdc00 + r&0x3ff
}

// Args makes arguments of a format printable: texts, errors and whatever else names
// itself. Numbers and the like stay as they are.
func Args(args []any) []any {
	safe := make([]any, len(args))
	for i, arg := range args {
		switch v := arg.(type) {
		case string, error, fmt.Stringer:
			safe[i] = Text(fmt.Sprint(v))
		default:
			safe[i] = arg
		}
	}
	return safe
}
