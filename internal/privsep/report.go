package privsep

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
)

// What a child that encrypts tells on its standard output are reports: a byte that says
// what it tells, and a number of the size that belongs to it, in big endian order.
const (
	slotFree   = 'f' // the oldest slot that is full may be filled again
	blockDone  = 'b' // a block is in the file; 32 bits, its sum
	fileDone   = 'e' // the file is complete; 64 bits, its size, and 32 bytes, its SHA-256
	fileFailed = 'x' // the file cannot be written; 32 bits, the number of the error
)

const sha256Size = 32

// reportSize is how many bytes follow the first.
func reportSize(kind byte) (int, bool) {
	switch kind {
	case slotFree:
		return 0, true
	case blockDone, fileFailed:
		return 4, true
	case fileDone:
		return 8 + sha256Size, true
	}
	return 0, false
}

// report is one that was read.
type report struct {
	kind   byte
	number uint64
	sha256 string // of fileDone
}

// writeReport writes one.
func writeReport(w io.Writer, kind byte, number uint64, sum string) error {
	b := []byte{kind}
	switch kind {
	case blockDone, fileFailed:
		b = binary.BigEndian.AppendUint32(b, uint32(number))
	case fileDone:
		raw, err := hex.DecodeString(sum)
		if err != nil || len(raw) != sha256Size {
			return fmt.Errorf("%q is no SHA-256", sum)
		}
		b = append(binary.BigEndian.AppendUint64(b, number), raw...)
	}
	_, err := w.Write(b)
	return err
}

// readReport reads one. Its error is [io.EOF] only where one may begin.
func readReport(r io.Reader) (report, error) {
	var b [1 + 8 + sha256Size]byte
	if _, err := io.ReadFull(r, b[:1]); err != nil {
		return report{}, err
	}
	n, ok := reportSize(b[0])
	if !ok {
		return report{}, fmt.Errorf("it reports %q, which is nothing that it has to", b[:1])
	}
	body := b[1 : 1+n]
	if _, err := io.ReadFull(r, body); err != nil {
		return report{}, fmt.Errorf("its report ended early: %w", io.ErrUnexpectedEOF)
	}
	read := report{kind: b[0]}
	switch read.kind {
	case blockDone, fileFailed:
		read.number = uint64(binary.BigEndian.Uint32(body))
	case fileDone:
		read.number, read.sha256 = binary.BigEndian.Uint64(body), hex.EncodeToString(body[8:])
	}
	return read, nil
}
