package compact

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"io"
	"iter"
	"slices"
)

// blockBytes is how much text is compressed at once: no more than the window of DEFLATE
// (RFC 1951), in which one text is the beginning of the next.
const blockBytes = 32 << 10

// Texts holds texts that follow each other in some order, such as the IDs that a list
// names: 130 bytes of which some 10 are new. They are read only from the first to the
// last. The zero value is empty.
type Texts struct {
	blocks [][]byte // compressed, each of as many texts as fit
	bytes  int      // of blocks
	last   []byte   // the block that is being filled
	count  int

	packer *flate.Writer
	packed bytes.Buffer
}

// Len is how many texts there are.
func (t *Texts) Len() int { return t.count }

// workBytes is about what the compressor takes, once there is something to compress.
const workBytes = 1150 << 10

// Bytes is about how much memory they take.
func (t *Texts) Bytes() int {
	n := t.bytes + cap(t.last) + 32*cap(t.blocks) + t.packed.Cap()
	if t.packer != nil {
		n += workBytes
	}
	return n
}

// Add adds a text.
func (t *Texts) Add(text string) {
	if t.last == nil {
		t.last = make([]byte, 0, 1<<10)
	}
	if len(t.last) > 0 && len(t.last)+len(text)+binary.MaxVarintLen64 > blockBytes {
		t.pack()
	}
	t.last = binary.AppendUvarint(t.last, uint64(len(text)))
	t.last = append(t.last, text...)
	t.count++
}

// All are the texts that there are now, from the first to the last. More may be added
// meanwhile.
func (t *Texts) All() iter.Seq[string] {
	blocks, last := t.blocks, slices.Clone(t.last)
	return func(yield func(string) bool) {
		var plain bytes.Buffer
		for _, block := range blocks {
			plain.Reset()
			if _, err := plain.ReadFrom(flate.NewReader(bytes.NewReader(block))); err != nil {
				panic("compact: a block is not what was packed: " + err.Error()) // memory is damaged
			}
			if !each(plain.Bytes(), yield) {
				return
			}
		}
		each(last, yield)
	}
}

// each hands on the texts of a block.
func each(block []byte, yield func(string) bool) bool {
	for len(block) > 0 {
		size, n := binary.Uvarint(block)
		block = block[n:]
		if !yield(string(block[:size])) {
			return false
		}
		block = block[size:]
	}
	return true
}

// pack compresses the block that was filled.
func (t *Texts) pack() {
	if t.packer == nil {
		t.packer, _ = flate.NewWriter(io.Discard, flate.BestSpeed) // fails only for other levels
	}
	t.packed.Reset()
	t.packer.Reset(&t.packed)
	_, _ = t.packer.Write(t.last) // a buffer takes everything
	_ = t.packer.Close()
	block := bytes.Clone(t.packed.Bytes())
	t.blocks = append(t.blocks, block)
	t.bytes += cap(block)
	t.last = t.last[:0]
	if cap(t.last) > 2*blockBytes {
		t.last = nil // one long text does not stay
	}
}
