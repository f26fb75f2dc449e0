package printable

import (
	"strings"
	"unicode/utf8"
)

// Line makes text fit for one line of at most n bytes, in a document that says what was
// found: control characters and bytes that are no UTF-8 become question marks, and what is
// longer is cut as [Clip] does.
func Line(text string, n int) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == utf8.RuneError {
			return '?'
		}
		return r
	}, text)
	return Clip(text, n)
}
