package privsep

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Plain text goes to the child that encrypts it in frames: the number of bytes that
// follow, as 32 bits in big endian order, and these bytes. A frame of no bytes marks
// the end. So an end of the stream that was not meant, because the worker died or gave
// up, is never taken for the end of the file.
const (
	frameHeader = 4
	frameSize   = 256 << 10 // largest frame, header included; a multiple of what a pipe holds together
	maxFrame    = frameSize - frameHeader
)

var errFramesClosed = errors.New("the frames were ended already")

// frameWriter cuts what is written into frames. Its first error is final.
type frameWriter struct {
	w      io.Writer
	buffer []byte // a frame that is being filled, behind room for its header
	size   int64  // of everything that was written
	err    error
}

func newFrameWriter(w io.Writer) *frameWriter {
	return &frameWriter{w: w, buffer: make([]byte, frameHeader, frameSize)}
}

// Write implements [io.Writer].
func (f *frameWriter) Write(p []byte) (int, error) {
	written := 0
	for f.err == nil && written < len(p) {
		n := min(len(p)-written, cap(f.buffer)-len(f.buffer))
		f.buffer = append(f.buffer, p[written:written+n]...)
		written += n
		f.size += int64(n)
		if len(f.buffer) == cap(f.buffer) {
			f.flush()
		}
	}
	return written, f.err
}

// Close writes what is left and marks the end. It does not close what lies below.
func (f *frameWriter) Close() error {
	if f.err == nil && len(f.buffer) > frameHeader {
		f.flush()
	}
	if f.err == nil {
		f.flush() // of no bytes
	}
	if f.err != nil {
		return f.err
	}
	f.err = errFramesClosed
	return nil
}

func (f *frameWriter) flush() {
	binary.BigEndian.PutUint32(f.buffer, uint32(len(f.buffer)-frameHeader))
	_, f.err = f.w.Write(f.buffer)
	f.buffer = f.buffer[:frameHeader]
}

// copyFrames writes to w what the frames of r hold. An end of r before the mark is
// [io.ErrUnexpectedEOF]. What comes behind the mark is not read.
func copyFrames(w io.Writer, r io.Reader) error {
	buffer := make([]byte, maxFrame)
	for {
		header := buffer[:frameHeader]
		if _, err := io.ReadFull(r, header); err != nil {
			return missing(err)
		}
		n := binary.BigEndian.Uint32(header)
		switch {
		case n == 0:
			return nil
		case n > maxFrame:
			return fmt.Errorf("a frame of %d bytes, at most %d are possible", n, maxFrame)
		}
		if _, err := io.ReadFull(r, buffer[:n]); err != nil {
			return missing(err)
		}
		if _, err := w.Write(buffer[:n]); err != nil {
			return err
		}
	}
}

// missing tells that the end of a stream was too early.
func missing(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
