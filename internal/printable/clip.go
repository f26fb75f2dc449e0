package printable

import (
	"unicode/utf8"
)

// Prefix is the longest beginning of s that has at most n bytes and does not end within
// a character. Half a character is no UTF-8: JSON, for one, replaces its bytes.
func Prefix(s string, n int) string {
	if len(s) <= n {
		return s
	}
	n = max(n, 0)
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// Clip returns s when it has at most n bytes, and otherwise that much of it, as [Prefix]
// cuts it, with an ellipsis behind.
func Clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return Prefix(s, n) + "…"
}

// maxQuoted bounds, in bytes, a bad value that a message repeats.
const maxQuoted = 100

// Short is the beginning of a text that a message repeats.
func Short(s string) string { return Clip(s, maxQuoted) }

// Quote is a bad value as a message repeats it: without control characters, and not all of
// a long one.
func Quote(s string) string { return `"` + Short(Text(s)) + `"` }
