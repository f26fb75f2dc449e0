package openssl

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParseIndex(t *testing.T) {
	const good = "V\t261122083000Z\t\t1000\tunknown\t/O=Lab/CN=www\n"
	for name, test := range map[string]struct {
		text string
		rows int
		bad  int
	}{
		"empty":                         {"", 0, 0},
		"one":                           {good, 1, 0},
		"comment":                       {"# made by hand\n" + good, 1, 0},
		"generalized time":              {"V\t20551122083000Z\t\t1000\tunknown\t/CN=www\n", 1, 0},
		"carriage return":               {"V\t261122083000Z\t\t1000\tunknown\t/CN=www\r\n", 1, 0},
		"revoked":                       {"R\t261122083000Z\t251122083000Z\t1000\tunknown\t/CN=www\n", 1, 0},
		"revoked with reason":           {"R\t261122083000Z\t251122083000Z,keyCompromise\t1000\tunknown\t/CN=www\n", 1, 0},
		"revoked with argument":         {"R\t261122083000Z\t251122083000Z,keyTime,20251122083000Z\t1000\tunknown\t/CN=www\n", 1, 0},
		"expired, lower-case serial":    {"E\t201122083000Z\t\tabcd\tunknown\t/CN=www\n", 1, 0},
		"escaped tab in the subject":    {"V\t261122083000Z\t\t1000\tunknown\t/CN=a\\\tb\n", 1, 0},
		"blank line":                    {"\n" + good, 1, 1},
		"too few columns":               {"V\t261122083000Z\t\t1000\tunknown\n" + good, 1, 1},
		"too many columns":              {"V\t261122083000Z\t\t1000\tunknown\t/CN=www\tx\n" + good, 1, 1},
		"unknown status":                {"X" + good[1:] + good, 2, 0},
		"no status":                     {good[1:] + good, 2, 0},
		"no such day":                   {"V\t260231083000Z\t\t1000\tunknown\t/CN=www\n", 0, 1},
		"no time zone":                  {"V\t2611220830000\t\t1000\tunknown\t/CN=www\n", 0, 1},
		"valid with revocation":         {"V\t261122083000Z\t251122083000Z\t1000\tunknown\t/CN=www\n", 0, 1},
		"revoked without a date":        {"R\t261122083000Z\t\t1000\tunknown\t/CN=www\n", 0, 1},
		"revoked for unknown reason":    {"R\t261122083000Z\t251122083000Z,bored\t1000\tunknown\t/CN=www\n", 0, 1},
		"reason lacks its argument":     {"R\t261122083000Z\t251122083000Z,keyTime\t1000\tunknown\t/CN=www\n", 0, 1},
		"reason with idle argument":     {"R\t261122083000Z\t251122083000Z,superseded,x\t1000\tunknown\t/CN=www\n", 1, 0},
		"odd count of digits":           {"V\t261122083000Z\t\t100\tunknown\t/CN=www\n", 0, 1},
		"negative serial":               {"V\t261122083000Z\t\t-1000\tunknown\t/CN=www\n", 1, 0},
		"serial too long":               {"V\t261122083000Z\t\t" + strings.Repeat("11", 21) + "\tunknown\t/CN=www\n", 1, 0},
		"serial far too long":           {"V\t261122083000Z\t\t" + strings.Repeat("11", 65) + "\tunknown\t/CN=www\n", 0, 1},
		"cut off":                       {good + good[:20], 1, 1},
		"row without end":               {good + strings.Repeat("x", 3*MaxLineBytes), 1, 1},
		"row too long, then a good one": {strings.Repeat("x", 3*MaxLineBytes) + "\n" + good, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			rows, bad := 0, 0
			require.NoError(t, ParseIndex(strings.NewReader(test.text), func(Row) error { rows++; return nil }, func(*RowError) error { bad++; return nil }))
			require.Equal(t, test.rows, rows)
			require.Equal(t, test.bad, bad)
		})
	}
	var got Row
	text := "R\t491122083000Z\t501122083000Z,keyCompromise\t00AB\tunknown\t/CN=a\\\tb\n"
	require.NoError(t, ParseIndex(strings.NewReader(text), func(r Row) error { got = r; return nil }, func(e *RowError) error { return e }))
	require.Equal(t, Row{
		Status: 'R', Expiry: time.Date(2049, 11, 22, 8, 30, 0, 0, time.UTC), Revoked: time.Date(1950, 11, 22, 8, 30, 0, 0, time.UTC),
		Reason: "keyCompromise", Serial: Serial{magnitude: "\xab"}, Subject: "/CN=a\tb",
	}, got)
	broken := errors.New("disk")
	require.ErrorIs(t, ParseIndex(io.MultiReader(strings.NewReader(good), failing{broken}), func(Row) error { return nil }, nil), broken)
	require.ErrorIs(t, ParseIndex(strings.NewReader(good), func(Row) error { return broken }, nil), broken)
	require.ErrorContains(t, ParseIndex(strings.NewReader("x\n"), nil, func(e *RowError) error { return e }), "line 1")
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestSerial(t *testing.T) {
	for text, want := range map[string]string{"1000": "1000", "00FF": "FF", "00": "00", "abcdef": "ABCDEF", strings.Repeat("FF", 20): strings.Repeat("FF", 20),
		"12 34": "12", "12\n34\n": "12", strings.Repeat("11", 21): strings.Repeat("11", 21), "10zz": "10", "0005": "05"} {
		got, err := ParseNumber([]byte(text + "\n"))
		require.NoError(t, err)
		require.Equal(t, want, got.String())
	}
	for _, text := range []string{"", "\n", "1", "0x10", "\n10", "-10", "10\\\n00", strings.Repeat("11", 65)} {
		_, err := ParseNumber([]byte(text))
		require.Error(t, err, text)
	}
	number := func(text string) Serial {
		n, err := ParseSerial(text)
		require.NoError(t, err)
		return n
	}
	require.Equal(t, number("010000"), number("FFFF").Next())
	require.Equal(t, number("01"+strings.Repeat("00", 20)), number(strings.Repeat("FF", 20)).Next())
	require.Equal(t, number("-04"), number("-05").Next())
	require.Equal(t, Serial{}, number("-01").Next())
	require.Equal(t, number("00"), number("-00"))
	for i, text := range []string{"-0100", "-05", "-04", "00", "04", "FF", "0100"} {
		for j, other := range []string{"-0100", "-05", "-04", "00", "04", "FF", "0100"} {
			require.Equal(t, cmp.Compare(i, j), number(text).Compare(number(other)), "%s %s", text, other)
		}
	}
	require.True(t, number("-0100000000").FarFrom(number("00")))
	require.False(t, number("-05").FarFrom(number("05")))
	require.False(t, number("1000").FarFrom(number("FFFFFFFF")))
	require.True(t, number("00").FarFrom(number("0100000000")))
	require.True(t, number("0100000000").FarFrom(number("00")))
	require.False(t, number("0100000000").FarFrom(number("FFFFFFFF")))
}

