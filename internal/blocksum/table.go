package blocksum

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
)

// MaxSize is the largest file that a table can be of: 4 TiB, whose sums take 16 MiB.
const MaxSize = 4 << 40

// Table holds the sums of a file's blocks, as far as it is written. It may be used
// concurrently. Its [Progress] is that of the file: what it says is there can be read from
// the file and compared.
type Table struct {
	*Progress

	mu     sync.Mutex
	sums   []uint32
	sha256 string
}

// NewTable is of a file of which nothing is written yet.
func NewTable() *Table { return &Table{Progress: NewProgress()} }

// Add takes the sum of the next block, which is in the file by then.
func (t *Table) Add(sum uint32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sums = append(t.sums, sum)
	// The block that was added last may be the short one at the end.
	t.Advance(int64(len(t.sums)-1) * Size)
}

// Finish takes the end of the file. It fails when a file of this size has more or fewer
// blocks than were added.
func (t *Table) Finish(size int64, sha256 string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if size < 0 || size > MaxSize || blocks(size) != int64(len(t.sums)) {
		return fmt.Errorf("%d sums of blocks are not those of %d bytes", len(t.sums), size)
	}
	t.sha256 = sha256
	t.End(size)
	return nil
}

func blocks(size int64) int64 { return (size + Size - 1) / Size }

// Whole returns size and SHA-256 of a file that has ended, and whether it has.
func (t *Table) Whole() (size int64, sha256 string, ok bool) {
	size, ok = t.Ended()
	t.mu.Lock()
	defer t.mu.Unlock()
	return size, t.sha256, ok
}

// sum returns that of a block, and how many bytes the block has.
func (t *Table) sum(block int64) (sum uint32, length int64, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if block >= int64(len(t.sums)) {
		return 0, 0, false
	}
	length = Size
	if size, ended := t.Ended(); ended {
		length = min(Size, size-block*Size)
	}
	return t.sums[block], length, true
}

// Has reports whether the bytes are the block that begins at offset.
func (t *Table) Has(offset int64, block []byte) bool {
	sum, length, ok := t.sum(offset / Size)
	return ok && offset%Size == 0 && length == int64(len(block)) && sum == Of(block)
}

// What a stored table looks like: the size of the file in 8 bytes, the sums in 4 bytes
// each, and the sum of all that; numbers in big endian order.
const (
	sizeBytes = 8
	sumBytes  = 4
)

// MaxEncoded is the largest stored table.
const MaxEncoded = sizeBytes + sumBytes*(MaxSize/Size) + sumBytes

// Encode returns the table of a file that has ended, to be stored.
func (t *Table) Encode() ([]byte, error) {
	size, ended := t.Ended()
	if !ended {
		return nil, errors.New("a file that has not ended has no table to store")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	be := binary.BigEndian
	b := be.AppendUint64(make([]byte, 0, sizeBytes+sumBytes*(len(t.sums)+1)), uint64(size))
	for _, sum := range t.sums {
		b = be.AppendUint32(b, sum)
	}
	return be.AppendUint32(b, Of(b)), nil
}

// Decode reads a stored table of a file of the given size and SHA-256. What is damaged, or
// of another size, is an error.
func Decode(b []byte, size int64, sha256 string) (*Table, error) {
	be := binary.BigEndian
	if size < 0 || size > MaxSize || int64(len(b)) != sizeBytes+sumBytes*(blocks(size)+1) {
		return nil, fmt.Errorf("a table of %d bytes is none of a file of %d", len(b), size)
	}
	body, end := b[:len(b)-sumBytes], b[len(b)-sumBytes:]
	if be.Uint32(end) != Of(body) || int64(be.Uint64(body)) != size {
		return nil, errors.New("the table of sums is damaged")
	}
	t := NewTable()
	t.End(size)
	t.sha256 = sha256
	t.sums = make([]uint32, blocks(size))
	for i := range t.sums {
		t.sums[i] = be.Uint32(body[sizeBytes+sumBytes*i:])
	}
	return t, nil
}
