package authority

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/diff/result"
)

func lines(d result.Details) []string {
	out := []string{}
	for _, one := range d.List {
		line := string(one.How) + " " + one.Path
		if one.Secret {
			line += " secret"
		}
		if one.Before != nil {
			line += " -" + *one.Before
		}
		if one.After != nil {
			line += " +" + *one.After
		}
		out = append(out, line)
	}
	return out
}

func reasons(d result.Details) string {
	var out []string
	for _, i := range d.Ignored.List() {
		out = append(out, i.Reason)
	}
	return strings.Join(out, "; ")
}

// issuer makes certificates and revocation lists.
type issuer struct {
	t    testing.TB
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newIssuer(t testing.TB) *issuer {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	i := &issuer{t: t, key: key}
	i.cert = i.parse(i.certificate("CA", 1))
	return i
}

func (i *issuer) parse(der []byte) *x509.Certificate {
	cert, err := x509.ParseCertificate(der)
	require.NoError(i.t, err)
	return cert
}

func (i *issuer) certificate(name string, serial int64) []byte {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name}, NotBefore: time.Unix(1.7e9, 0), NotAfter: time.Unix(2e9, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCRLSign, SubjectKeyId: []byte("key"),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, i.key.Public(), i.key)
	require.NoError(i.t, err)
	return der
}

func (i *issuer) crl(number int64, at time.Time, revoked map[int64]int) []byte {
	list := &x509.RevocationList{Number: big.NewInt(number), ThisUpdate: at, NextUpdate: at.AddDate(0, 1, 0)}
	var serials []int64
	for serial := range revoked {
		serials = append(serials, serial)
	}
	slices.Sort(serials)
	for _, serial := range serials {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: big.NewInt(serial), RevocationTime: time.Unix(1.7e9, 0), ReasonCode: revoked[serial]})
	}
	der, err := x509.CreateRevocationList(rand.Reader, list, i.cert, i.key)
	require.NoError(i.t, err)
	return pemOf("X509 CRL", der)
}

func pemOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func TestCompare(t *testing.T) {
	i := newIssuer(t)
	at := time.Unix(1.75e9, 0)
	one, two := i.certificate("one", 0x1000), i.certificate("two", 0x1001)
	onePEM, twoPEM := pemOf("CERTIFICATE", one), pemOf("CERTIFICATE", two)
	key, err := x509.MarshalPKCS8PrivateKey(i.key)
	require.NoError(t, err)
	const valid, revoked = "V\t261122083000Z\t\t1000\tunknown\t/CN=www\n", "R\t261122083000Z\t251122083000Z,keyCompromise\t1000\tunknown\t/CN=www\n"
	const another = "V\t271122083000Z\t\t1001\tunknown\t/CN=ftp\n"
	for name, c := range map[string]struct {
		kind, id string
		a, b     []byte
		want     []string
		ignored  string
	}{
		"text around a certificate": {"certificate", "x", append([]byte("Certificate:\n"), onePEM...), onePEM, nil, ReasonText},
		"PEM and DER":               {"certificate", "x", one, onePEM, nil, ReasonText},
		"another certificate":       {"certificate-copy", "ca/a.pem", onePEM, twoPEM, []string{"removed certificate -CN=one, serial number 1000,", "added certificate +CN=two, serial number 1001,"}, ""},
		"one more":                  {"certificate-bundle", "ca/a.pem", onePEM, append(slices.Clone(onePEM), twoPEM...), []string{"added certificate +CN=two, serial number 1001,"}, ""},
		"key":                       {"private-key", "ca/key.pem", []byte("a"), []byte("b"), []string{"changed content secret"}, ""},
		"PIN":                       {"private-key-reference", "ca/key.pem", []byte("pkcs11:pin-value=1"), []byte("pkcs11:pin-value=2"), []string{"changed content secret"}, ""},
		"a key beside it":           {"file", "ca/x", onePEM, append(slices.Clone(onePEM), pemOf("PRIVATE KEY", key)...), []string{"changed content secret"}, ""},
		"some file":                 {"file", "ca/notes", []byte("canary"), []byte("canary 2"), []string{"changed content -6 bytes +8 bytes"}, ""},
		"configuration":             {"ca-configuration", "ca/openssl.cnf", []byte("input_password=canary"), []byte("x"), []string{"changed content -21 bytes +1 bytes"}, ""},
		"serial":                    {"ca-database", "ca/serial", []byte("1000\n"), []byte("1001\n"), nil, ReasonCounter},
		"serial back":               {"ca-database", "ca/serial", []byte("1001\n"), []byte("1000\n"), []string{"changed " + Back + " -1001 +1000"}, ""},
		"serial, longer":            {"ca-database", "ca/serial", []byte("FF\n"), []byte("0100\n"), nil, ReasonCounter},
		"former":                    {"ca-database", "ca/index.txt.old", []byte("x"), []byte("y"), nil, ReasonFormer},
		"attributes":                {"ca-database", "ca/index.txt.attr", []byte("unique_subject = no\n"), []byte("unique_subject = yes\n"), []string{"changed content -unique_subject = no\n +unique_subject = yes\n"}, ""},
		"order of rows":             {"ca-database", "ca/index.txt", []byte(valid + another), []byte(another + valid), nil, ReasonRows},
		"line ends":                 {"ca-database", "ca/index.txt", []byte(valid), []byte(strings.ReplaceAll(valid, "\n", "\r\n")), nil, ReasonRows},
		"one row more":              {"ca-database", "ca/index.txt", []byte(valid), []byte(valid + another), []string{"added row[serial=1001] +valid /CN=ftp expires 2027-11-22 08:30:00Z"}, ""},
		"revoked":                   {"ca-database", "ca/db/index", []byte(valid), []byte(revoked), []string{"changed row[serial=1000] -valid /CN=www expires 2026-11-22 08:30:00Z +revoked /CN=www expires 2026-11-22 08:30:00Z revoked 2025-11-22 08:30:00Z keyCompromise"}, ""},
		"the same row twice":        {"ca-database", "ca/index.txt", []byte(valid), []byte(valid + valid), []string{"added row[serial=1000] +valid /CN=www expires 2026-11-22 08:30:00Z"}, ""},
		"malformed rows":            {"ca-database", "ca/index.txt", []byte(valid + "x\ty\n"), []byte(valid + "x\tz\n"), []string{"changed row -x\ty +x\tz"}, ""},
		"list issued again":         {"crl", "ca/crl.pem", i.crl(5, at, map[int64]int{7: 1}), i.crl(6, at.AddDate(0, 0, 7), map[int64]int{7: 1}), nil, ReasonCounter + "; " + ReasonIssued},
		"one more revoked":          {"crl", "ca/crl.pem", i.crl(5, at, map[int64]int{7: 1}), i.crl(6, at, map[int64]int{7: 1, 8: 4}), []string{"added revoked[08] +2023-11-14 22:13:20Z, reason 4"}, ReasonCounter + "; " + ReasonIssued},
		"none revoked any more":     {"crl", "ca/crl.pem", i.crl(5, at, map[int64]int{7: 1}), i.crl(6, at, nil), []string{"removed revoked[07] -2023-11-14 22:13:20Z, reason 1"}, ReasonCounter + "; " + ReasonIssued},
		"another reason":            {"crl", "ca/crl.pem", i.crl(5, at, map[int64]int{7: 1}), i.crl(5, at, map[int64]int{7: 6}), []string{"changed revoked[07] -2023-11-14 22:13:20Z, reason 1 +2023-11-14 22:13:20Z, reason 6"}, ReasonIssued},
		"number back":               {"crl", "ca/crl.pem", i.crl(6, at, nil), i.crl(5, at, nil), []string{"changed " + Back + " -06 +05"}, ReasonIssued},
		"no list":                   {"crl", "ca/crl.pem", []byte("x"), i.crl(5, at, nil), []string{"changed content"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var d result.Details
			Compare(c.kind, c.id, c.a, c.b, &d)
			got := lines(d)
			require.Len(t, got, len(c.want), "%q", got)
			for i := range c.want {
				require.True(t, strings.HasPrefix(got[i], c.want[i]), "%q", got)
			}
			require.Equal(t, c.ignored, reasons(d))
			require.NotContains(t, strings.Join(got, ""), "canary")
		})
	}
}

// FuzzCompare: whatever the files hold, the same content is the same in what counts.
func FuzzCompare(f *testing.F) {
	i := newIssuer(f)
	kinds := []string{"crl", "ca-database", "certificate", "file"}
	for k := range kinds {
		f.Add(k, i.crl(5, time.Unix(1.75e9, 0), map[int64]int{7: 1}), []byte("V\t261122083000Z\t\t1000\tunknown\t/CN=www\n"))
		f.Add(k, []byte("1000\n"), pemOf("CERTIFICATE", i.cert.Raw))
	}
	f.Fuzz(func(t *testing.T, k int, a, b []byte) {
		kind := kinds[uint(k)%uint(len(kinds))]
		var d result.Details
		Compare(kind, "ca/x", a, b, &d)
		if kind != "crl" && !bytes.Equal(a, b) {
			require.Positive(t, len(d.List)+len(d.Ignored), "two versions that differ are told of, or counted")
		}
		if kind == "crl" || kind == "ca-database" {
			var same result.Details
			Compare(kind, "ca/x", a, a, &same)
			if _, ok := readList(a); ok || kind == "ca-database" {
				require.Empty(t, same.List)
			}
		}
	})
}
