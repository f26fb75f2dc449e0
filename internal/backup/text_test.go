package backup

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"":                       "",
		"op@host":                "op@host",
		"größe 王":                "größe 王",
		"a\x1b[31mb\n":           "a?[31mb?",
		"left\u202eright\u200b":  "left?right?",
		"line\u2028line\u00a0x":  "line?line?x",
		"bad \xff byte":          "bad \ufffd byte",
		strings.Repeat("x", 20):  strings.Repeat("x", 20),
		strings.Repeat("x", 21):  strings.Repeat("x", 17) + "...",
		strings.Repeat("王", 100): strings.Repeat("王", 5) + "...",
	} {
		require.Equal(t, want, Printable(in, 20))
	}
}

func FuzzPrintable(f *testing.F) {
	f.Add("a\x00\u202e", 3)
	f.Fuzz(func(t *testing.T, in string, limit int) {
		limit = max(0, min(limit, 1<<12))
		out := Printable(in, limit)
		require.LessOrEqual(t, len(out), limit)
		require.True(t, utf8.ValidString(out))
		require.Equal(t, out, Printable(out, limit), "a second time changes nothing")
	})
}
