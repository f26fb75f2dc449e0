package secret

import (
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/require"
)

func TestText(t *testing.T) {
	wide := func(text string, big bool) string {
		var out strings.Builder
		for _, u := range utf16.Encode([]rune(text)) {
			if big {
				out.Write([]byte{byte(u >> 8), byte(u)})
			} else {
				out.Write([]byte{byte(u), byte(u >> 8)})
			}
		}
		return out.String()
	}
	for name, row := range map[string]struct {
		in, want string
		bad      bool
	}{
		"plain":                    {in: "secret\n", want: "secret\n"},
		"empty":                    {},
		"UTF-8":                    {in: "пароль", want: "пароль"},
		"UTF-8 with mark":          {in: "\ufeffsecret\r\n", want: "secret\r\n"},
		"only the mark":            {in: "\ufeff", want: ""},
		"a mark further on":        {in: "a\ufeffb", want: "a\ufeffb"},
		"bytes":                    {in: "\x80\x81\x00\x01", want: "\x80\x81\x00\x01"},
		"UTF-16LE with mark":       {in: wide("\ufeffsecret\r\n", false), bad: true},
		"UTF-16BE with mark":       {in: wide("\ufeffsecret\r\n", true), bad: true},
		"UTF-16LE without":         {in: wide("secret\r\n", false), bad: true},
		"UTF-16BE without":         {in: wide("secret\r\n", true), bad: true},
		"UTF-16LE of other script": {in: wide("\ufeffпароль", false), bad: true},
		"UTF-32BE":                 {in: "\x00\x00\xfe\xff\x00\x00\x00a", bad: true},
		"UTF-32LE":                 {in: "\xff\xfe\x00\x00a\x00\x00\x00", bad: true},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Text([]byte(row.in))
			if row.bad {
				require.ErrorIs(t, err, ErrEncoding)
				require.NotContains(t, err.Error(), "secret")
				return
			}
			require.NoError(t, err)
			require.Equal(t, row.want, string(got))
		})
	}
}
