package privsep

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Plain text goes to the child that encrypts it through slots of shared memory, one after
// the other and then from the first again: a pipe would cost each byte two copies. The
// child's standard input tells it how many bytes the next slot holds, as 32 bits in big
// endian order, and what it writes to its standard output tells that a slot may be filled
// again ([slotFree]). A slot of no bytes marks the end. So an end of the input that was not
// meant, because the worker died or gave up, is never taken for the end of the file.
const (
	slotSize   = 512 << 10
	slots      = 4
	sharedSize = slots * slotSize
	tokenSize  = 4
)

var errRingClosed = errors.New("the plain text was ended already")

// ringWriter fills slots with what is written. Its first error is final.
type ringWriter struct {
	memory []byte
	tokens io.Writer
	free   <-chan struct{} // holds one for each slot that may be filled; closed when there will be no more
	slot   []byte          // the one that is being filled, nil when there is none
	next   int             // number of the slot after it
	filled int
	size   int64 // of everything that was written
	err    error
}

// Write implements [io.Writer].
func (r *ringWriter) Write(p []byte) (int, error) {
	written := 0
	for r.err == nil && written < len(p) {
		if !r.take() {
			break
		}
		n := copy(r.slot[r.filled:], p[written:])
		written += n
		r.filled += n
		r.size += int64(n)
		if r.filled == len(r.slot) {
			r.send()
		}
	}
	return written, r.err
}

// take makes sure that there is a slot to fill.
func (r *ringWriter) take() bool {
	if r.slot != nil {
		return true
	}
	if _, ok := <-r.free; !ok {
		r.err = errors.New("the process that reads the plain text has gone")
		return false
	}
	r.slot = r.memory[r.next*slotSize : (r.next+1)*slotSize]
	r.next = (r.next + 1) % slots
	return true
}

// send hands the slot over.
func (r *ringWriter) send() {
	r.err = r.tell(r.filled)
	r.slot, r.filled = nil, 0
}

func (r *ringWriter) tell(n int) error {
	_, err := r.tokens.Write(binary.BigEndian.AppendUint32(nil, uint32(n)))
	return err
}

// Close hands over what is left and marks the end.
func (r *ringWriter) Close() error {
	if r.err == nil && r.filled > 0 {
		r.send()
	}
	if r.err == nil {
		r.err = r.tell(0)
	}
	if r.err != nil {
		return r.err
	}
	r.err = errRingClosed
	return nil
}

// copySlots writes to w what the slots hold that tokens tell of, and calls done after each.
// An end of tokens before the mark is [io.ErrUnexpectedEOF].
func copySlots(w io.Writer, memory []byte, tokens io.Reader, done func() error) error {
	var token [tokenSize]byte
	for slot := 0; ; slot = (slot + 1) % slots {
		if _, err := io.ReadFull(tokens, token[:]); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
		n := binary.BigEndian.Uint32(token[:])
		switch {
		case n == 0:
			return nil
		case n > slotSize:
			return fmt.Errorf("a slot of %d bytes, at most %d are possible", n, slotSize)
		}
		if _, err := w.Write(memory[slot*slotSize:][:n]); err != nil {
			return err
		}
		if err := done(); err != nil {
			return err
		}
	}
}
