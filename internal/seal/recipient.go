package seal

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha1" // what Windows names certificates by; nothing is decided by it
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"golang.org/x/crypto/ssh"

	"infrabackup/internal/fault"
)

// Kinds of recipients, as manifests name them.
const (
	KindX25519 = "x25519"         // age1…
	KindHybrid = "mlkem768x25519" // age1pq1…, safe against quantum computers
	KindRSA    = "ssh-rsa"        // an RSA key, often that of a certificate
)

const (
	minRSABits = 2048
	maxRSABits = 16384 // what OpenSSH accepts
	// maxKeyText bounds a recipient or certificate as it is given to us.
	maxKeyText = 64 << 10
)

// Recipient is the public half of an operator's encryption key. The zero value is
// none.
type Recipient struct {
	Kind        string    // KindX25519, KindHybrid or KindRSA
	Fingerprint string    // SHA256:…, for RSA what ssh-keygen -l shows, else the digest of Text in that notation
	Text        string    // one line that ParseRecipient takes: age1…, age1pq1… or ssh-rsa …
	Expires     time.Time // end of the certificate's validity, zero when there is no certificate
	Thumbprint  string    // SHA-1 of the certificate in upper-case hex, as Windows shows it, empty when there is none

	recipient age.Recipient
}

// ParseRecipient takes one line: age1…, age1pq1… (hybrid) or ssh-rsa … of at least
// 2048 bits; a comment behind an RSA key is dropped. KEY_INVALID with the reason
// otherwise.
func ParseRecipient(text string) (Recipient, error) {
	text = strings.TrimSpace(text)
	switch {
	case text == "":
		return Recipient{}, invalid("the recipient is empty", nil)
	case len(text) > maxKeyText:
		return Recipient{}, invalid("the recipient is too long", nil)
	case strings.ContainsAny(text, "\r\n"):
		return Recipient{}, invalid("the recipient has more than one line", nil)
	case !utf8.ValidString(text):
		return Recipient{}, invalid("the recipient is not text", nil)
	case isPrivate(text):
		return Recipient{}, invalid("this is a private key; give its public half", nil)
	case strings.HasPrefix(text, "age1pq1"):
		r, err := age.ParseHybridRecipient(text)
		if err != nil {
			return Recipient{}, invalid("the recipient is malformed", err)
		}
		return ageRecipient(KindHybrid, r.String(), r), nil
	case strings.HasPrefix(text, "age1"):
		r, err := age.ParseX25519Recipient(text)
		if err != nil {
			return Recipient{}, invalid("the recipient is malformed", err)
		}
		return ageRecipient(KindX25519, r.String(), r), nil
	case strings.HasPrefix(text, "ssh-rsa "):
		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(text))
		if err != nil {
			return Recipient{}, invalid("the ssh-rsa key is malformed", err)
		}
		return rsaRecipient(key)
	case strings.HasPrefix(text, "ssh-") || strings.HasPrefix(text, "ecdsa-") || strings.HasPrefix(text, "sk-"):
		kind, _, _ := strings.Cut(text, " ")
		return Recipient{}, invalid("SSH keys of type "+kind+" are not taken, only ssh-rsa", nil)
	}
	return Recipient{}, invalid("this is no recipient: want age1…, age1pq1… or ssh-rsa …", nil)
}

// RecipientFromCertificate makes a recipient of an X.509 certificate's RSA key, in
// PEM or DER. The certificate's issuer and purpose do not matter, because the
// operator chose it; its validity and key do: KEY_INVALID for an expired or not yet
// valid one, for any other kind of key and for RSA below 2048 bits.
func RecipientFromCertificate(pemOrDER []byte, now time.Time) (Recipient, error) {
	if len(pemOrDER) > maxKeyText {
		return Recipient{}, invalid("the certificate is too large", nil)
	}
	der, err := certificateDER(pemOrDER)
	if err != nil {
		return Recipient{}, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		if kind, _ := binaryKind(der); kind != "" {
			return Recipient{}, invalid("this is "+kind+"; give the certificate alone", nil)
		}
		return Recipient{}, invalid("the certificate is malformed", err)
	}
	switch {
	case now.Before(cert.NotBefore):
		return Recipient{}, invalid("the certificate is not valid before "+cert.NotBefore.UTC().Format(time.RFC3339), nil)
	case now.After(cert.NotAfter):
		return Recipient{}, invalid("the certificate expired at "+cert.NotAfter.UTC().Format(time.RFC3339), nil)
	}
	public, ok := cert.PublicKey.(*rsa.PublicKey)
	if !ok {
		return Recipient{}, invalid("the certificate's key is "+cert.PublicKeyAlgorithm.String()+", only RSA can decrypt", nil)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		return Recipient{}, invalid("the certificate's RSA key is malformed", err)
	}
	r, err := rsaRecipient(key)
	r.Expires = cert.NotAfter.UTC()
	thumbprint := sha1.Sum(cert.Raw)
	r.Thumbprint = strings.ToUpper(hex.EncodeToString(thumbprint[:]))
	return r, err
}

