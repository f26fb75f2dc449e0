package seal

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"software.sslmate.com/src/go-pkcs12"

	"infrabackup/internal/fault"
	"infrabackup/internal/secret"
)

func parsedCertificate(t testing.TB, key *rsa.PrivateKey) *x509.Certificate {
	t.Helper()
	c, err := x509.ParseCertificate(certificate(t, key, now.AddDate(-3, 0, 0), now.AddDate(-1, 0, 0)))
	require.NoError(t, err)
	return c
}

func pfxOf(t testing.TB, encoder *pkcs12.Encoder, key any, leaf *x509.Certificate, chain []*x509.Certificate, password string) []byte {
	t.Helper()
	data, err := encoder.Encode(key, leaf, chain, password)
	require.NoError(t, err)
	return data
}

// authority is a certificate that issued others, as PFX files bring it along.
func authority(t testing.TB) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "authority"}, NotBefore: now, NotAfter: now.AddDate(9, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	c, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return c
}

// TestKeyFilesOfOpenSSL reads what OpenSSL 3 wrote: PBES2 with AES, and a MAC with SHA-256.
func TestKeyFilesOfOpenSSL(t *testing.T) {
	var fingerprints []string
	for name, password := range map[string]string{"locked.pfx": "of-the-pfx", "open.pfx": ""} {
		data, err := os.ReadFile("sealtest/testdata/" + name)
		require.NoError(t, err)
		ids, err := ParseKeyFile(data, secret.New(password))
		require.NoError(t, err, name)
		require.Len(t, ids, 1)
		fingerprints = append(fingerprints, ids[0].Recipient().Fingerprint)
		_, err = ParseKeyFile(data, secret.New("another"))
		require.ErrorIs(t, err, fault.KeyPassword, name)
	}
	require.Equal(t, fingerprints[0], fingerprints[1], "one key in both")
}

func TestParseKeyFile(t *testing.T) {
	leaf := parsedCertificate(t, rsaKey())
	want := sshLine(t, rsaKey().Public())
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	store, err := pkcs12.Modern2023.EncodeTrustStore([]*x509.Certificate{leaf}, "word")
	require.NoError(t, err)
	modern := pfxOf(t, pkcs12.Modern2023, rsaKey(), leaf, nil, "word")
	endless := append(append([]byte{0x30, 0x80}, modern[4:]...), 0, 0)
	for name, test := range map[string]struct {
		data     []byte
		password string
		code     fault.Code
		why      string
	}{
		"modern":                        {data: modern, password: "word"},
		"of 2026":                       {data: pfxOf(t, pkcs12.Modern2026, rsaKey(), leaf, nil, "word"), password: "word"},
		"with DES, as Windows exports":  {data: pfxOf(t, pkcs12.LegacyDES, rsaKey(), leaf, nil, "word"), password: "word"},
		"with RC2":                      {data: pfxOf(t, pkcs12.LegacyRC2, rsaKey(), leaf, nil, "word"), password: "word"},
		"without encryption":            {data: pfxOf(t, pkcs12.Passwordless, rsaKey(), leaf, nil, "")},
		"an empty password":             {data: pfxOf(t, pkcs12.Modern2023, rsaKey(), leaf, nil, "")},
		"a password with umlauts":       {data: pfxOf(t, pkcs12.Modern2023, rsaKey(), leaf, nil, "Größe✓"), password: "Größe✓"},
		"with its chain":                {data: pfxOf(t, pkcs12.Modern2023, rsaKey(), leaf, []*x509.Certificate{authority(t)}, "word"), password: "word"},
		"its chain first":               {data: pfxOf(t, pkcs12.Modern2023, rsaKey(), authority(t), []*x509.Certificate{leaf}, "word"), password: "word"},
		"600,000 iterations":            {data: pfxOf(t, pkcs12.Modern2023.WithIterations(600_000), rsaKey(), leaf, nil, "word"), password: "word"},
		"PEM, whose password is unread": {data: rsaForms(t)["PKCS8"], password: "word"},

		"a wrong password":      {data: modern, password: "Word", code: fault.KeyPassword, why: "not that of the PFX"},
		"no password":           {data: modern, code: fault.KeyPassword, why: "not that of the PFX"},
		"a password of emoji":   {data: modern, password: "\U0001F511", code: fault.KeyPassword, why: "characters"},
		"a password of bytes":   {data: modern, password: "\xff", code: fault.KeyPassword, why: "characters"},
		"a long password":       {data: modern, password: strings.Repeat("x", 1025), code: fault.KeyPassword, why: "longer than 1024"},
		"a large file":          {data: append([]byte{0x30, 0x82, 0xff, 0xff, 2, 1, 3, 0x30, 0}, make([]byte, MaxPFX)...), code: fault.KeyInvalid, why: "at most 65536"},
		"another's certificate": {data: pfxOf(t, pkcs12.Modern2023, rsaKey(), parsedCertificate(t, other), nil, "word"), password: "word", code: fault.KeyInvalid, why: "not that of the certificate"},
		"no private key":        {data: store, password: "word", code: fault.KeyInvalid, why: "holds no private key"},
		"an elliptic key":       {data: pfxOf(t, pkcs12.Modern2023, curve, leaf, nil, "word"), password: "word", code: fault.KeyInvalid, why: "only RSA can decrypt"},
		"a short key":           {data: pfxOf(t, pkcs12.Modern2023, small, parsedCertificate(t, small), nil, "word"), password: "word", code: fault.KeyInvalid, why: "at least 2048"},
		"a password for none":   {data: pfxOf(t, pkcs12.Passwordless, rsaKey(), leaf, nil, ""), password: "word", code: fault.KeyInvalid, why: "not protected by a password"},
		"many iterations":       {data: iterating(t, modern, 1<<31-1), password: "word", code: fault.KeyInvalid, why: "2000000 iterations"},
		"a number beyond all":   {data: iterating(t, modern, 1<<62), password: "word", code: fault.KeyInvalid, why: "2000000 iterations"},
		"lengths not given":     {data: endless, password: "word", code: fault.KeyInvalid, why: "not in DER"},
		"cut":                   {data: modern[:len(modern)-9], password: "word", code: fault.KeyInvalid, why: "malformed"},
		"a certificate":         {data: leaf.Raw, password: "word", code: fault.KeyInvalid, why: "binary"},
	} {
		t.Run(name, func(t *testing.T) {
			ids, err := ParseKeyFile(test.data, secret.New(test.password))
			if test.code == "" {
				require.NoError(t, err)
				require.Len(t, ids, 1)
				require.Equal(t, want, ids[0].Public())
				return
			}
			require.ErrorIs(t, err, test.code)
			require.ErrorContains(t, err, test.why)
		})
	}
}

