package upstream

import "io"

// Reader remembers the error of the reader below a decoder.
type Reader struct {
	r   io.Reader
	err error
}

// NewReader reads from r.
func NewReader(r io.Reader) *Reader { return &Reader{r: r} }

// Read implements [io.Reader]. Only [io.EOF] itself is the end, and not an error that
// wraps it: connections that break say so with it as the cause.
func (s *Reader) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// Err is the newest error of the source, nil when it had none.
func (s *Reader) Err() error { return s.err }

// Or returns the source's error, if it had any, else err.
func (s *Reader) Or(err error) error {
	if s.err != nil {
		return s.err
	}
	return err
}
