package ca

import (
	"bytes"
	"cmp"
	"crypto/x509"
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
		"row without end":               {good + strings.Repeat("x", 3*maxLineBytes), 1, 1},
		"row too long, then a good one": {strings.Repeat("x", 3*maxLineBytes) + "\n" + good, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			rows, bad := 0, 0
			require.NoError(t, parseIndex(strings.NewReader(test.text), func(row) error { rows++; return nil }, func(*rowError) error { bad++; return nil }))
			require.Equal(t, test.rows, rows)
			require.Equal(t, test.bad, bad)
		})
	}
	var got row
	text := "R\t491122083000Z\t501122083000Z,keyCompromise\t00AB\tunknown\t/CN=a\\\tb\n"
	require.NoError(t, parseIndex(strings.NewReader(text), func(r row) error { got = r; return nil }, func(e *rowError) error { return e }))
	require.Equal(t, row{
		status: 'R', expiry: time.Date(2049, 11, 22, 8, 30, 0, 0, time.UTC), revoked: time.Date(1950, 11, 22, 8, 30, 0, 0, time.UTC),
		reason: "keyCompromise", serial: serial{magnitude: "\xab"}, subject: "/CN=a\tb",
	}, got)
	broken := errors.New("disk")
	require.ErrorIs(t, parseIndex(io.MultiReader(strings.NewReader(good), failing{broken}), func(row) error { return nil }, nil), broken)
	require.ErrorIs(t, parseIndex(strings.NewReader(good), func(row) error { return broken }, nil), broken)
	require.ErrorContains(t, parseIndex(strings.NewReader("x\n"), nil, func(e *rowError) error { return e }), "line 1")
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestSerial(t *testing.T) {
	for text, want := range map[string]string{"1000": "1000", "00FF": "FF", "00": "00", "abcdef": "ABCDEF", strings.Repeat("FF", 20): strings.Repeat("FF", 20),
		"12 34": "12", "12\n34\n": "12", strings.Repeat("11", 21): strings.Repeat("11", 21), "10zz": "10", "0005": "05"} {
		got, err := parseNumberFile([]byte(text + "\n"))
		require.NoError(t, err)
		require.Equal(t, want, got.String())
	}
	for _, text := range []string{"", "\n", "1", "0x10", "\n10", "-10", "10\\\n00", strings.Repeat("11", 65)} {
		_, err := parseNumberFile([]byte(text))
		require.Error(t, err, text)
	}
	number := func(text string) serial {
		n, err := parseSerial(text)
		require.NoError(t, err)
		return n
	}
	require.Equal(t, number("010000"), number("FFFF").next())
	require.Equal(t, number("01"+strings.Repeat("00", 20)), number(strings.Repeat("FF", 20)).next())
	require.Equal(t, number("-04"), number("-05").next())
	require.Equal(t, serial{}, number("-01").next())
	require.Equal(t, number("00"), number("-00"))
	for i, text := range []string{"-0100", "-05", "-04", "00", "04", "FF", "0100"} {
		for j, other := range []string{"-0100", "-05", "-04", "00", "04", "FF", "0100"} {
			require.Equal(t, cmp.Compare(i, j), number(text).compare(number(other)), "%s %s", text, other)
		}
	}
	require.True(t, number("-0100000000").far(number("00")))
	require.False(t, number("-05").far(number("05")))
	require.False(t, number("1000").far(number("FFFFFFFF")))
	require.True(t, number("00").far(number("0100000000")))
	require.True(t, number("0100000000").far(number("00")))
	require.False(t, number("0100000000").far(number("FFFFFFFF")))
}

func TestParseConfig(t *testing.T) {
	got, err := parseConfig([]byte("root = /srv\n[ca]\ndefault_ca=CA_default # the one\n[ CA_default ]\ndir = $root/ca\ndatabase = ${dir}/db/index.txt\n" +
		"serial = \\\n  $CA_default::dir/serial\nprivate_key = \"pkcs11:object=a#b\"\ncrlnumber=$ENV::X/n\nnew_certs_dir=$crlnumber/y\nrand_serial = yes\n"))
	require.NoError(t, err)
	require.Equal(t, caSettings{
		dir: "/srv/ca", database: "/srv/ca/db/index.txt", serial: "/srv/ca/serial", privateKey: "pkcs11:object=a#b", randomSerial: true,
	}, got)
	for _, text := range []string{"", "[ca]\n", "[ca]\ndefault_ca = x\n", "default_ca = ca\n"} {
		_, err := parseConfig([]byte(text))
		require.ErrorIs(t, err, errNoCASection)
	}
	// Variables cannot blow up.
	bomb := "[ca]\ndefault_ca=x\n[x]\na=" + strings.Repeat("a", 100) + "\n"
	for range 60 {
		bomb += "a=$a$a\n"
	}
	_, err = parseConfig([]byte(bomb))
	require.NoError(t, err)
	_, err = parseConfig([]byte(strings.Repeat("a=b\n", maxConfigValues+1)))
	require.ErrorIs(t, err, errConfigTooMany)
	_, err = parseConfig(bytes.Repeat([]byte("aaaaaaaa\\\n"), maxLineBytes))
	require.ErrorIs(t, err, errConfigTooMany)
}

