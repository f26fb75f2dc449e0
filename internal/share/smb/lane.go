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
	// part is how much one request carries: the library cuts longer ones into
	// several, one after the other.
	part = guard.MaxPayload
	// perLane is how many bytes make another connection worth its login.
	perLane = 8 * part
)

// lane is a connection with a file opened on it. A data connection has only requests
// on that file, so an error there is never normal, and ends the transfer.
type lane struct {
	*connection
	file *smb2.File
}

// worth is how many data connections so many bytes are worth.
func (s *Store) worth(bytes int64) int {
	return int(min(int64(s.config.DataConnections), 1+bytes/perLane))
}

// besides is how many data connections write a file while another reads it back.
func (s *Store) besides() int { return max(1, s.config.DataConnections-1) }

// openLanes opens the file on so many connections. The first
// one authenticates alone, so that a refused password is one login, and only the
// first may create or empty the file.
func (s *Store) openLanes(ctx context.Context, what, path string, flags, count int) (lanes []lane, err error) {
	for range count {
		c, err := s.dialer.dial(ctx)
		if err != nil {
			failLanes(lanes, errFinished)
			return nil, err
		}
		release := c.bind(ctx)
		var l lane
		err = s.persist(ctx, what, false, func() (header, error) {
			l, err = s.openOn(c, what, path, flags)
			return header{}, err
		})
		release()
		if err != nil {
			failLanes(append(lanes, lane{connection: c}), errFinished)
			return nil, err
		}
		lanes = append(lanes, l)
		flags &^= os.O_CREATE | os.O_TRUNC
	}
	return lanes, nil
}

// openOn opens the file on a connection.
func (s *Store) openOn(c *connection, what, path string, flags int) (lane, error) {
	l := lane{connection: c}
	err := c.opening(what, func() error {
		return c.do(what, func(fs *smb2.Share) (err error) {
			l.file, err = fs.OpenFile(s.at(path), flags, 0o644)
			return err
		})
	}, func() error { return l.closeFile(what) })
	return l, err
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

// failLanes closes the connections without a word, which also ends every request.
func failLanes(lanes []lane, cause error) {
	for _, l := range lanes {
		l.fail(cause)
	}
}

// closeLanes closes the file on every connection, which is when some servers
// report a full disk, and then the connections.
func closeLanes(ctx context.Context, lanes []lane, what string) error {
	var failures []error
	for _, l := range lanes {
		release := l.bind(ctx)
		failures = append(failures, l.closeFile(what))
		release()
	}
	for _, l := range lanes {
		l.close()
	}
	return errors.Join(failures...)
}

// write writes p, at most a part, at offset.
func (l lane) write(what string, p []byte, offset int64) error {
	for len(p) > 0 {
		n := min(len(p), l.guard.Payload())
		err := l.do(what, func(*smb2.Share) error {
			_, err := l.file.WriteAt(p[:n], offset) // the count is -1 after an error and says nothing more otherwise
			return err
		})
		if err != nil {
			return err
		}
		p, offset = p[n:], offset+int64(n)
	}
	return nil
}

func (l lane) closeFile(what string) error {
	return l.do(what, func(*smb2.Share) error { return l.file.Close() })
}

// sync makes the server put what it confirmed onto stable storage.
func (l lane) sync(what string) error {
	return l.do(what, func(*smb2.Share) error { return l.file.Sync() })
}

// read fills p, at most a part, from offset. The library takes every short answer
// for the end of the file, so only an empty one is believed.
func (l lane) read(what string, p []byte, offset int64) error {
	for done := 0; done < len(p); {
		n, err := l.readSome(what, p[done:min(len(p), done+l.guard.Payload())], offset+int64(done))
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
func (l lane) readSome(what string, p []byte, offset int64) (n int, err error) {
	err = l.do(what, func(*smb2.Share) (err error) {
		n, err = l.file.ReadAt(p, offset)
		if n = max(n, 0); errors.Is(err, io.EOF) { // -1 after an error
			err = nil
		}
		return err
	})
	return n, err
}
