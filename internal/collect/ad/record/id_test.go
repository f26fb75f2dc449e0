package record

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
)

func TestFormatSID(t *testing.T) {
	for name, tc := range map[string]struct{ raw, want string }{
		// MS-DTYP 2.4.2.4 names these in text; their bytes follow from 2.4.2.2.
		"nobody":         {"010100000000000000000000", "s-1-0-0"},
		"everyone":       {"010100000000000100000000", "s-1-1-0"},
		"administrators": {"01020000000000052000000020020000", "s-1-5-32-544"},
		"domain user": {"0105000000000005" + "15000000" + "dc16dd3b" + "833d2b46" + "828ba628" + "00020000",
			"s-1-5-21-1004345052-1177238915-682003330-512"},
		"large numbers":   {"0102ffffffffffff" + "ffffffff" + "00000080", "s-1-0xffffffffffff-4294967295-2147483648"},
		"large authority": {"0101000100000000" + "01000000", "s-1-0x000100000000-1"},
		"authority alone": {"0100000000000005", "s-1-5"},
		"fifteen":         {"010f000000000005" + strings.Repeat("01000000", 15), "s-1-5" + strings.Repeat("-1", 15)},
		"sixteen":         {"0110000000000005" + strings.Repeat("01000000", 16), ""},
		"nothing":         {"", ""},
		"cut head":        {"01010000000000", ""},
		"cut":             {"0102000000000005" + "20000000" + "200200", ""},
		"too long":        {"0101000000000005" + "20000000" + "20", ""},
		"other revision":  {"0201000000000005" + "20000000", ""},
	} {
		t.Run(name, func(t *testing.T) {
			raw, err := hex.DecodeString(tc.raw)
			require.NoError(t, err)
			got, ok := FormatSID(raw)
			require.Equal(t, tc.want, got)
			require.Equal(t, tc.want != "", ok)
		})
	}
}

func FuzzFormatSID(f *testing.F) {
	f.Add([]byte{1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0})
	f.Add([]byte("\x01\x0f\xff\xff\xff\xff\xff\xff" + strings.Repeat("\xff", 60)))
	form := regexp.MustCompile(`^s-1-(0x[0-9a-f]{12}|[0-9]{1,10})(-[0-9]{1,10}){0,15}$`)
	f.Fuzz(func(t *testing.T, raw []byte) {
		text, ok := FormatSID(raw)
		if !ok {
			require.Empty(t, text)
			return
		}
		require.Regexp(t, form, text)
		require.LessOrEqual(t, len("sid:"+text), backup.MaxAliasBytes)
		require.Equal(t, raw, binarySID(t, text), "one SID has one text")
	})
}

// binarySID is the way back.
func binarySID(t testing.TB, text string) []byte {
	t.Helper()
	parts := strings.Split(text, "-")
	require.GreaterOrEqual(t, len(parts), 3)
	var authority uint64
	format := "%d"
	if strings.HasPrefix(parts[2], "0x") {
		format = "0x%x"
	}
	_, err := fmt.Sscanf(parts[2], format, &authority)
	require.NoError(t, err)
	raw := binary.BigEndian.AppendUint64(nil, authority)
	raw[0], raw[1] = 1, byte(len(parts)-3)
	for _, part := range parts[3:] {
		var sub uint32
		_, err := fmt.Sscan(part, &sub)
		require.NoError(t, err)
		raw = binary.LittleEndian.AppendUint32(raw, sub)
	}
	return raw
}