func TestPublicKeyURI(t *testing.T) {
	for uri, want := range map[string]string{
		"pkcs11:token=a;object=b":                               "pkcs11:token=a;object=b",
		"pkcs11:token=a;pin-value=1234;object=b?pin-value=1":    "pkcs11:token=a;object=b",
		"pkcs11:token=a;PIN-SOURCE=/x;x-vendor-pin=9;id=%01%02": "pkcs11:token=a;id=%01%02",
		"handle:0x81000001":                                     "handle:…",
		"pkcs11:":                                               "pkcs11:",
	} {
		require.Equal(t, want, publicKeyURI(uri))
	}
}

func TestIsCAName(t *testing.T) {
	for _, name := range []string{
		"cacert.pem", "ca.crt", "ca.pem", "certs/ca.cert.pem", "private/cakey.pem", "private/ca.key", "private/ca.key.pem", "ca-key.pem", "CA.crt",
		"rootca.pem", "root-ca.crt", "cacert-2020.pem", "ca-old.crt", "ca_cert_2.pem", "sub-ca.key", "ca-g2.pem",
	} {
		require.True(t, isCAName(name), name)
	}
	for _, name := range []string{"ca-chain.pem", "ca-bundle.crt", "www.pem", "cat.pem", "index.txt", "client.key", "local.crt", ""} {
		require.False(t, isCAName(name), name)
	}
}

func FuzzParseIndex(f *testing.F) {
	f.Add([]byte("V\t261122083000Z\t\t1000\tunknown\t/CN=www\nR\t261122083000Z\t251122083000Z,keyCompromise\t1001\tunknown\t/CN=a\\\tb\n"))
	f.Add([]byte("#\n\nE\t\t\t\t\t\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		lines := bytes.Count(data, []byte("\n")) + 1
		rows := 0
		err := parseIndex(bytes.NewReader(data), func(r row) error {
			rows++
			require.Equal(t, r.status == 'R', !r.revoked.IsZero())
			again, err := parseSerial(r.serial.String())
			require.NoError(t, err)
			require.Equal(t, r.serial, again)
			return nil
		}, func(*rowError) error { rows++; return nil })
		require.NoError(t, err)
		require.LessOrEqual(t, rows, lines)
	})
}

func FuzzParseNumberFile(f *testing.F) {
	f.Add([]byte("1000\n"))
	f.Add([]byte("0F"))
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := parseNumberFile(data)
		if err != nil {
			return
		}
		again, err := parseNumberFile([]byte(n.String()))
		require.NoError(t, err)
		require.Equal(t, n, again)
	})
}

func FuzzParseCRL(f *testing.F) {
	f.Add([]byte{0x30, 0x03, 0x30, 0x01, 0x00})
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := parseCRL(data)
		strict, strictErr := x509.ParseRevocationList(data)
		if strictErr == nil {
			require.NoError(t, err, "what x509 reads is read")
			require.Equal(t, strict.RawIssuer, c.issuer)
			require.Equal(t, strict.Signature, c.signature)
			require.Equal(t, strict.SignatureAlgorithm, c.algorithm)
		}
		if err == nil {
			_ = c.each(func(serial) {})
		}
	})
}

// FuzzParseCertificate: what x509 reads, the lenient reader reads as well, and alike.
func FuzzParseCertificate(f *testing.F) {
	f.Add([]byte{0x30, 0x03, 0x30, 0x01, 0x00})
	f.Fuzz(func(t *testing.T, data []byte) {
		strict, err := x509.ParseCertificate(data)
		loose, ok := looseCertificate(data)
		if err != nil {
			return
		}
		require.True(t, ok)
		require.Equal(t, strict.SerialNumber.String(), loose.SerialNumber.String())
		require.Equal(t, strict.RawIssuer, loose.RawIssuer)
		require.Equal(t, strict.RawSubject, loose.RawSubject)
		require.Equal(t, strict.RawTBSCertificate, loose.RawTBSCertificate)
		require.Equal(t, strict.Signature, loose.Signature)
		require.True(t, strict.NotAfter.Equal(loose.NotAfter))
	})
}

func FuzzParseConfig(f *testing.F) {
	f.Add([]byte(labConfig))
	f.Add([]byte("[ca]\ndefault_ca=x\n[x]\ndir=$ENV::A::b${c::d}$\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		settings, err := parseConfig(data)
		if err == nil {
			l := layout{home: ".", settings: settings, config: "openssl.cnf"}
			for _, value := range []string{settings.database, settings.serial, settings.certificate} {
				_, _ = l.resolve(&folder{dir: "/ca"}, value)
			}
			_ = publicKeyURI(settings.privateKey)
		}
	})
}

// FuzzInspect feeds what any file of the folder can hold.
func FuzzInspect(f *testing.F) {
	f.Add("a.pem", []byte("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nMIIB\n-----END EC PRIVATE KEY-----\n"))
	f.Add("a.der", []byte{0x30, 0x03, 0x02, 0x01, 0x00})
	f.Add("key", []byte("pkcs11:token=a"))
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		c := inspect(name, data)
		require.NotEmpty(t, c.kind)
		_ = crlOf(data)
		_ = firstElement(data)
		stored, renamed := storedPath(name)
		require.Equal(t, renamed, !strings.HasPrefix(stored, "ca/"))
		for element := range strings.SplitSeq(stored, "/") {
			require.LessOrEqual(t, len(element), 255)
		}
	})
}
