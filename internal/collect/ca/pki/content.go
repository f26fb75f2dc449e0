package pki

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"path"
	"strings"
)

// Kinds of files, by what they hold.
const (
	KindCertificate  = "certificate"           // one certificate
	KindBundle       = "certificate-bundle"    // several certificates in one file, or one nobody can parse
	KindCRL          = "crl"                   // certificate revocation list
	KindKey          = "private-key"           // plain or encrypted
	KindKeyReference = "private-key-reference" // names a key in a hardware module
	KindPublicKey    = "public-key"
	KindRequest      = "certificate-request"
	kindPKCS12       = "pkcs12" // by its name; never opened
	kindParameters   = "key-parameters"
	KindDatabase     = "ca-database"
	KindConfig       = "ca-configuration"
	KindFile         = "file" // anything else
)

const (
	// MaxParsedBytes bounds a file that is looked into. CRLs may be larger.
	MaxParsedBytes = 1 << 20
	// MaxCRLBytes bounds a CRL that is checked: some 200,000 revoked certificates.
	MaxCRLBytes = 8 << 20
	// maxKeyBytes bounds a private key that is parsed: RSA with 16,384 bits has
	// some 9,300 bytes, and checking larger ones would take very long.
	maxKeyBytes = 16 << 10
	// maxBlocks bounds how many PEM blocks of one file are looked at.
	maxBlocks = 4096
	// HeadBytes is how much of a file's beginning tells what it is, and bounds the URI of
	// a key.
	HeadBytes = 4096
)

// Certificate is one certificate of a file.
type Certificate struct {
	Digest [sha256.Size]byte // of the DER
	Parsed *x509.Certificate // nil when it cannot be parsed
	Err    error
}

// PrivateKey is one private key of a file; its secret half is not kept.
type PrivateKey struct {
	Public    crypto.PublicKey // nil when encrypted or not parsed
	Encrypted bool
	Err       error
}

// Content is what a file holds.
type Content struct {
	Kind         string
	Certificates []Certificate
	Keys         []PrivateKey
	CRL          []byte // DER of the first CRL
	KeyURI       string // of a key reference, with its PIN if it has one
}

// Inspect finds out what a whole, small file is. It never fails: what it does not
// know is a file.
func Inspect(name string, data []byte) Content {
	c := Content{Kind: KindFile}
	if IsDatabaseName(name) {
		return Content{Kind: KindDatabase}
	}
	if IsConfigName(name) {
		return Content{Kind: KindConfig}
	}
	if ext := path.Ext(name); ext == ".p12" || ext == ".pfx" {
		return Content{Kind: kindPKCS12}
	}
	if text := strings.TrimSpace(string(data[:min(len(data), HeadBytes)])); IsKeyURI(text) && !strings.ContainsAny(text, "\r\n") {
		return Content{Kind: KindKeyReference, KeyURI: text}
	}
	if bytes.Contains(data, []byte("-----BEGIN ")) {
		c.inspectPEM(data)
	} else if len(data) > 1 && data[0] == 0x30 { // SEQUENCE
		c.inspectDER(data)
	}
	c.Kind = c.decide()
	return c
}

// decide ranks by what an operator must know first: a file with a key is a key.
func (c *Content) decide() string {
	switch {
	case len(c.Keys) > 0:
		return KindKey
	case c.KeyURI != "":
		return KindKeyReference
	case len(c.Certificates) == 1 && c.Certificates[0].Parsed != nil:
		return KindCertificate
	case len(c.Certificates) > 0:
		return KindBundle
	case c.CRL != nil:
		return KindCRL
	}
	return c.Kind
}

func (c *Content) inspectPEM(data []byte) {
	for range maxBlocks {
		block, rest := pem.Decode(data)
		if block == nil {
			return
		}
		data = rest
		switch block.Type {
		case "CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE":
			der := block.Bytes
			if block.Type == "TRUSTED CERTIFICATE" {
				der = firstElement(der) // the certificate is followed by trust settings
			}
			c.addCertificate(der)
		case "X509 CRL":
			if c.CRL == nil {
				c.CRL = block.Bytes
			}
		case "ENCRYPTED PRIVATE KEY":
			c.Keys = append(c.Keys, PrivateKey{Encrypted: true})
		case "PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY":
			if strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED") {
				c.Keys = append(c.Keys, PrivateKey{Encrypted: true})
			} else {
				c.Keys = append(c.Keys, parseKey(block.Bytes))
			}
			clear(block.Bytes)
		case "DSA PRIVATE KEY", "OPENSSH PRIVATE KEY":
			c.Keys = append(c.Keys, PrivateKey{Err: errors.New("kind of key is not supported: " + block.Type)})
		case "PKCS#11 PROVIDER URI":
			c.KeyURI = providerURI(block.Bytes)
		case "TSS2 PRIVATE KEY", "TSS PRIVATE KEY":
			c.KeyURI = "tpmkey:" // wrapped by one TPM, of no use anywhere else
		case "CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST":
			c.Kind = KindRequest
		case "PUBLIC KEY", "RSA PUBLIC KEY":
			c.Kind = KindPublicKey
		case "DH PARAMETERS", "X9.42 DH PARAMETERS", "EC PARAMETERS", "DSA PARAMETERS":
			c.Kind = kindParameters
		case "PKCS7", "CMS":
			c.Kind = KindBundle
		}
	}
}

