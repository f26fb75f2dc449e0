package ca

import (
	"crypto/ed25519"
	"crypto/x509"
	"math/big"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect/collecttest"
)

func TestConformance(t *testing.T) {
	lab := newLabCA(t, ecKey)
	lab.fill()
	lab.write("notes", "canary-in-a-file")
	require.NoError(t, os.Symlink("cacert.pem", lab.path("ca.crt")))
	key := strings.Split(lab.readText("private/cakey.pem"), "\n")[1] // of base64
	twoObjects := reader{objects: [][2]string{{"CN=AIA,DC=lab", `{"a":1}`}, {"CN=CDP,DC=lab", `{"b":2}`}}}
	for name, directory := range map[string]DirectoryReader{"folder": nil, "folder and directory": twoObjects} {
		t.Run(name, func(t *testing.T) {
			c := newTestCollector(t, Config{Dir: lab.dir, Directory: directory}, time.Now())
			c.now = time.Now
			collecttest.Run(t, collecttest.Subject{Collector: c, Service: backup.CA, Secrets: []string{"canary-in-a-file", key}})
		})
	}
}

// keyID asks openssl for an identifier of a certificate.
func (c *labCA) keyID(cert, extension string) string {
	c.t.Helper()
	lines := strings.Split(strings.TrimSpace(c.openssl("x509", "-in", c.path(cert), "-noout", "-ext", extension)), "\n")
	text := strings.ToLower(strings.ReplaceAll(strings.TrimSpace(lines[len(lines)-1]), ":", ""))
	return strings.TrimPrefix(text, "keyid")
}

// TestCACertificatesHaveTheirKeyIDAsAlias compares with openssl: what an issued
// certificate says of its issuer's key is the alias of the CA's certificate.
func TestCACertificatesHaveTheirKeyIDAsAlias(t *testing.T) {
	lab := newLabCA(t, ecKey)
	lab.write("keyid.ext", "authorityKeyIdentifier = keyid:always\n")
	serial := lab.issue("www.example.com", "-extfile", lab.path("keyid.ext"))
	lab.crl()
	own := lab.keyID("cacert.pem", "subjectKeyIdentifier")
	require.Len(t, own, 40)
	require.Equal(t, own, lab.keyID("newcerts/"+serial+".pem", "authorityKeyIdentifier"))

	// A generation of the same key without the extension: openssl's "hash" is method 1.
	lab.write("openssl.cnf", strings.Replace(lab.readText("openssl.cnf"), "subjectKeyIdentifier = hash", "subjectKeyIdentifier = none", 1))
	lab.selfSign("private/cakey.pem", "older.pem", "/O=Lab/CN=Lab Root CA", 3000)
	require.NotContains(t, lab.openssl("x509", "-in", lab.path("older.pem"), "-noout", "-text"), "Subject Key Identifier")
	// Another CA, and a bundle of both and of what no CA is.
	lab.openssl(append(rsaKey, "-out", lab.path("private/other.pem"))...)
	lab.write("openssl.cnf", strings.Replace(lab.readText("openssl.cnf"), "subjectKeyIdentifier = none", "subjectKeyIdentifier = hash", 1))
	lab.selfSign("private/other.pem", "other.pem", "/O=Lab/CN=Other CA", 3000)
	other := lab.keyID("other.pem", "subjectKeyIdentifier")
	lab.write("bundle.pem", lab.readText("cacert.pem")+lab.readText("older.pem")+lab.readText("newcerts/"+serial+".pem")+lab.readText("other.pem"))

	sink, _ := collectNow(t, lab.dir)
	aliases := map[string][]string{}
	for _, c := range sink.calls {
		if len(c.Item.Aliases) > 0 {
			aliases[c.Info.Path] = c.Item.Aliases
		}
		require.Empty(t, c.Item.References)
	}
	require.Equal(t, map[string][]string{
		"ca/cacert.pem": {"key-id:" + own}, "ca/older.pem": {"key-id:" + own}, "ca/other.pem": {"key-id:" + other},
		"ca/bundle.pem": {"key-id:" + own, "key-id:" + other},
	}, aliases)
}

func TestKeyIDThatIsTooLong(t *testing.T) {
	cert := &x509.Certificate{SubjectKeyId: make([]byte, 97)}
	_, ok := keyAlias(cert)
	require.False(t, ok)
	cert.SubjectKeyId = cert.SubjectKeyId[1:]
	alias, ok := keyAlias(cert)
	require.True(t, ok)
	require.Equal(t, "key-id:"+strings.Repeat("00", 96), alias)
}

func FuzzKeyAlias(f *testing.F) {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	template := &x509.Certificate{SerialNumber: big.NewInt(1), BasicConstraintsValid: true}
	for _, template.IsCA = range []bool{false, true} { // with a subject key identifier if it is one
		der, err := x509.CreateCertificate(nil, template, template, key.Public(), key)
		require.NoError(f, err)
		f.Add(der)
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return
		}
		if alias, ok := keyAlias(cert); ok {
			item := backup.Item{Aliases: []string{alias}}
			require.NoError(t, item.CheckLinks())
			require.Equal(t, strings.ToLower(alias), alias)
		}
	})
}