func TestParseConfig(t *testing.T) {
	got, err := ParseConfig([]byte("root = /srv\n[ca]\ndefault_ca=CA_default # the one\n[ CA_default ]\ndir = $root/ca\ndatabase = ${dir}/db/index.txt\n" +
		"serial = \\\n  $CA_default::dir/serial\nprivate_key = \"pkcs11:object=a#b\"\ncrlnumber=$ENV::X/n\nnew_certs_dir=$crlnumber/y\nrand_serial = yes\n"))
	require.NoError(t, err)
	require.Equal(t, Settings{
		Dir: "/srv/ca", Database: "/srv/ca/db/index.txt", Serial: "/srv/ca/serial", PrivateKey: "pkcs11:object=a#b", RandomSerial: true,
	}, got)
	for _, text := range []string{"", "[ca]\n", "[ca]\ndefault_ca = x\n", "default_ca = ca\n"} {
		_, err := ParseConfig([]byte(text))
		require.ErrorIs(t, err, errNoCASection)
	}
	// Variables cannot blow up.
	bomb := "[ca]\ndefault_ca=x\n[x]\na=" + strings.Repeat("a", 100) + "\n"
	for range 60 {
		bomb += "a=$a$a\n"
	}
	_, err = ParseConfig([]byte(bomb))
	require.NoError(t, err)
	_, err = ParseConfig([]byte(strings.Repeat("a=b\n", maxConfigValues+1)))
	require.ErrorIs(t, err, errConfigTooMany)
	_, err = ParseConfig(bytes.Repeat([]byte("aaaaaaaa\\\n"), MaxLineBytes))
	require.ErrorIs(t, err, errConfigTooMany)
}

func FuzzParseIndex(f *testing.F) {
	f.Add([]byte("V\t261122083000Z\t\t1000\tunknown\t/CN=www\nR\t261122083000Z\t251122083000Z,keyCompromise\t1001\tunknown\t/CN=a\\\tb\n"))
	f.Add([]byte("#\n\nE\t\t\t\t\t\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		lines := bytes.Count(data, []byte("\n")) + 1
		rows := 0
		err := ParseIndex(bytes.NewReader(data), func(r Row) error {
			rows++
			require.Equal(t, r.Status == 'R', !r.Revoked.IsZero())
			again, err := ParseSerial(r.Serial.String())
			require.NoError(t, err)
			require.Equal(t, r.Serial, again)
			return nil
		}, func(*RowError) error { rows++; return nil })
		require.NoError(t, err)
		require.LessOrEqual(t, rows, lines)
	})
}

func FuzzParseNumberFile(f *testing.F) {
	f.Add([]byte("1000\n"))
	f.Add([]byte("0F"))
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := ParseNumber(data)
		if err != nil {
			return
		}
		again, err := ParseNumber([]byte(n.String()))
		require.NoError(t, err)
		require.Equal(t, n, again)
	})
}

func FuzzParseConfig(f *testing.F) {
	f.Add([]byte("[ca]\ndefault_ca = CA_default\n[CA_default]\ndir = .\ndatabase = $dir/index.txt\nserial = ${dir}/serial\nrand_serial = yes\n"))
	f.Add([]byte("[ca]\ndefault_ca=x\n[x]\ndir=$ENV::A::b${c::d}$\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		settings, err := ParseConfig(data)
		require.True(t, err == nil || settings == Settings{})
		for _, value := range []string{settings.Dir, settings.Database, settings.NewCerts, settings.PrivateKey} {
			require.LessOrEqual(t, len(value), maxValueBytes)
		}
	})
}
