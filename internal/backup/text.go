package backup

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Printable makes a text from elsewhere safe to show and to keep: one line of at most
// limit bytes of UTF-8, "..." at the end of a longer one, in which "?" stands for what
// is not printed or changes how the rest is shown (control and format characters,
// U+2028, private use, invalid bytes).
func Printable(text string, limit int) string {
	const more = "..."
	var out strings.Builder
	for _, r := range text { // invalid bytes come as U+FFFD
		if r != ' ' && !unicode.IsPrint(r) {
			r = '?'
		}
		if out.Len()+utf8.RuneLen(r) > limit {
			kept := out.String()
			for len(kept)+len(more) > limit && kept != "" {
				_, size := utf8.DecodeLastRuneInString(kept)
				kept = kept[:len(kept)-size]
			}
			return kept + more[:min(len(more), limit-len(kept))]
		}
		out.WriteRune(r)
	}
	return out.String()
}
