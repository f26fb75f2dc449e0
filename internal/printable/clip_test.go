package printable_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/printable"
)

func TestClip(t *testing.T) {
	for name, c := range map[string]struct {
		text   string
		n      int
		prefix string
		clip   string
	}{
		"empty":                     {"", 0, "", ""},
		"fits":                      {"abc", 3, "abc", "abc"},
		"too long":                  {"abcd", 3, "abc", "abc…"},
		"two bytes fit":             {"aé", 3, "aé", "aé"},
		"within two bytes":          {"aéb", 2, "a", "a…"},
		"behind two bytes":          {"aéb", 3, "aé", "aé…"},
		"within four bytes":         {"a😀b", 4, "a", "a…"},
		"nothing fits":              {"😀", 3, "", "…"},
		"no room":                   {"abc", 0, "", "…"},
		"less than no room":         {"abc", -1, "", "…"},
		"continuation bytes alone":  {"\x80\x80\x80", 2, "", "…"},
		"a byte that is no UTF-8":   {"ab\xffcd", 3, "ab\xff", "ab\xff…"},
		"the last character is cut": {strings.Repeat("x", 10) + "ü", 11, strings.Repeat("x", 10), strings.Repeat("x", 10) + "…"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.prefix, printable.Prefix(c.text, c.n))
			require.Equal(t, c.clip, printable.Clip(c.text, c.n))
		})
	}
}

func FuzzClip(f *testing.F) {
	f.Add("aé😀", 3)
	f.Fuzz(func(t *testing.T, text string, n int) {
		prefix := printable.Prefix(text, n)
		require.True(t, strings.HasPrefix(text, prefix))
		require.LessOrEqual(t, len(prefix), max(n, 0))
		if utf8.ValidString(text) {
			require.True(t, utf8.ValidString(printable.Clip(text, n)))
			require.True(t, len(prefix) == len(text) || len(prefix) > n-utf8.UTFMax, "more would have fitted")
		}
	})
}

func TestLine(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "serial": "serial", "a\tb\nc\x7fd": "a?b?c?d", "ab\xffc": "ab?c", "\uFFFD": "?", "ä😀": "ä😀",
		"0123456789x": "0123456789…", "012345678ä": "012345678…", "012345678\x1b1": "012345678?…",
	} {
		require.Equal(t, want, printable.Line(text, 10), "%q", text)
	}
}

func TestPlain(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		n    int
		want string
	}{
		"nothing":              {"", 9, ""},
		"text":                 {"CN=Jürgen", 99, "CN=Jürgen"},
		"controls":             {"a\nb\x00c\x7fd\x1be", 99, "a?b?c?d?e"},
		"no UTF-8":             {"a\xff\xfeb", 99, "a??b"},
		"cut":                  {"abcd", 3, "abc"},
		"cut in a character":   {"aü", 2, "a?"},
		"a replaced character": {"a\ufffdb", 99, "a?b"},
		"less than no room":    {"abc", -1, ""},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, printable.Plain(c.text, c.n)) })
	}
}

func TestQuote(t *testing.T) {
	require.Equal(t, `"a\x1bb"`, printable.Quote("a\x1bb"))
	require.Equal(t, `"`+strings.Repeat("x", 100)+`…"`, printable.Quote(strings.Repeat("x", 5000)))
}
