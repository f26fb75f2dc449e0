package seal

import (
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"strings"

	"filippo.io/age"

	"infrabackup/internal/fault"
	"infrabackup/internal/secret"
)

const (
	minSymmetricKey = 32
	maxSymmetricKey = 4096
	// The labels keep the two derivations apart from each other and from anything
	// else that may be made of the same key. FORMAT.md fixes the first for ever.
	symmetricLabel = "infrabackup/v1/symmetric-key/x25519"
	workLabel      = "infrabackup/v1/work-files/x25519"
)

// RecipientFromSymmetricKey stretches a base64 symmetric key of at least 32 bytes
// into an X25519 identity and returns its recipient; the key itself is not needed
// to make backups. [ParseIdentities] takes the same text to open them. KEY_INVALID
// for malformed base64, a short key, or a certificate or key of another kind.
func RecipientFromSymmetricKey(base64Key secret.String) (Recipient, error) {
	id, err := symmetricIdentity(base64Key)
	if err != nil {
		return Recipient{}, invalid("the symmetric key cannot be used", err)
	}
	// Only here: backups that were made with such a key earlier can still be opened.
	if key, err := decodeBase64(strings.TrimSpace(base64Key.Reveal())); err == nil {
		defer clear(key)
		if kind := notSymmetric(key); kind != "" {
			return Recipient{}, invalid("this is "+kind+" and no symmetric key; give 32 random bytes or more", nil)
		}
	}
	return id.recipient, nil
}

func symmetricIdentity(base64Key secret.String) (Identity, error) {
	text := strings.TrimSpace(base64Key.Reveal())
	if len(text) > 2*maxSymmetricKey {
		return Identity{}, errors.New("the symmetric key is too long")
	}
	key, err := decodeBase64(text)
	switch {
	case err != nil:
		return Identity{}, errors.New("neither an age key nor base64")
	case len(key) < minSymmetricKey:
		return Identity{}, errors.New("the symmetric key has fewer than 32 bytes")
	case len(key) > maxSymmetricKey:
		return Identity{}, errors.New("the symmetric key is too long")
	}
	return derive(key, symmetricLabel)
}

// DeriveIdentity makes the same X25519 identity of the same seed. It serves work
// files of a run, which several activities share without passing a key around; it
// never protects a finished backup.
func DeriveIdentity(seed [32]byte) (id Identity, recipientText string, err error) {
	id, err = derive(seed[:], workLabel)
	return id, id.recipient.Text, err
}

// derive takes 32 bytes of HKDF-SHA256 (RFC 5869, no salt, info = label) as an
// X25519 scalar (RFC 7748; the curve's function clamps it).
func derive(key []byte, label string) (Identity, error) {
	scalar, err := hkdf.Key(sha256.New, key, nil, label, 32)
	if err != nil {
		return Identity{}, fault.New(fault.Internal, "derive a key", err)
	}
	id, err := age.ParseX25519Identity(strings.ToUpper(bech32Encode("age-secret-key-", scalar)))
	clear(scalar)
	if err != nil {
		return Identity{}, fault.Newf(fault.Internal, "a derived key was refused") // the cause might quote it
	}
	return x25519Identity(id), nil
}
