package pki

import (
	"crypto/x509"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/collect/ca/openssl"
)

func TestPublicKeyURI(t *testing.T) {
	for uri, want := range map[string]string{
		"pkcs11:token=a;object=b":                               "pkcs11:token=a;object=b",
		"pkcs11:token=a;pin-value=1234;object=b?pin-value=1":    "pkcs11:token=a;object=b",
		"pkcs11:token=a;PIN-SOURCE=/x;x-vendor-pin=9;id=%01%02": "pkcs11:token=a;id=%01%02",
		"handle:0x81000001":                                     "handle:…",
		"pkcs11:":                                               "pkcs11:",
	} {
		require.Equal(t, want, PublicKeyURI(uri))
	}
}

func TestIsCAName(t *testing.T) {
	for _, name := range []string{
		"cacert.pem", "ca.crt", "ca.pem", "certs/ca.cert.pem", "private/cakey.pem", "private/ca.key", "private/ca.key.pem", "ca-key.pem", "CA.crt",
		"rootca.pem", "root-ca.crt", "cacert-2020.pem", "ca-old.crt", "ca_cert_2.pem", "sub-ca.key", "ca-g2.pem",
	} {
		require.True(t, IsCAName(name), name)
	}
	for _, name := range []string{"ca-chain.pem", "ca-bundle.crt", "www.pem", "cat.pem", "index.txt", "client.key", "local.crt", ""} {
		require.False(t, IsCAName(name), name)
	}
}

func FuzzParseCRL(f *testing.F) {
	f.Add([]byte{0x30, 0x03, 0x30, 0x01, 0x00})
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := ParseCRL(data)
		strict, strictErr := x509.ParseRevocationList(data)
		if strictErr == nil {
			require.NoError(t, err, "what x509 reads is read")
			require.Equal(t, strict.RawIssuer, c.Issuer)
			require.Equal(t, strict.Signature, c.Signature)
			require.Equal(t, strict.SignatureAlgorithm, c.Algorithm)
		}
		if err == nil {
			_ = c.Each(func(openssl.Serial) {})
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

// FuzzInspect feeds what any file of the folder can hold.
func FuzzInspect(f *testing.F) {
	f.Add("a.pem", []byte("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nMIIB\n-----END EC PRIVATE KEY-----\n"))
	f.Add("a.der", []byte{0x30, 0x03, 0x02, 0x01, 0x00})
	f.Add("key", []byte("pkcs11:token=a"))
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		c := Inspect(name, data)
		require.NotEmpty(t, c.Kind)
		_ = CRLOf(data)
		_ = firstElement(data)
	})
}
