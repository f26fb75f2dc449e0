package smb

import (
	"context"
	"errors"
	"io"
	"os"
	"reflect"

	"github.com/hirochachacha/go-smb2"

	"infrabackup/internal/fault"
	"infrabackup/internal/share/smb/guard"
)

const (
	// chunk is how much one request carries: the library cuts longer ones into
	// several, one after the other.
	chunk = guard.MaxPayload
	// bytesPerStream is how many bytes make another connection worth its login.
	bytesPerStream = 8 * chunk
)

// stream is a connection with a file opened on it. A data connection has only requests
// on that file, so an error there is never normal, and ends the transfer.
type stream struct {
	*connection
	file *smb2.File
}

// worth is how many data connections so many bytes are worth.
func (s *Store) worth(bytes int64) int {
	return int(min(int64(s.config.DataConnections), 1+bytes/bytesPerStream))
}

// besides is how many data connections write a file while another reads it back.
func (s *Store) besides() int { return max(1, s.config.DataConnections-1) }

// openStreams opens the file on so many connections. The first
// one authenticates alone, so that a refused password is one login, and only the
// first may create or empty the file.
func (s *Store) openStreams(ctx context.Context, what, path string, flags, count int) (streams []stream, err error) {
	for range count {
		c, err := s.dialer.dial(ctx)
		if err != nil {
			failStreams(streams, errFinished)
			return nil, err
		}
		release := c.bind(ctx)
		var st stream
		err = s.persist(ctx, what, false, func() (header, error) {
			st, err = s.openOn(c, what, path, flags)
			return header{}, err
		})
		release()
		if err != nil {
			failStreams(append(streams, stream{connection: c}), errFinished)
			return nil, err
		}
		streams = append(streams, st)
		flags &^= os.O_CREATE | os.O_TRUNC
	}
	return streams, nil
}

// openOn opens the file on a connection.
func (s *Store) openOn(c *connection, what, path string, flags int) (stream, error) {
	st := stream{connection: c}
	err := c.opening(what, func() error {
		return c.do(what, func(fs *smb2.Share) (err error) {
			st.file, err = fs.OpenFile(s.at(path), flags, 0o644)
			return err
		})
	}, func() error { return st.closeFile(what) })
	return st, err
}

// opening runs a call that opens a file or folder without saying that links are to be left
// alone. The library follows a link when the server tells it of one, at whatever level of
// the path; what it finds there is closed, and refused.
func (c *connection) opening(what string, open, closing func() error) error {
	before := c.guard.LinksTold()
	err := open()
	if c.guard.LinksTold() == before {
		return err
	}
	if err == nil {
		err = closing()
	}
	if err != nil && isConnectionBroken(err) {
		return err
	}
	return fault.Newf(fault.ShareUnsupported, "%s: it is a link to another place (a reparse point)", what)
}

// openFile is what a server tells of a file or folder as it opens it.
type openFile struct {
	size  int64
	isDir bool
}

// describeOpen returns what the server told when it opened a file. The library keeps that
// and offers only to ask again, so it is read from its fields, and nothing is written there.
func describeOpen(f *smb2.File) (seen openFile, err error) {
	const directory = 0x10 // FILE_ATTRIBUTE_DIRECTORY
	err = contained(func() error {
		told := reflect.ValueOf(f).Elem().FieldByName("fileStat").Elem()
		seen.size = told.FieldByName("EndOfFile").Int()
		seen.isDir = told.FieldByName("FileAttributes").Uint()&directory != 0
		return nil
	})
	if err != nil {
		return seen, fault.New(fault.Internal, "cannot read what the server reported of a file", err)
	}
	return seen, nil
}

// failStreams closes the connections without a word, which also ends every request.
func failStreams(streams []stream, cause error) {
	for _, st := range streams {
		st.fail(cause)
	}
}

// closeStreams closes the file on every connection, which is when some servers
// report a full disk, and then the connections.
func closeStreams(ctx context.Context, streams []stream, what string) error {
	var failures []error
	for _, st := range streams {
		release := st.bind(ctx)
		failures = append(failures, st.closeFile(what))
		release()
	}
	for _, st := range streams {
		st.close()
	}
	return errors.Join(failures...)
}

// write writes p, at most a chunk, at offset.
func (st stream) write(what string, p []byte, offset int64) error {
	for len(p) > 0 {
		n := min(len(p), st.guard.Payload())
		err := st.do(what, func(*smb2.Share) error {
			_, err := st.file.WriteAt(p[:n], offset) // the count is -1 after an error and says nothing more otherwise
			return err
		})
		if err != nil {
			return err
		}
		p, offset = p[n:], offset+int64(n)
	}
	return nil
}

func (st stream) closeFile(what string) error {
	return st.do(what, func(*smb2.Share) error { return st.file.Close() })
}

// sync makes the server put what it confirmed onto stable storage.
func (st stream) sync(what string) error {
	return st.do(what, func(*smb2.Share) error { return st.file.Sync() })
}

// read fills p, at most a chunk, from offset. The library takes every short answer
// for the end of the file, so only an empty one is believed.
func (st stream) read(what string, p []byte, offset int64) error {
	for done := 0; done < len(p); {
		n, err := st.readSome(what, p[done:min(len(p), done+st.guard.Payload())], offset+int64(done))
		if err == nil && n == 0 {
			err = fault.New(fault.ShareCorrupted, what+": the file has become shorter", io.ErrUnexpectedEOF)
		}
		if err != nil {
			return err
		}
		done += n
	}
	return nil
}

// readSome reads with one request, and nothing at the end of the file.
func (st stream) readSome(what string, p []byte, offset int64) (n int, err error) {
	err = st.do(what, func(*smb2.Share) (err error) {
		n, err = st.file.ReadAt(p, offset)
		if n = max(n, 0); errors.Is(err, io.EOF) { // -1 after an error
			err = nil
		}
		return err
	})
	return n, err
}
