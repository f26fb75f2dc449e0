package printable

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"infrabackup/tests/tier"
)

func TestText(t *testing.T) {
	for in, want := range map[string]string{
		"":                                "",
		`\\fs.example.com\Backups`:        `\\fs.example.com\Backups`,
		"Sicherung für Zürich":            "Sicherung für Zürich",
		"u\u0308ber":                      "u\u0308ber",
		"日本語 한국어 עברית":                   "日本語 한국어 עברית",
		"\x1b[2J":                         `\x1b[2J`,
		"a\nb\tc\rd\x00":                  `a\nb\tc\rd\x00`,
		"\x7f":                            `\x7f`,
		"\u009b31m":                       `\u009b31m`, // C1: CSI
		"\u202etxt.exe":                   `\u202etxt.exe`,
		"\u2066x\u2069":                   `\u2066x\u2069`,
		"key\u200b.age":                   `key\u200b.age`,
		"key\u200d.age":                   `key\u200d.age`,
		"\ufeffkey":                       `\ufeffkey`,
		"soft\u00adhyphen":                `soft\u00adhyphen`,
		"a\u00a0b\u2003c\u3000d":          `a\u00a0b\u2003c\u3000d`,
		"\u3164":                          `\u3164`, // Hangul filler
		"\u115f\u1160\uffa0":              `\u115f\u1160\uffa0`,
		"\u2800":                          `\u2800`,
		"x\ufe0f":                         `x\ufe0f`,
		"\U000e0041":                      `\U000e0041`, // tag
		"\U000e0100":                      `\U000e0100`, // variation selector
		"\ue000":                          `\ue000`,     // private use
		"\uffff":                          `\uffff`,
		"\xff\xfe":                        `\xff\xfe`,
		"\xed\xa0\x80":                    `\xed\xa0\x80`, // a surrogate
		"\ufffd":                          "\ufffd",
		"\u2028\u2029":                    `\u2028\u2029`,
		"a" + strings.Repeat("\u0300", 5): "a" + strings.Repeat("\u0300", 3) + `\u0300\u0300`,
	} {
		require.Equal(t, want, Text(in), "%q", in)
		require.Equal(t, want, Text(Text(in)), "twice")
	}
}

// Nothing that a terminal obeys or nobody sees gets through, whatever the character.
func TestTextOfEveryCharacter(t *testing.T) {
	tier.Weighs(t)
	for r := rune(0); r <= unicode.MaxRune; r++ {
		got := Text(string(r))
		require.NotContains(t, got, "\x1b")
		for _, c := range got {
			if !unicode.In(c, unicode.L, unicode.M, unicode.N, unicode.P, unicode.S) && c != ' ' {
				t.Fatalf("%U shows as %q", r, got)
			}
		}
		if unicode.In(r, unicode.Bidi_Control, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point) {
			require.NotContains(t, got, string(r), "%U", r)
		}
	}
}

func TestJSON(t *testing.T) {
	in := map[string]string{"a": "\u202e\u200b\u009b\x7f\U000e0041ü\n\t\"", "\u2066": "日本"}
	plain, err := json.MarshalIndent(in, "", "\t")
	require.NoError(t, err)
	safe := JSON(plain)
	var out map[string]string
	require.NoError(t, json.Unmarshal(safe, &out))
	require.Equal(t, in, out)
	for _, r := range string(safe) {
		require.True(t, Visible(r) || r == '\n' || r == '\t', "%U", r)
	}
}

func TestArgs(t *testing.T) {
	got := Args([]any{"\x1b", errors.New("\u202e"), time.Second, 7, nil, []string{"x"}})
	require.Equal(t, []any{`\x1b`, `\u202e`, "1s", 7, nil, []string{"x"}}, got)
	require.Equal(t, `7 \x1b`, fmt.Sprintf("%d %s", Args([]any{7, "\x1b"})...))
}

func FuzzText(f *testing.F) {
	for _, s := range []string{"a", "\xff", "\u202e", "\x1b]0;x\a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := Text(s)
		if !utf8.ValidString(got) || Text(got) != got || strings.ContainsFunc(got, func(r rune) bool { return !Visible(r) }) {
			t.Fatalf("%q became %q", s, got)
		}
	})
}
