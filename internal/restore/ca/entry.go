package ca

import (
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"path"
	"strings"
	"time"
	"unicode/utf8"

	"infrabackup/internal/collect/ca/openssl"
	"infrabackup/internal/collect/ca/pki"
)

// Types of entries.
const (
	typeFile   = "file"
	typeFolder = "folder"
	typeLink   = "link"
	typeOther  = "other" // device, socket, FIFO
)

// pathName is a path in the CA's folder, which may be no UTF-8.
type pathName string

// odd stands in front of names that JSON cannot hold. No path begins with it.
const odd = "\x00"

// MarshalText implements [encoding.TextMarshaler].
func (p pathName) MarshalText() ([]byte, error) {
	if utf8.ValidString(string(p)) {
		return []byte(p), nil
	}
	return []byte(odd + hex.EncodeToString([]byte(p))), nil
}

// UnmarshalText implements [encoding.TextUnmarshaler].
func (p *pathName) UnmarshalText(text []byte) error {
	rest, isOdd := strings.CutPrefix(string(text), odd)
	if !isOdd {
		*p = pathName(text)
		return nil
	}
	raw, err := hex.DecodeString(rest)
	*p = pathName(raw)
	return err
}

// entry is what is known of one name in a CA's folder, in the backup or the target.
type entry struct {
	Path   pathName `json:"path"`
	Type   string   `json:"type"`
	Mode   uint32   `json:"mode,omitempty"` // permissions, of the backup's entries only
	Size   int64    `json:"size,omitempty"`
	SHA256 string   `json:"sha256,omitempty"`
	Target pathName `json:"target,omitempty"` // of a link
	Kind   string   `json:"kind,omitempty"`   // of package pki, for files

	Certificates []certificate `json:"certificates,omitempty"`
	Keys         []key         `json:"keys,omitempty"`
	CRL          *crl          `json:"crl,omitempty"`
	// Content is that of the database's files and of configuration.
	Content []byte `json:"content,omitempty"`
}

// certificate is what is compared of a certificate.
type certificate struct {
	Digest    string    `json:"digest"` // SHA-256 of the DER
	Parsed    bool      `json:"parsed"`
	CA        bool      `json:"ca,omitempty"`
	Serial    string    `json:"serial,omitempty"` // empty when it is too long to be compared
	Subject   string    `json:"subject,omitempty"`
	Issuer    string    `json:"issuer,omitempty"` // digests of the names
	Key       string    `json:"key,omitempty"`    // digest of the public key
	NotBefore time.Time `json:"notBefore,omitzero"`
	NotAfter  time.Time `json:"notAfter,omitzero"`
}

// key is what is compared of a private key: its public half.
type key struct {
	Public    string `json:"public,omitempty"` // empty when encrypted or not parsed
	Encrypted bool   `json:"encrypted,omitempty"`
}

// crl is what is compared of a CRL.
type crl struct {
	Issuer     string    `json:"issuer"`
	Number     string    `json:"number,omitempty"` // empty when it has none
	ThisUpdate time.Time `json:"thisUpdate"`
	Delta      bool      `json:"delta,omitempty"`
	Highest    string    `json:"highest,omitempty"` // serial number on it
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// inspect fills in what the content of a file says. Large files are looked into only when
// they are CRLs.
func (e *entry) inspect(data []byte) {
	e.Type, e.Size, e.SHA256, e.Kind = typeFile, int64(len(data)), digest(data), pki.KindFile
	name := string(e.Path)
	if len(data) > pki.MaxParsedBytes {
		switch {
		case len(data) <= pki.MaxCRLBytes && pki.LooksLikeCRL(name, data[:pki.HeadBytes]):
			e.Kind, e.CRL = pki.KindCRL, crlOf(pki.CRLOf(data))
		case pki.IsDatabaseName(name):
			e.Kind = pki.KindDatabase
		}
	} else {
		c := pki.Inspect(name, data)
		e.Kind = c.Kind
		for _, cert := range c.Certificates {
			e.Certificates = append(e.Certificates, certificateOf(cert))
		}
		for _, k := range c.Keys {
			e.Keys = append(e.Keys, key{Public: publicID(k.Public), Encrypted: k.Encrypted})
		}
		if c.CRL != nil {
			e.CRL = crlOf(c.CRL)
		}
	}
	if e.keepsContent() {
		e.Content = data
	}
}

// keepsContent reports whether the content of a file is looked at later. What openssl keeps
// of the change before, such as index.txt.old, is not.
func (e *entry) keepsContent() bool {
	ext := path.Ext(string(e.Path))
	return e.Kind == pki.KindConfig || e.Kind == pki.KindDatabase && ext != ".old" && ext != ".new"
}

func certificateOf(c pki.Certificate) certificate {
	out := certificate{Digest: hex.EncodeToString(c.Digest[:])}
	if c.Parsed == nil {
		return out
	}
	out.Parsed, out.CA = true, c.Parsed.IsCA
	out.Subject, out.Issuer = digest(c.Parsed.RawSubject), digest(c.Parsed.RawIssuer)
	out.Key = digest(c.Parsed.RawSubjectPublicKeyInfo)
	if id := publicID(c.Parsed.PublicKey); id != "" {
		out.Key = id
	}
	out.NotBefore, out.NotAfter = c.Parsed.NotBefore.UTC(), c.Parsed.NotAfter.UTC()
	if n, err := openssl.SerialOf(c.Parsed.SerialNumber); err == nil {
		out.Serial = n.String()
	}
	return out
}

// publicID names a public key; empty for none, or one of a kind that is not known.
func publicID(public crypto.PublicKey) string {
	if public == nil {
		return ""
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return ""
	}
	return digest(der)
}

// crlOf is nil when there is no CRL.
func crlOf(der []byte) *crl {
	parsed, err := pki.ParseCRL(der)
	if err != nil {
		return nil
	}
	out := &crl{Issuer: digest(parsed.Issuer), ThisUpdate: parsed.ThisUpdate.UTC(), Delta: parsed.Delta}
	if parsed.Numbered {
		out.Number = parsed.Number.String()
	}
	var top highest
	// What cannot be read of its entries says nothing; the others count.
	_ = parsed.Each(top.see)
	out.Highest = top.text()
	return out
}

// highest keeps the highest number that was seen.
type highest struct {
	number openssl.Serial
	any    bool
}

func (h *highest) see(n openssl.Serial) {
	if !h.any || n.Compare(h.number) > 0 {
		h.number, h.any = n, true
	}
}

// seeText is given a number of [openssl.Serial.String], or nothing.
func (h *highest) seeText(text string) {
	if n, err := openssl.ParseSerial(text); err == nil {
		h.see(n)
	}
}

func (h *highest) text() string {
	if !h.any {
		return ""
	}
	return h.number.String()
}
