package dnsrecord

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// value makes a record of a type with data.
func value(kind uint16, data string) []byte {
	raw := make([]byte, headSize)
	binary.LittleEndian.PutUint16(raw, uint16(len(data)))
	binary.LittleEndian.PutUint16(raw[2:], kind)
	raw[4], raw[5], raw[12+2] = 5, 240, 14
	return append(raw, data...)
}

// counted is a name as [MS-DNSP] has it: web.azs.test.
const counted = "\x0e\x03\x03web\x03azs\x04test\x00"

func TestRecords(t *testing.T) {
	rename := func(s string) string { return strings.ReplaceAll(s, "azs.test", "corp.example.com") }
	for name, row := range map[string]struct {
		raw   []byte
		texts []string
		after string
	}{
		"A":         {value(A, "\x0a\x00\x00\x01"), nil, "\x0a\x00\x00\x01"},
		"CNAME":     {value(CNAME, counted), []string{"web.azs.test"}, "\x16\x04\x03web\x04corp\x07example\x03com\x00"},
		"SRV":       {value(33, "\x00\x01\x00\x02\x01\xbb"+counted), []string{"web.azs.test"}, "\x00\x01\x00\x02\x01\xbb\x16\x04\x03web\x04corp\x07example\x03com\x00"},
		"TXT":       {value(16, "\x03a=b\x0bx=azs.test;\x00"), []string{"a=b", "x=azs.test;", ""}, "\x03a=b\x13x=corp.example.com;\x00"},
		"root":      {value(NS, "\x01\x00\x00"), []string{""}, "\x01\x00\x00"},
		"tombstone": {value(Tombstone, "12345678"), nil, "12345678"},
		"unknown":   {value(999, counted), nil, counted},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := Parse(row.raw)
			require.NoError(t, err)
			require.Equal(t, row.texts, r.Texts())
			raw, err := r.Renamed(rename)
			require.NoError(t, err)
			require.Equal(t, row.after, string(raw[headSize:]))
			again, err := Parse(raw)
			require.NoError(t, err)
			require.Equal(t, r.Type, again.Type)
		})
	}
}

func TestKey(t *testing.T) {
	a, b := value(A, "\x0a\x00\x00\x01"), value(A, "\x0a\x00\x00\x01")
	b[8], b[20] = 7, 9
	x, err := Parse(a)
	require.NoError(t, err)
	y, err := Parse(b)
	require.NoError(t, err)
	require.Equal(t, x.Key(), y.Key(), "serial and refresh")
	b[15] = 1
	y, err = Parse(b)
	require.NoError(t, err)
	require.NotEqual(t, x.Key(), y.Key(), "time to live")
	require.Equal(t, byte(7), b[8], "it was not changed")
}

func TestRefused(t *testing.T) {
	for name, raw := range map[string][]byte{
		"nothing": nil, "short": value(A, "")[:23], "length": append(value(A, "1234"), 0), "no name": value(CNAME, ""), "cut": value(CNAME, counted[:9]),
		"labels": value(CNAME, "\x05\x02\x03web\x00"), "more behind": value(CNAME, "\x06\x01\x03web\x00x"), "no end": value(CNAME, "\x04\x01\x03web"), "text": value(16, "\x05abc"), "few bytes": value(33, "\x00"),
		"long label": value(CNAME, "\x42\x01\x40"+strings.Repeat("x", 64)+"\x00"),
	} {
		_, err := Parse(raw)
		require.Error(t, err, name)
	}
	r, err := Parse(value(CNAME, counted))
	require.NoError(t, err)
	for _, bad := range []string{"", "a..b", strings.Repeat("x", 64), strings.Repeat("x.", 130) + "x"} {
		_, err := r.Renamed(func(string) string { return bad })
		require.Error(t, err, bad)
	}
}

// FuzzParse: what can be read is written as it was, and with other names so that it can be read.
func FuzzParse(f *testing.F) {
	f.Add(value(CNAME, counted))
	f.Add(value(33, "\x00\x01\x00\x02\x01\xbb"+counted))
	f.Add(value(16, "\x03a=b\x00"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := Parse(raw)
		if err != nil {
			return
		}
		same, err := r.Renamed(func(s string) string { return s })
		require.NoError(t, err)
		require.Equal(t, raw, same)
		require.Len(t, r.Key(), len(raw))
		if other, err := r.Renamed(func(s string) string { return "x" + s }); err == nil {
			_, err := Parse(other)
			require.NoError(t, err)
		}
	})
}
