package seal

import (
	"crypto/subtle"
	"io"

	"infrabackup/internal/secret"
)

// Asked is a challenge as whoever made it keeps it until it is answered. Of the answer it
// holds the digest only.
type Asked struct {
	Challenge
	instance, digest string
}

// Ask makes a challenge to a key that need not be in use yet. Errors are those of
// [NewChallenge].
func Ask(r Recipient, instance string, random io.Reader) (Asked, error) {
	text, answer, err := NewChallenge(r, instance, random)
	if err != nil {
		return Asked{}, err
	}
	return Asked{Challenge{Fingerprint: r.Fingerprint, Kind: r.Kind, Text: string(text)}, instance, DigestAnswer(answer)}, nil
}

// Answered gives the proof of the key when answer is the one to this challenge.
func (a Asked) Answered(answer secret.String) (Proof, bool) {
	if a.digest == "" || subtle.ConstantTimeCompare([]byte(DigestAnswer(answer)), []byte(a.digest)) != 1 {
		return Proof{}, false
	}
	return Proof{a.Fingerprint, a.instance, a.digest}, true
}

// Proof shows that the holder of a key has answered a challenge to it. Nothing but
// [Asked.Answered] makes one; the zero value proves nothing.
type Proof struct{ fingerprint, instance, digest string }

// IsZero reports whether it proves nothing.
func (p Proof) IsZero() bool { return p == Proof{} }

// Of reports whether it proves the key with this fingerprint, for this instance.
func (p Proof) Of(fingerprint, instance string) bool {
	return !p.IsZero() && p.fingerprint == fingerprint && p.instance == instance
}

// Fingerprint is that of the key.
func (p Proof) Fingerprint() string { return p.fingerprint }

// Digest is that of the answer, as [DigestAnswer] makes it.
func (p Proof) Digest() string { return p.digest }