// iterating gives the MAC of a PFX another count.
func iterating(t testing.TB, data []byte, n int64) []byte {
	t.Helper()
	var outer struct {
		Version int
		Safe    asn1.RawValue
		MAC     struct {
			Digest, Salt asn1.RawValue
			Iterations   int64
		}
	}
	_, err := asn1.Unmarshal(data, &outer)
	require.NoError(t, err)
	outer.MAC.Iterations = n
	changed, err := asn1.Marshal(outer)
	require.NoError(t, err)
	return changed
}

// TestIterationsInSight: each place of a PFX that has a count is looked at, before anything is
// derived. Were one of them missed, this test would not end.
func TestIterationsInSight(t *testing.T) {
	leaf := parsedCertificate(t, rsaKey())
	for name, encoder := range map[string]*pkcs12.Encoder{"PBES2": pkcs12.Modern2023, "PBMAC1": pkcs12.Modern2026, "DES": pkcs12.LegacyDES} {
		data := pfxOf(t, encoder.WithIterations(0x010203), rsaKey(), leaf, nil, "word")
		count := []byte{asn1.TagInteger, 3, 1, 2, 3}
		places := strings.Count(string(data), string(count))
		require.Equal(t, 3, places, "%s: the MAC, the certificates, the key", name)
		for i := range places {
			changed := []byte(strings.Replace(string(data), string(count), "\x02\x03\x01\x00\x01", i))
			changed = []byte(strings.Replace(string(changed), string(count), "\x02\x03\x7f\xff\xff", 1))
			changed = []byte(strings.ReplaceAll(string(changed), string(count), "\x02\x03\x01\x00\x01"))
			require.ErrorContains(t, checkIterations(changed), "iterations", "%s, place %d", name, i)
		}
		require.NoError(t, checkIterations(data), "%s", name)
	}
}

// TestWordsOfTheParser: what the library says about what is missing is told apart by its words.
func TestWordsOfTheParser(t *testing.T) {
	require.ErrorIs(t, pfxError(pkcs12.ErrIncorrectPassword), fault.KeyPassword)
	require.ErrorContains(t, pfxError(pkcs12.NotImplementedError("x")), "not supported")
	_, _, _, err := pkcs12.DecodeChain([]byte{0x30, 0}, "")
	require.ErrorIs(t, pfxError(err), fault.KeyInvalid)
	require.NotContains(t, pfxError(err).Error(), "pkcs12", "words of our own")
}

func FuzzParseKeyFile(f *testing.F) {
	leaf := parsedCertificate(f, rsaKey())
	for _, encoder := range []*pkcs12.Encoder{pkcs12.Modern2023.WithIterations(1), pkcs12.Modern2026.WithIterations(1), pkcs12.LegacyRC2.WithIterations(1), pkcs12.Passwordless} {
		password := "word"
		if encoder == pkcs12.Passwordless {
			password = ""
		}
		f.Add(pfxOf(f, encoder, rsaKey(), leaf, nil, password), password)
	}
	f.Add([]byte("AGE-SECRET-KEY-1"), "")
	f.Fuzz(func(t *testing.T, data []byte, password string) {
		ids, err := ParseKeyFile(data, secret.New(password))
		if err != nil {
			require.Contains(t, []fault.Code{fault.KeyInvalid, fault.KeyPassword}, fault.CodeOf(err))
			return
		}
		for _, id := range ids {
			again, err := ParseRecipient(id.Public())
			require.NoError(t, err)
			require.Equal(t, id.Recipient().Fingerprint, again.Fingerprint)
		}
	})
}
