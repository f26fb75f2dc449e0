package smb

import (
	"context"
	"io"
	"os"

	"github.com/hirochachacha/go-smb2"
)

// small is the size up to which a file is read or written with one request, on a
// control connection: a login of its own would take longer than the file.
const small = part

// readSmall reads a file from offset to size.
func (s *Store) readSmall(ctx context.Context, what, path string, offset, size int64) ([]byte, error) {
	data := make([]byte, size-offset)
	err := s.withFile(ctx, what, path, os.O_RDONLY, func(l lane) error { return l.read(what, data, offset) })
	return data, err
}

// writeSmall writes src[from:size) and makes it durable. What lies beyond is cut off.
func (s *Store) writeSmall(ctx context.Context, what, path string, flags int, src io.ReaderAt, from, size, present int64) error {
	data := make([]byte, size-from)
	if err := readSource(what, src, data, from); err != nil {
		return err
	}
	return s.withFile(ctx, what, path, flags, func(l lane) error {
		if present > size {
			if err := l.do(what, func(*smb2.Share) error { return l.file.Truncate(size) }); err != nil {
				return err
			}
		}
		if len(data) > 0 {
			if err := l.write(what, data, from); err != nil {
				return err
			}
		}
		return l.sync(what)
	})
}

// withFile opens a file on a control connection for the time of a call.
func (s *Store) withFile(ctx context.Context, what, path string, flags int, use func(lane) error) error {
	return s.persist(ctx, what, false, func() (header, error) {
		return header{}, s.withFileOnce(ctx, what, path, flags, use)
	})
}

func (s *Store) withFileOnce(ctx context.Context, what, path string, flags int, use func(lane) error) error {
	return s.withConnection(ctx, what, func(c *connection) error {
		l, err := s.openOn(c, what, path, flags)
		if err != nil {
			return err
		}
		err = use(l)
		closeErr := l.closeFile(what)
		if err == nil {
			err = closeErr // when some servers report a full disk
		}
		return err
	})
}
