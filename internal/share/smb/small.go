package smb

import (
	"bytes"
	"context"
	"io"
	"os"

	"github.com/hirochachacha/go-smb2"

	"infrabackup/internal/fault"
	"infrabackup/internal/share"
)

// small is the size up to which a file is read or written with a few requests, one after
// the other on a control connection: a login of its own would take longer than the file.
const small = share.SmallFile

// readSmall reads a file from offset to its end, when that is little: else it returns the
// size alone, which the server tells as it opens the file.
// What w has no room for is not read.
func (s *Store) readSmall(ctx context.Context, what, path string, offset int64, w io.Writer) (data []byte, size int64, err error) {
	err = s.withFile(ctx, what, path, os.O_RDONLY, func(st stream) error {
		seen, err := describeOpen(st.file)
		switch {
		case err != nil:
			return err
		case seen.isDir:
			return fault.Newf(fault.ShareIO, "%s: it is a folder", what)
		case offset > seen.size:
			return fault.Newf(fault.ShareCorrupted, "%s holds %d bytes, fewer than %d", s.name(path), seen.size, offset)
		}
		data, size = nil, seen.size
		if err := share.CheckRoom(what, w, size-offset); err != nil {
			return err
		}
		if size-offset > small {
			return nil
		}
		data = make([]byte, size-offset)
		return st.read(what, data, offset)
	})
	return data, size, err
}

// writeSmall writes src[from:size) and makes it durable. What lies beyond is cut off.
func (s *Store) writeSmall(ctx context.Context, what, path string, flags int, src io.ReaderAt, from, size, present int64) error {
	data := make([]byte, size-from)
	if err := readSource(what, src, data, from); err != nil {
		return err
	}
	return s.withFile(ctx, what, path, flags, func(st stream) error {
		if present > size {
			if err := st.do(what, func(*smb2.Share) error { return st.file.Truncate(size) }); err != nil {
				return err
			}
		}
		if len(data) > 0 {
			if err := st.write(what, data, from); err != nil {
				return err
			}
		}
		if from > 0 {
			return st.sync(what)
		}
		return st.syncAndCompare(what, s.name(path), data)
	})
}

// syncAndCompare flushes a file that was written and reads it back, at once: neither waits
// for the other, and both have to succeed.
func (st stream) syncAndCompare(what, name string, want []byte) error {
	flushed := make(chan error, 1)
	go func() { flushed <- st.sync(what) }()
	compareErr := st.compare(what, name, want)
	if err := <-flushed; err != nil {
		return err
	}
	return compareErr
}

// compare reads a file back that was just written, and looks for more behind it.
func (st stream) compare(what, name string, want []byte) error {
	got := make([]byte, len(want)+1)
	n := 0
	// An answer that ends where a request may end says nothing of what is behind it.
	for n <= len(want) && (n == 0 || n < len(want) || n%st.guard.Payload() == 0) {
		m, err := st.readSome(what, got[n:min(len(got), n+st.guard.Payload())], int64(n))
		if err != nil {
			return err
		}
		if n += m; m == 0 {
			break
		}
	}
	if !bytes.Equal(got[:n], want) {
		return fault.Newf(fault.ShareCorrupted, "%s gave back other bytes than were written", name)
	}
	return nil
}

// withFile opens a file on a control connection for the time of a call.
func (s *Store) withFile(ctx context.Context, what, path string, flags int, use func(stream) error) error {
	return s.persist(ctx, what, false, func() (header, error) {
		return header{}, s.withFileOnce(ctx, what, path, flags, use)
	})
}

func (s *Store) withFileOnce(ctx context.Context, what, path string, flags int, use func(stream) error) error {
	return s.withConnection(ctx, what, func(c *connection) error {
		st, err := s.openOn(c, what, path, flags)
		if err != nil {
			return err
		}
		err = use(st)
		if err == nil && flags == os.O_RDONLY {
			return c.closeLater(what, st.file)
		}
		closeErr := st.closeFile(what)
		if err == nil {
			err = closeErr // when some servers report a full disk
		}
		return err
	})
}
