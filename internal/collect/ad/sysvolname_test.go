package ad

import (
	"strings"
	"testing"
	"testing/fstest"
	"unicode/utf16"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/collect/collecttest"
)

// wide encodes text as UTF-16.
func wide(text string, big bool) string {
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

// TestGPTVersionInEveryEncoding: Windows writes INI files in UTF-16 as well.
func TestGPTVersionInEveryEncoding(t *testing.T) {
	const text = "[General]\r\nVersion=65537\r\ndisplayName=Neue Gruppenrichtlinie für 語\r\n"
	for name, data := range map[string]string{
		"UTF-8": text, "UTF-8 with mark": "\ufeff" + text, "UTF-16LE": wide("\ufeff"+text, false), "UTF-16BE": wide("\ufeff"+text, true),
		"UTF-16LE without mark": wide(text, false), "UTF-16BE without mark": wide(text, true), "odd end": wide("\ufeff"+text, false) + "x",
	} {
		require.Equal(t, "65537", gptVersion([]byte(data)), name)
	}
	for _, data := range []string{"", "\xff", "\xff\xfe", "\xff\xfe\x00", "\x00", "a\x00"} {
		require.Equal(t, "0", gptVersion([]byte(data)))
	}
}

// TestLongNamesOfSYSVOL: Windows allows 255 UTF-16 units, which are up to 765 bytes.
func TestLongNamesOfSYSVOL(t *testing.T) {
	d := newFakeDC(t)
	files := sysvolFiles()
	long := "corp.test/scripts/" + strings.Repeat("語", 250)
	for _, end := range []string{"1.cmd", "2.cmd"} {
		files[long+end] = &fstest.MapFile{Data: []byte("x")}
	}
	config := d.config()
	config.OpenSYSVOL = openFakeSYSVOL(files)
	c, err := New(config)
	require.NoError(t, err)
	sink := &collecttest.Recorder{}
	_, err = c.Collect(t.Context(), sink)
	require.NoError(t, err)
	stored := map[string]string{}
	for _, call := range sink.Calls() {
		if call.File != nil {
			stored[call.Item.ID] = call.File.Path
			for element := range strings.SplitSeq(call.File.Path, "/") {
				require.LessOrEqual(t, len(element), 255)
			}
		}
	}
	require.NotEqual(t, stored[long+"1.cmd"], stored[long+"2.cmd"])
	require.True(t, strings.HasPrefix(stored[long+"1.cmd"], "sysvol-renamed/corp.test/scripts/語"))
	require.Equal(t, "sysvol/corp.test/scripts/login.cmd", stored["corp.test/scripts/login.cmd"])
}

func FuzzGPTVersion(f *testing.F) {
	f.Add([]byte("[General]\nVersion=1"))
	f.Add([]byte(wide("\ufeff[General]\nVersion=1", false)))
	f.Fuzz(func(t *testing.T, data []byte) { _ = gptVersion(data) })
}
