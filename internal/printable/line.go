package printable

import (
	"strings"
	"unicode/utf8"
)

// Line makes text fit for one line of at most n bytes, in a document that says what was
// found: control characters and bytes that are no UTF-8 become question marks, and what is
// longer is cut as [Clip] does.
func Line(text string, n int) string { return Clip(masked(text), n) }

// Plain is the beginning of s, of at most n bytes, with the same characters masked as in
// [Line] and nothing behind: for text that stands within a longer one. Of a character that is
// cut each byte is a question mark.
func Plain(s string, n int) string { return masked(s[:min(len(s), max(n, 0))]) }

// masked has a question mark for what does not fit into a line.
func masked(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == utf8.RuneError {
			return '?'
		}
		return r
	}, text)
}
