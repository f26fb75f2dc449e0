package smb

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"

	"infrabackup/internal/fault"
	"infrabackup/internal/share"
)

// Download implements [share.Store].
func (s *Store) Download(ctx context.Context, path string, offset int64, w io.Writer) (written int64, err error) {
	what := "cannot read " + s.name(path)
	if err := share.CheckPath(path); err != nil {
		return 0, err
	}
	if offset < 0 {
		return 0, fault.Newf(fault.ShareInvalid, "%s from %d", what, offset)
	}
	ctx, leave, err := s.enter(ctx, what)
	if err != nil {
		return 0, err
	}
	defer leave()
	defer func() {
		if err != nil && ctx.Err() != nil {
			err = s.ended(ctx, what)
		}
	}()
	data, size, err := s.readSmall(ctx, what, path, offset, w)
	if err != nil {
		return 0, err
	}
	if size-offset <= small {
		return pass(what, w, data, offset)
	}
	streams, err := s.openStreams(ctx, what, path, os.O_RDONLY, s.worth(size-offset))
	if err != nil {
		return 0, err
	}
	written, err = s.download(ctx, what, streams, offset, share.Whole(size), w)
	if err != nil {
		failStreams(streams, errFinished)
		return written, err
	}
	return written, closeStreams(ctx, streams, what)
}

// DownloadGrowing implements [share.Store].
func (s *Store) DownloadGrowing(ctx context.Context, path string, extent share.Extent, w io.Writer) (written int64, err error) {
	what := "cannot read " + s.name(path)
	if err := share.CheckPath(path); err != nil {
		return 0, err
	}
	ctx, leave, err := s.enter(ctx, what)
	if err != nil {
		return 0, err
	}
	defer leave()
	defer func() {
		if err != nil && ctx.Err() != nil {
			err = s.ended(ctx, what)
		}
	}()
	end, _, err := extent.Wait(ctx, 0)
	if err != nil {
		return 0, fmt.Errorf("%s: waiting for the file to grow: %w", what, err)
	}
	if end == 0 {
		return 0, nil
	}
	streams, err := s.openStreams(ctx, what, path, os.O_RDONLY, 1)
	if err != nil {
		return 0, err
	}
	written, err = s.download(ctx, what, streams, 0, extent, w)
	if err != nil {
		failStreams(streams, errFinished)
		return written, err
	}
	return written, closeStreams(ctx, streams, what)
}

// fileSize is the size of a regular file.
func (s *Store) fileSize(ctx context.Context, what, path string) (int64, error) {
	info, err := s.stat(ctx, what, path)
	if err == nil && info.IsDir {
		err = fault.Newf(fault.ShareIO, "%s: it is a folder", what)
	}
	return info.Size, err
}

// pass hands data on to the caller's writer.
func pass(what string, w io.Writer, data []byte, offset int64) (int64, error) {
	n, err := w.Write(data)
	if err != nil {
		err = fmt.Errorf("%s: passing it on at %d: %w", what, offset, err)
	}
	return int64(n), err
}

// piece is a chunk of the file that is being read or was read.
type piece struct {
	offset int64
	data   []byte
	err    error
	done   chan struct{}
}

// download reads chunks on all connections at once and passes them on in order, as far
// as extent says. As many buffers as workers bound its memory: a slow w stops the reading.
func (s *Store) download(ctx context.Context, what string, streams []stream, offset int64, extent share.Extent, w io.Writer) (written int64, err error) {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	stop := context.AfterFunc(ctx, func() { failStreams(streams, errFinished) })
	defer func() {
		// Before cancel: at the end of a good transfer the connections are still
		// needed, and after a failure nobody should wait for requests in flight.
		if stop(); err != nil {
			failStreams(streams, errFinished)
		}
	}()

	window := s.config.WorkersPerConnection * len(streams)
	ordered, work := make(chan *piece, window), make(chan *piece, window)
	free := make(chan []byte, window)
	for range window {
		free <- nil
	}
	for range s.config.WorkersPerConnection {
		for _, st := range streams {
			running.Go(func() {
				for p := range work {
					p.err = st.read(what, p.data, p.offset)
					close(p.done)
				}
			})
		}
	}
	var waiting error // of extent; read when ordered is closed
	running.Go(func() {
		defer close(work)
		defer close(ordered)
		for at, size, whole := offset, int64(0), false; ; {
			if !whole && at+chunk > size {
				if size, whole, waiting = extent.Wait(ctx, at+chunk-1); waiting != nil {
					return
				}
			}
			length := min(chunk, size-at)
			if length <= 0 {
				return
			}
			var buffer []byte
			select {
			case buffer = <-free:
			case <-ctx.Done():
				return
			}
			if int64(cap(buffer)) < length {
				buffer = make([]byte, length)
			}
			p := &piece{offset: at, data: buffer[:length], done: make(chan struct{})}
			ordered <- p // never full: there are no more pieces than buffers
			work <- p
			at += length
		}
	})
	for p := range ordered {
		<-p.done // ends with its connection at the latest
		if ctx.Err() != nil {
			return written, s.ended(ctx, what)
		}
		if p.err != nil {
			return written, p.err
		}
		n, err := pass(what, w, p.data, p.offset)
		written += n
		if err != nil {
			return written, err
		}
		free <- p.data[:cap(p.data)]
	}
	if ctx.Err() != nil {
		return written, s.ended(ctx, what)
	}
	if waiting != nil {
		return written, fmt.Errorf("%s: waiting for the file to grow: %w", what, waiting)
	}
	return written, nil
}
