package seal

import (
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"strings"
	"time"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"golang.org/x/crypto/ssh"

	"infrabackup/internal/fault"
	"infrabackup/internal/secret"
)

// Kinds of recipients.
const (
	KindX25519 = "x25519"         // age1…
	KindHybrid = "mlkem768x25519" // age1pq1…, which age before 1.3 cannot read
	KindRSA    = "ssh-rsa"        // from an X.509 certificate or an SSH key
)

const (
	minRSABits      = 2048
	maxRSABits      = 16384    // larger ones take minutes
	maxKeyText      = 64 << 10 // recipients, certificates and identity files
	minSymmetricKey = 32
)

// Recipient is the public half of an operator's key: what is encrypted to it, only
// the holder of the identity opens.
type Recipient struct {
	Kind        string    // one of the Kind constants
	Fingerprint string    // SHA256:<base64 of the digest of Text>, for ssh-rsa the key's SSH fingerprint
	Text        string    // age recipient, as stock age takes it
	Expires     time.Time // of the certificate that it came from, else zero

	age age.Recipient
}

// ParseRecipient takes an age recipient: age1…, age1pq1… or "ssh-rsa …" with 2048
// bits or more. Errors are KEY_INVALID faults.
func ParseRecipient(text string) (Recipient, error) {
	text = strings.TrimSpace(text)
	if len(text) > maxKeyText || strings.ContainsAny(text, "\r\n") {
		return Recipient{}, refused("a recipient is one line of text")
	}
	switch {
	case strings.HasPrefix(text, "age1pq1"):
		r, err := age.ParseHybridRecipient(text)
		if err != nil {
			return Recipient{}, fault.New(fault.KeyInvalid, "the post-quantum age recipient was refused", err)
		}
		return Recipient{Kind: KindHybrid, Fingerprint: fingerprint(text), Text: text, age: r}, nil
	case strings.HasPrefix(text, "age1"):
		r, err := age.ParseX25519Recipient(text)
		if err != nil {
			return Recipient{}, fault.New(fault.KeyInvalid, "the age recipient was refused", err)
		}
		return Recipient{Kind: KindX25519, Fingerprint: fingerprint(text), Text: text, age: r}, nil
	case strings.HasPrefix(text, "ssh-rsa "):
		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(text))
		if err != nil {
			return Recipient{}, fault.New(fault.KeyInvalid, "the ssh-rsa recipient was refused", err)
		}
		return rsaRecipient(key)
	case strings.HasPrefix(text, "AGE-SECRET-KEY-"):
		return Recipient{}, refused("this is a private key; give its recipient, and keep the key offline")
	case strings.HasPrefix(text, "ssh-"), strings.HasPrefix(text, "ecdsa-"):
		return Recipient{}, refused("of SSH keys only ssh-rsa is taken")
	}
	return Recipient{}, refused("a recipient begins with age1 or ssh-rsa")
}

// RecipientFromCertificate makes a recipient of an X.509 certificate (PEM or DER)
// with an RSA key of 2048 bits or more, so that stock age opens backups with the
// certificate's PEM private key. The certificate need not be trusted by anybody, but
// now must be within its validity.
func RecipientFromCertificate(data []byte, now time.Time) (Recipient, error) {
	if len(data) > maxKeyText {
		return Recipient{}, refused("the certificate is longer than %d bytes", maxKeyText)
	}
	if block, _ := pem.Decode(data); block != nil {
		if strings.Contains(block.Type, "PRIVATE KEY") {
			return Recipient{}, refused("this is a private key; give the certificate, and keep the key offline")
		}
		if block.Type != "CERTIFICATE" {
			return Recipient{}, refused("the PEM block is a %s, not a CERTIFICATE", block.Type)
		}
		data = block.Bytes
	}
	cert, err := x509.ParseCertificate(data)
	if err != nil {
		return Recipient{}, fault.New(fault.KeyInvalid, "the certificate cannot be read", err)
	}
	key, ok := cert.PublicKey.(*rsa.PublicKey)
	switch {
	case !ok:
		return Recipient{}, refused("the certificate of %s has a key of type %s, only RSA can encrypt", cert.Subject, cert.PublicKeyAlgorithm)
	case now.Before(cert.NotBefore):
		return Recipient{}, refused("the certificate of %s is valid only from %s on", cert.Subject, cert.NotBefore.UTC().Format(time.RFC3339))
	case now.After(cert.NotAfter):
		return Recipient{}, refused("the certificate of %s expired on %s", cert.Subject, cert.NotAfter.UTC().Format(time.RFC3339))
	}
	public, err := ssh.NewPublicKey(key)
	if err != nil {
		return Recipient{}, fault.New(fault.KeyInvalid, "the certificate's key was refused", err)
	}
	r, err := rsaRecipient(public)
	r.Expires = cert.NotAfter.UTC()
	return r, err
}

func rsaRecipient(key ssh.PublicKey) (Recipient, error) {
	public, ok := key.(ssh.CryptoPublicKey)
	if !ok {
		return Recipient{}, refused("the SSH key is not an RSA key")
	}
	rsaKey, ok := public.CryptoPublicKey().(*rsa.PublicKey)
	if !ok {
		return Recipient{}, refused("the SSH key is not an RSA key")
	}
	if bits := rsaKey.N.BitLen(); bits < minRSABits || bits > maxRSABits {
		return Recipient{}, refused("the RSA key has %d bits, %d to %d are taken", bits, minRSABits, maxRSABits)
	}
	r, err := agessh.NewRSARecipient(key)
	if err != nil {
		return Recipient{}, fault.New(fault.KeyInvalid, "the RSA key was refused", err)
	}
	text := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
	return Recipient{Kind: KindRSA, Fingerprint: ssh.FingerprintSHA256(key), Text: text, age: r}, nil
}

// RecipientFromSymmetricKey makes a recipient of a base64 key of 32 bytes or more,
// which is stretched into an X25519 identity (see FORMAT.md, "Keys"). It runs on the
// operator's side: only the recipient is sent to the service.
func RecipientFromSymmetricKey(key secret.String) (Recipient, error) {
	identity, err := symmetricIdentity(key)
	if err != nil {
		return Recipient{}, err
	}
	return ParseRecipient(identity.Recipient().String())
}

// LoadRecipient makes a recipient of a file that an operator gives: a certificate or
// a line with an age recipient.
func LoadRecipient(data []byte, now time.Time) (Recipient, error) {
	text := strings.TrimSpace(string(data))
	if strings.HasPrefix(text, "age1") || strings.HasPrefix(text, "ssh-") {
		return ParseRecipient(text)
	}
	return RecipientFromCertificate(data, now)
}

func fingerprint(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])
}

func refused(format string, args ...any) *fault.Fault {
	return fault.New(fault.KeyInvalid, "the key was refused", fmt.Errorf(format, args...))
}