func (c *Content) inspectDER(data []byte) {
	if cert, err := parseCertificate(data); err == nil {
		c.Certificates = append(c.Certificates, Certificate{Digest: sha256.Sum256(cert.Raw), Parsed: cert})
		return
	}
	if _, err := ParseCRL(data); err == nil {
		c.CRL = data
		return
	}
	if _, err := x509.ParseCertificateRequest(data); err == nil {
		c.Kind = KindRequest
		return
	}
	if key := parseKey(data); key.Err == nil {
		c.Keys = append(c.Keys, key)
	}
}

func (c *Content) addCertificate(der []byte) {
	cert, err := parseCertificate(der)
	c.Certificates = append(c.Certificates, Certificate{Digest: sha256.Sum256(der), Parsed: cert, Err: err})
}

// parseKey reads a private key in PKCS #8, PKCS #1 or SEC 1 form. The parsers
// make sure that its halves belong together.
func parseKey(der []byte) PrivateKey {
	if len(der) > maxKeyBytes {
		return PrivateKey{Err: errors.New("is larger than any supported key")}
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		if rsaKey, errRSA := x509.ParsePKCS1PrivateKey(der); errRSA == nil {
			key, err = rsaKey, nil
		} else if ecKey, errEC := x509.ParseECPrivateKey(der); errEC == nil {
			key, err = ecKey, nil
		}
	}
	if err != nil {
		// The parser's own words may quote what it read, so they stay here.
		return PrivateKey{Err: errors.New("cannot be parsed as PKCS #8, PKCS #1 or SEC 1 key of a supported algorithm")}
	}
	if signer, ok := key.(crypto.Signer); ok {
		return PrivateKey{Public: signer.Public()}
	}
	return PrivateKey{Err: errors.New("is not a key that signs")}
}

// SameKey compares public keys.
func SameKey(a, b crypto.PublicKey) bool {
	switch a := a.(type) {
	case *rsa.PublicKey:
		return a.Equal(b)
	case *ecdsa.PublicKey:
		return a.Equal(b)
	case ed25519.PublicKey:
		return a.Equal(b)
	}
	return false
}

// firstElement returns the first DER element of data, or data when there is none.
func firstElement(data []byte) []byte {
	if len(data) < 2 || data[0] != 0x30 {
		return data
	}
	length, header := int(data[1]), 2
	if data[1] >= 0x80 {
		count := int(data[1] & 0x7f)
		if count == 0 || count > 3 || len(data) < 2+count {
			return data
		}
		length, header = 0, 2+count
		for _, b := range data[2 : 2+count] {
			length = length<<8 | int(b)
		}
	}
	if header+length > len(data) {
		return data
	}
	return data[:header+length]
}

// providerURI finds the URI in the structure that pkcs11-provider wraps it in
// (a SEQUENCE of a description and a UTF8String with the URI).
func providerURI(der []byte) string {
	at := bytes.Index(der, []byte("pkcs11:"))
	if at < 0 {
		return "pkcs11:"
	}
	return string(der[at:min(len(der), at+HeadBytes)])
}

// CRLOf returns the DER of the first CRL in a file of up to maxCRLBytes: of its
// PEM block, or the file itself.
func CRLOf(data []byte) []byte {
	rest := data
	for range maxBlocks {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type == "X509 CRL" {
			return block.Bytes
		}
	}
	return data
}

// LooksLikeCRL decides from the start of a file that is too large to be
// inspected.
func LooksLikeCRL(name string, head []byte) bool {
	if bytes.Contains(head, []byte("-----BEGIN X509 CRL-----")) {
		return true
	}
	return path.Ext(name) == ".crl" && len(head) > 0 && head[0] == 0x30
}
