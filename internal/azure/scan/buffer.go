package scan

import (
	"bytes"
	"fmt"
	"io"
)

const bufferSize = 32 << 10

// fill reads on. It reports io.EOF at the end, and errors of the reader as they are.
func (s *scanner) fill() error {
	if s.ended {
		return io.EOF
	}
	if len(s.buf) == cap(s.buf) {
		from := s.mark
		if from < 0 {
			from = s.pos
		}
		kept := s.buf[from:]
		if !s.lent && from > cap(s.buf)/2 {
			s.buf = s.buf[:copy(s.buf[:cap(s.buf)], kept)]
		} else {
			s.buf = append(make([]byte, 0, s.room(len(kept))), kept...)
			s.lent = false
		}
		s.pos -= from
		if s.mark >= 0 {
			s.mark = 0
		}
	}
	for range 100 {
		n, err := s.r.Read(s.buf[len(s.buf):cap(s.buf)])
		s.buf = s.buf[:len(s.buf)+n]
		if s.left >= 0 {
			s.left -= int64(n)
		}
		if err != nil && err != io.EOF {
			return err
		}
		s.ended = err == io.EOF
		if n > 0 {
			return nil
		}
		if s.ended {
			return io.EOF
		}
	}
	return io.ErrNoProgress
}

// room is the size of a buffer behind one that is full: twice what is kept of it, and
// not more than is to come or may be.
func (s *scanner) room(kept int) int {
	grow := max(kept, bufferSize)
	if s.left >= 0 {
		grow = int(min(int64(grow), s.left+1))
	}
	return min(kept+grow, max(s.limits.Bytes, kept)+bufferSize)
}

// more is fill within a document, where the end comes too early.
func (s *scanner) more() error {
	if s.mark >= 0 && s.pos-s.mark > s.limits.Bytes {
		return fmt.Errorf("%w: one document in it has more than %d bytes", ErrLimit, s.limits.Bytes)
	}
	err := s.fill()
	if err == io.EOF {
		return ErrEnd
	}
	return err
}

// peek is the next byte that is no blank. It is not taken.
func (s *scanner) peek() (byte, error) {
	for {
		for ; s.pos < len(s.buf); s.pos++ {
			switch c := s.buf[s.pos]; c {
			case ' ', '\t', '\r', '\n':
			default:
				return c, nil
			}
		}
		if err := s.more(); err != nil {
			return 0, err
		}
	}
}

// next takes a byte.
func (s *scanner) next() (byte, error) {
	for s.pos == len(s.buf) {
		if err := s.more(); err != nil {
			return 0, err
		}
	}
	s.pos++
	return s.buf[s.pos-1], nil
}

// skipMark skips a byte order mark.
func (s *scanner) skipMark() error {
	for len(s.buf)-s.pos < len(byteOrderMark) {
		if err := s.fill(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
	if bytes.HasPrefix(s.buf[s.pos:], byteOrderMark) {
		s.pos += len(byteOrderMark)
	}
	return nil
}

// ahead is the next byte, which is not taken, and 0 at the end.
func (s *scanner) ahead() (byte, error) {
	for s.pos == len(s.buf) {
		if s.mark >= 0 && s.pos-s.mark > s.limits.Bytes {
			return 0, s.fits()
		}
		if err := s.fill(); err == io.EOF {
			return 0, nil
		} else if err != nil {
			return 0, err
		}
	}
	return s.buf[s.pos], nil
}
