package compact

import (
	"crypto/sha256"
	"encoding/binary"
)

// Digest is the beginning of a SHA-256. Two of a hundred million texts have the same one
// with a probability below 1e-22.
type Digest [16]byte

// DigestOf is the digest of a text.
func DigestOf(text string) Digest {
	sum := sha256.Sum256([]byte(text))
	return Digest(sum[:16])
}

// Hash implements [Key].
func (d Digest) Hash() uint64 { return binary.LittleEndian.Uint64(d[:]) }

// Sum is a hash that was made with a seed of its owner's, so that nobody else can choose
// two texts with the same one.
type Sum uint64

// Hash implements [Key].
func (s Sum) Hash() uint64 { return uint64(s) }
