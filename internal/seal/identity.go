package seal

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"golang.org/x/crypto/ssh"

	"infrabackup/internal/fault"
	"infrabackup/internal/secret"
)

// maxIdentities bounds an identity file.
const maxIdentities = 64

// Identity is the private half of a key. It does not print itself.
type Identity struct{ age age.Identity }

// String implements [fmt.Stringer] without telling anything.
func (Identity) String() string { return secret.Redacted }

// GoString implements [fmt.GoStringer].
func (Identity) GoString() string { return secret.Redacted }

// Format implements [fmt.Formatter].
func (Identity) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(secret.Redacted)) }

// ParseIdentities reads what an operator keeps: an age identity file (X25519 or
// post-quantum, with comments), a PEM private key of RSA (PKCS #1, PKCS #8 or
// OpenSSH, not encrypted), or a base64 symmetric key. Errors are KEY_INVALID faults
// and never show a part of the key.
func ParseIdentities(data []byte) ([]Identity, error) {
	if len(data) > maxKeyText {
		return nil, refused("the identity file is longer than %d bytes", maxKeyText)
	}
	if block, _ := pem.Decode(data); block != nil {
		return pemIdentity(block)
	}
	var found []Identity
	text := false
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if !strings.HasPrefix(line, "AGE-SECRET-KEY-") {
			text = true
			continue
		}
		if len(found) == maxIdentities {
			return nil, refused("the identity file holds more than %d keys", maxIdentities)
		}
		identity, err := parseAgeIdentity(line)
		if err != nil {
			return nil, err
		}
		found = append(found, identity)
	}
	switch {
	case len(found) > 0 && text:
		return nil, refused("the identity file holds lines that are no keys")
	case len(found) > 0:
		return found, nil
	case strings.HasPrefix(strings.TrimSpace(string(data)), "age1"):
		return nil, refused("this is a recipient, the public half; the identity is needed")
	case bytes.Contains(data, []byte("age-encryption.org")):
		return nil, refused("the identity file is itself encrypted; decrypt it with age first")
	}
	identity, err := symmetricIdentity(secret.New(string(data)))
	if err != nil {
		return nil, refused("this is neither an age identity file, nor a PEM private key of RSA, nor a base64 key of %d bytes or more", minSymmetricKey)
	}
	return []Identity{{age: identity}}, nil
}

func parseAgeIdentity(line string) (Identity, error) {
	if strings.HasPrefix(line, "AGE-SECRET-KEY-PQ-1") {
		identity, err := age.ParseHybridIdentity(line)
		if err != nil {
			return Identity{}, refused("the post-quantum age identity is malformed")
		}
		return Identity{age: identity}, nil
	}
	identity, err := age.ParseX25519Identity(line)
	if err != nil {
		return Identity{}, refused("the age identity is malformed")
	}
	return Identity{age: identity}, nil
}

// pemIdentity takes an RSA private key.
func pemIdentity(block *pem.Block) ([]Identity, error) {
	var key any
	var err error
	switch block.Type {
	case "RSA PRIVATE KEY":
		if block.Headers["DEK-Info"] != "" {
			return nil, refused("the PEM key is encrypted; decrypt it first: openssl rsa -in KEY -out PLAIN")
		}
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "OPENSSH PRIVATE KEY":
		key, err = ssh.ParseRawPrivateKey(pem.EncodeToMemory(block))
	case "ENCRYPTED PRIVATE KEY":
		return nil, refused("the PEM key is encrypted; decrypt it first: openssl pkey -in KEY -out PLAIN")
	default:
		return nil, refused("the PEM block is a %s, not a private key", block.Type)
	}
	if err != nil {
		return nil, refused("the PEM private key cannot be read; an OpenSSH key must not be encrypted")
	}
	rsaKey, ok := key.(*rsa.PrivateKey)
	if !ok {
		return nil, refused("the PEM private key is not an RSA key")
	}
	identity, err := agessh.NewRSAIdentity(rsaKey)
	if err != nil {
		return nil, refused("the RSA private key was refused")
	}
	return []Identity{{age: identity}}, nil
}

// GenerateIdentity makes a new operator key. Text is an age identity file for the
// operator to keep offline.
func GenerateIdentity(postQuantum bool, now time.Time) (text secret.String, r Recipient, err error) {
	var private, public string
	if postQuantum {
		identity, err := age.GenerateHybridIdentity()
		if err != nil {
			return text, r, fmt.Errorf("generate a post-quantum identity: %w", err)
		}
		private, public = identity.String(), identity.Recipient().String()
	} else {
		identity, err := age.GenerateX25519Identity()
		if err != nil {
			return text, r, fmt.Errorf("generate an identity: %w", err)
		}
		private, public = identity.String(), identity.Recipient().String()
	}
	r, err = ParseRecipient(public)
	if err != nil {
		return text, r, err
	}
	file := fmt.Sprintf("# infrabackup operator key: opens every backup made for it. Keep it offline.\n# created: %s\n# public key: %s\n%s\n",
		now.UTC().Format(time.RFC3339), public, private)
	return secret.New(file), r, nil
}

// fits turns age's errors of opening into faults.
func fits(what string, err error) error {
	var none *age.NoIdentityMatchError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &none):
		return fault.Newf(fault.KeyDoesNotFit, "the key does not open %s", what)
	default:
		if f, ok := fault.Of(err); ok {
			return f
		}
		return fault.New(fault.BackupDamaged, what+" cannot be decrypted", err)
	}
}
