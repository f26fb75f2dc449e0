package smb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"

	"infrabackup/internal/fault"
	"infrabackup/internal/share"
)

// file is a file opened for random reading, on a connection of its own that is
// made again after it was lost.
type file struct {
	store *Store
	ctx   context.Context // bounds every read, as the port says
	leave func()
	path  string
	what  string
	size  int64
	slots chan struct{} // bounds the reads at once to what the credits are for

	mu     sync.Mutex
	stream *stream
	unbind func() bool
	closed bool
}

// Open implements [share.Store].
func (s *Store) Open(ctx context.Context, path string) (share.File, error) {
	if err := share.CheckPath(path); err != nil {
		return nil, err
	}
	what := "cannot read " + s.name(path)
	call, leave, err := s.enter(ctx, what)
	if err != nil {
		return nil, err
	}
	defer leave()
	size, err := s.fileSize(call, what, path)
	if err != nil {
		return nil, err
	}
	f := &file{store: s, path: path, what: what, size: size, slots: make(chan struct{}, s.config.WorkersPerConnection)}
	f.ctx, f.leave = s.merge(ctx)
	if _, err := f.connected(); err != nil {
		f.leave()
		return nil, err
	}
	return f, nil
}

// connected returns the open file's stream, and opens it again when it was lost.
func (f *file) connected() (*stream, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, fault.New(fault.ShareIO, f.what, fs.ErrClosed)
	}
	if f.ctx.Err() != nil {
		return nil, f.store.ended(f.ctx, f.what)
	}
	if f.stream != nil {
		if !f.stream.dead() {
			return f.stream, nil
		}
		f.drop()
		size, err := f.store.fileSize(f.ctx, f.what, f.path)
		if err != nil {
			return nil, err
		}
		if size != f.size {
			return nil, fault.Newf(fault.ShareCorrupted, "%s: it had %d bytes and now has %d", f.what, f.size, size)
		}
	}
	streams, err := f.store.openStreams(f.ctx, f.what, f.path, os.O_RDONLY, 1)
	if err != nil {
		if f.ctx.Err() != nil {
			err = f.store.ended(f.ctx, f.what)
		}
		return nil, err
	}
	f.stream, f.unbind = &streams[0], streams[0].bind(f.ctx)
	return f.stream, nil
}

// drop ends the connection without a word.
func (f *file) drop() {
	f.unbind()
	f.stream.fail(errFinished)
	f.stream = nil
}

// Size implements [share.File].
func (f *file) Size() int64 { return f.size }

// ReadAt implements [io.ReaderAt].
func (f *file) ReadAt(p []byte, offset int64) (int, error) {
	if offset < 0 {
		return 0, fault.Newf(fault.ShareInvalid, "%s at %d", f.what, offset)
	}
	if offset >= f.size {
		return 0, io.EOF
	}
	var end error
	if rest := f.size - offset; int64(len(p)) > rest {
		p, end = p[:rest], io.EOF
	}
	select {
	case f.slots <- struct{}{}:
	case <-f.ctx.Done():
		return 0, f.store.ended(f.ctx, f.what)
	}
	defer func() { <-f.slots }()
	st, err := f.connected()
	if err != nil {
		return 0, err
	}
	for done := 0; done < len(p); {
		length := min(chunk, len(p)-done)
		if err := st.read(f.what, p[done:done+length], offset+int64(done)); err != nil {
			if f.ctx.Err() != nil {
				err = f.store.ended(f.ctx, f.what)
			}
			return done, err
		}
		done += length
	}
	return len(p), end
}

// Close implements [io.Closer]. Nothing is lost when the server does not answer.
func (f *file) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return fault.New(fault.ShareIO, fmt.Sprintf("closing %s again", f.store.name(f.path)), fs.ErrClosed)
	}
	f.closed = true
	defer f.leave()
	if f.stream == nil {
		return nil
	}
	if !f.unbind() || f.stream.dead() {
		f.stream.fail(errFinished)
		return nil
	}
	err := closeStreams(f.ctx, []stream{*f.stream}, f.what)
	if errors.Is(err, fault.ShareUnreachable) {
		err = nil
	}
	return err
}