func certificateDER(data []byte) ([]byte, error) {
	var der []byte
	for rest := data; ; {
		block, next := pem.Decode(rest)
		if block == nil {
			if der != nil {
				if err := onlyRemarks(rest); err != nil {
					return nil, err
				}
			}
			break
		}
		before := rest[:len(rest)-len(next)]
		if err := onlyRemarks(before[:bytes.LastIndex(before, []byte("-----BEGIN "))]); err != nil {
			return nil, err
		}
		rest = next
		switch {
		case isPrivate(block.Type):
			return nil, invalid("the file holds a private key; give the certificate alone", nil)
		case block.Type != "CERTIFICATE":
			return nil, invalid("the file holds a "+block.Type+", not a certificate", nil)
		case der != nil:
			return nil, invalid("the file holds more than one certificate", nil)
		}
		der = block.Bytes
	}
	if der == nil {
		return data, nil // then it must be DER
	}
	return der, nil
}

// onlyRemarks refuses text around a certificate that is more than the remarks that programs
// write there: another key would be dropped.
func onlyRemarks(text []byte) error {
	if isPrivate(string(text)) {
		return invalid("the file holds a private key; give the certificate alone", nil)
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if isPublicLine(line) || strings.HasPrefix(line, "-----") {
			return invalid("the file holds more than a certificate; give one key only", nil)
		}
	}
	return nil
}

// LoadRecipient takes a file's content and finds out whether it is a certificate
// (PEM or DER) or a recipient line; empty lines and lines that begin with # are
// passed over. KEY_INVALID with the reason otherwise.
func LoadRecipient(data []byte, now time.Time) (Recipient, error) {
	if len(data) > maxKeyText {
		return Recipient{}, invalid("the file is too large for a recipient or certificate", nil)
	}
	trimmed := bytes.TrimSpace(data)
	if bytes.Contains(trimmed, []byte("-----BEGIN ")) || len(data) > 0 && data[0] == 0x30 && !utf8.Valid(data) {
		return RecipientFromCertificate(data, now)
	}
	line := ""
	for l := range strings.Lines(string(trimmed)) {
		l = strings.TrimSpace(l)
		if l == "" || l[0] == '#' {
			continue
		}
		if line != "" {
			return Recipient{}, invalid("the file holds more than one recipient", nil)
		}
		line = l
	}
	return ParseRecipient(line)
}

func ageRecipient(kind, text string, r age.Recipient) Recipient {
	sum := sha256.Sum256([]byte(text))
	return Recipient{
		Kind: kind, Text: text, recipient: r,
		Fingerprint: "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:]),
	}
}

func rsaRecipient(key ssh.PublicKey) (Recipient, error) {
	cryptoKey, ok := key.(ssh.CryptoPublicKey)
	if !ok {
		return Recipient{}, invalid("the key is not an RSA key", nil)
	}
	public, ok := cryptoKey.CryptoPublicKey().(*rsa.PublicKey)
	if !ok {
		return Recipient{}, invalid("the key is not an RSA key", nil)
	}
	switch bits := public.N.BitLen(); {
	case bits < minRSABits:
		return Recipient{}, fault.Newf(fault.KeyInvalid, "the RSA key has %d bits, at least %d are needed", bits, minRSABits)
	case bits > maxRSABits:
		return Recipient{}, fault.Newf(fault.KeyInvalid, "the RSA key has %d bits, at most %d are possible", bits, maxRSABits)
	}
	r, err := agessh.NewRSARecipient(key)
	if err != nil {
		return Recipient{}, invalid("the RSA key cannot be used", err)
	}
	return Recipient{
		Kind: KindRSA, Fingerprint: ssh.FingerprintSHA256(key), recipient: r,
		Text: strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))),
	}, nil
}

func isPrivate(s string) bool {
	upper := strings.ToUpper(s)
	return strings.Contains(upper, "SECRET-KEY") || strings.Contains(upper, "AGE-PLUGIN-") || strings.Contains(s, "PRIVATE KEY") || strings.Contains(s, "PuTTY-User-Key-File")
}

func invalid(what string, cause error) error { return fault.New(fault.KeyInvalid, what, cause) }

// errNoRecipient is the cause when a Recipient was not made by this package.
var errNoRecipient = errors.New("the recipient is empty")
