package ca

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

// Kinds of items.
const (
	kindCertificate  = "certificate"           // one certificate, seen for the first time
	kindCopy         = "certificate-copy"      // the same certificate in another file
	kindBundle       = "certificate-bundle"    // several certificates in one file, or one nobody can parse
	kindCRL          = "crl"                   // certificate revocation list
	kindKey          = "private-key"           // plain or encrypted
	kindKeyReference = "private-key-reference" // names a key in a hardware module
	kindPublicKey    = "public-key"
	kindRequest      = "certificate-request"
	kindPKCS12       = "pkcs12" // by its name; never opened
	kindParameters   = "key-parameters"
	kindDatabase     = "ca-database"
	kindConfig       = "ca-configuration"
	kindFile         = "file" // anything else
	kindDirectory    = "directory"
	kindSymlink      = "symlink"
	kindRenamed      = "renamed" // the name of something whose path in the part is shortened
	kindADCS         = "adcs-object"
)

const (
	// maxParsedBytes bounds a file that is looked into. CRLs may be larger.
	maxParsedBytes = 1 << 20
	// maxCRLBytes bounds a CRL that is checked: some 200,000 revoked certificates.
	maxCRLBytes = 8 << 20
	// maxKeyBytes bounds a private key that is parsed: RSA with 16,384 bits has
	// some 9,300 bytes, and checking larger ones would take very long.
	maxKeyBytes = 16 << 10
	// maxBlocks bounds how many PEM blocks of one file are looked at.
	maxBlocks = 4096
)

// certificate is one certificate of a file.
type certificate struct {
	digest [sha256.Size]byte // of the DER
	parsed *x509.Certificate // nil when it cannot be parsed
	err    error
}

// privateKey is one private key of a file; its secret half is not kept.
type privateKey struct {
	public    crypto.PublicKey // nil when encrypted or not parsed
	encrypted bool
	err       error
}

// content is what a file holds.
type content struct {
	kind         string
	certificates []certificate
	keys         []privateKey
	crl          []byte // DER of the first CRL
	keyURI       string // of a key reference, with its PIN if it has one
}

// inspect finds out what a whole, small file is. It never fails: what it does not
// know is a file.
func inspect(name string, data []byte) content {
	c := content{kind: kindFile}
	if databaseName(name) {
		return content{kind: kindDatabase}
	}
	if configName(name) {
		return content{kind: kindConfig}
	}
	if ext := path.Ext(name); ext == ".p12" || ext == ".pfx" {
		return content{kind: kindPKCS12}
	}
	if text := strings.TrimSpace(string(data[:min(len(data), maxValueBytes)])); isKeyURI(text) && !strings.ContainsAny(text, "\r\n") {
		return content{kind: kindKeyReference, keyURI: text}
	}
	if bytes.Contains(data, []byte("-----BEGIN ")) {
		c.inspectPEM(data)
	} else if len(data) > 1 && data[0] == 0x30 { // SEQUENCE
		c.inspectDER(data)
	}
	c.kind = c.decide()
	return c
}

// decide ranks by what an operator must know first: a file with a key is a key.
func (c *content) decide() string {
	switch {
	case len(c.keys) > 0:
		return kindKey
	case c.keyURI != "":
		return kindKeyReference
	case len(c.certificates) == 1 && c.certificates[0].parsed != nil:
		return kindCertificate
	case len(c.certificates) > 0:
		return kindBundle
	case c.crl != nil:
		return kindCRL
	}
	return c.kind
}

func (c *content) inspectPEM(data []byte) {
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
			if c.crl == nil {
				c.crl = block.Bytes
			}
		case "ENCRYPTED PRIVATE KEY":
			c.keys = append(c.keys, privateKey{encrypted: true})
		case "PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY":
			if strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED") {
				c.keys = append(c.keys, privateKey{encrypted: true})
			} else {
				c.keys = append(c.keys, parseKey(block.Bytes))
			}
			clear(block.Bytes)
		case "DSA PRIVATE KEY", "OPENSSH PRIVATE KEY":
			c.keys = append(c.keys, privateKey{err: errors.New("kind of key is not supported: " + block.Type)})
		case "PKCS#11 PROVIDER URI":
			c.keyURI = providerURI(block.Bytes)
		case "TSS2 PRIVATE KEY", "TSS PRIVATE KEY":
			c.keyURI = "tpmkey:" // wrapped by one TPM, of no use anywhere else
		case "CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST":
			c.kind = kindRequest
		case "PUBLIC KEY", "RSA PUBLIC KEY":
			c.kind = kindPublicKey
		case "DH PARAMETERS", "X9.42 DH PARAMETERS", "EC PARAMETERS", "DSA PARAMETERS":
			c.kind = kindParameters
		case "PKCS7", "CMS":
			c.kind = kindBundle
		}
	}
}

func (c *content) inspectDER(data []byte) {
	if cert, err := parseCertificate(data); err == nil {
		c.certificates = append(c.certificates, certificate{digest: sha256.Sum256(cert.Raw), parsed: cert})
		return
	}
	if _, err := parseCRL(data); err == nil {
		c.crl = data
		return
	}
	if _, err := x509.ParseCertificateRequest(data); err == nil {
		c.kind = kindRequest
		return
	}
	if key := parseKey(data); key.err == nil {
		c.keys = append(c.keys, key)
	}
}

func (c *content) addCertificate(der []byte) {
	cert, err := parseCertificate(der)
	c.certificates = append(c.certificates, certificate{digest: sha256.Sum256(der), parsed: cert, err: err})
}

// parseKey reads a private key in PKCS #8, PKCS #1 or SEC 1 form. The parsers
// make sure that its halves belong together.
func parseKey(der []byte) privateKey {
	if len(der) > maxKeyBytes {
		return privateKey{err: errors.New("is larger than any supported key")}
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
		return privateKey{err: errors.New("cannot be parsed as PKCS #8, PKCS #1 or SEC 1 key of a supported algorithm")}
	}
	if signer, ok := key.(crypto.Signer); ok {
		return privateKey{public: signer.Public()}
	}
	return privateKey{err: errors.New("is not a key that signs")}
}

// sameKey compares public keys.
func sameKey(a, b crypto.PublicKey) bool {
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
	return string(der[at:min(len(der), at+maxValueBytes)])
}

// crlOf returns the DER of the first CRL in a file of up to maxCRLBytes: of its
// PEM block, or the file itself.
func crlOf(data []byte) []byte {
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

// looksLikeCRL decides from the start of a file that is too large to be
// inspected.
func looksLikeCRL(name string, head []byte) bool {
	if bytes.Contains(head, []byte("-----BEGIN X509 CRL-----")) {
		return true
	}
	return path.Ext(name) == ".crl" && len(head) > 0 && head[0] == 0x30
}
