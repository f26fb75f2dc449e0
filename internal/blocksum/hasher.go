package blocksum

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"hash/crc32"
)

// Size is how many bytes a block has; the last one of a file may have fewer.
const Size = 1 << 20

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Of is the sum of one block.
func Of(block []byte) uint32 { return crc32.Checksum(block, castagnoli) }

// Hasher makes both kinds of sums of what is written to it.
type Hasher struct {
	whole hash.Hash
	block uint32 // of the block that is being filled
	size  int64
	add   func(sum uint32) error
}

// NewHasher calls add with the sum of each block, in order, as soon as it is complete. An
// error of add is one of Write or Close.
func NewHasher(add func(sum uint32) error) *Hasher { return &Hasher{whole: sha256.New(), add: add} }

// Write implements [io.Writer].
func (h *Hasher) Write(p []byte) (int, error) {
	h.whole.Write(p) // a hash never fails
	taken := 0
	for taken < len(p) {
		n := min(len(p)-taken, int(Size-h.size%Size))
		h.block = crc32.Update(h.block, castagnoli, p[taken:taken+n])
		h.size += int64(n)
		taken += n
		if h.size%Size == 0 {
			if err := h.end(); err != nil {
				return taken, err
			}
		}
	}
	return taken, nil
}

func (h *Hasher) end() error {
	sum := h.block
	h.block = 0
	return h.add(sum)
}

// Close hands on the sum of the last block. It is to be called once.
func (h *Hasher) Close() error {
	if h.size%Size == 0 {
		return nil
	}
	return h.end()
}

// Length is how many bytes were written.
func (h *Hasher) Length() int64 { return h.size }

// SHA256 is that of everything that was written, in hexadecimal digits.
func (h *Hasher) SHA256() string { return hex.EncodeToString(h.whole.Sum(nil)) }
