package redact

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"io"
	"sync"

	"infrabackup/internal/secret"
)

// Key makes fingerprints for one comparison. It may be used from several goroutines.
type Key struct {
	pool sync.Pool
}

// Fingerprint stands for a secret. Two of one [Key] are equal when the secrets are; it cannot
// print itself.
type Fingerprint [sha256.Size]byte

// NewKey draws a key from random.
func NewKey(random io.Reader) (*Key, error) {
	key := make([]byte, sha256.Size)
	if _, err := io.ReadFull(random, key); err != nil {
		return nil, fmt.Errorf("draw the key for fingerprints of secrets: %w", err)
	}
	k := &Key{}
	k.pool.New = func() any { return hmac.New(sha256.New, key) }
	return k, nil
}

// Of is the fingerprint of a secret.
func (k *Key) Of(value []byte) (f Fingerprint) {
	mac := k.pool.Get().(interface {
		io.Writer
		Sum([]byte) []byte
		Reset()
	})
	mac.Reset()
	_, _ = mac.Write(value) // a hash takes everything
	mac.Sum(f[:0])
	mac.Reset()
	k.pool.Put(mac)
	return f
}

// String implements fmt.Stringer.
func (Fingerprint) String() string { return secret.Redacted }

// GoString implements fmt.GoStringer.
func (Fingerprint) GoString() string { return secret.Redacted }

// Format implements fmt.Formatter.
func (Fingerprint) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, secret.Redacted) }

// MarshalJSON implements json.Marshaler.
func (Fingerprint) MarshalJSON() ([]byte, error) {
	return nil, fmt.Errorf("a fingerprint of a secret is not to be written")
}
