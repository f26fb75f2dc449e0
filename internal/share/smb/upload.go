package smb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"

	"github.com/hirochachacha/go-smb2"

	"infrabackup/internal/fault"
	"infrabackup/internal/share"
)

const (
	// checkpoint is how much is confirmed by the server before it is flushed and
	// reported, while later chunks are being written.
	checkpoint = 64 << 20
	// maxUnflushed is how far writing may run ahead of the last flush. It bounds
	// what an interruption costs, and how much a flush has to write to disk.
	maxUnflushed = 2 * checkpoint
)

// Upload implements [share.Store].
func (s *Store) Upload(ctx context.Context, path string, src io.ReaderAt, from, size int64, flushed func(int64)) (err error) {
	if err := share.CheckPath(path); err != nil {
		return err
	}
	what := "cannot write " + s.name(path)
	if from < 0 || size < from {
		return fault.Newf(fault.ShareInvalid, "%s: from %d to %d is no range", what, from, size)
	}
	ctx, leave, err := s.enter(ctx, what)
	if err != nil {
		return err
	}
	defer leave()
	defer func() {
		if err != nil && ctx.Err() != nil {
			err = s.ended(ctx, what)
		}
	}()

	flags, present := os.O_WRONLY|os.O_CREATE|os.O_TRUNC, int64(0)
	if size <= small { // to be read back
		flags = os.O_RDWR | os.O_CREATE | os.O_TRUNC
	}
	if from > 0 {
		info, err := s.stat(ctx, what, path)
		if err != nil {
			return err
		}
		if info.Size < from {
			return fault.Newf(fault.ShareCorrupted, "%s holds %d bytes, but %d were flushed", s.name(path), info.Size, from)
		}
		flags, present = os.O_WRONLY, info.Size
	}
	if size-from <= small {
		err = s.writeSmall(ctx, what, path, flags, src, from, size, present)
	} else {
		err = s.writeLarge(ctx, what, path, flags, src, from, size, present, flushed)
	}
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) { // a folder above it that was known is there no more
			s.known.drop("")
		}
		return err
	}
	if size-from <= small && size > from && flushed != nil {
		flushed(size)
	}
	if from == 0 && size <= small {
		return nil // it was read back
	}
	info, err := s.stat(ctx, what, path)
	if err == nil && info.Size != size {
		err = fault.Newf(fault.ShareCorrupted, "%s has %d bytes after %d were written", s.name(path), info.Size, size)
	}
	return err
}

// UploadGrowing implements [share.Store].
func (s *Store) UploadGrowing(ctx context.Context, path string, src io.ReaderAt, from int64, extent share.Extent, flushed func(int64)) (size int64, err error) {
	if err := share.CheckPath(path); err != nil {
		return 0, err
	}
	what := "cannot write " + s.name(path)
	if from < 0 {
		return 0, fault.Newf(fault.ShareInvalid, "%s from %d", what, from)
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
	flags, present := os.O_WRONLY|os.O_CREATE|os.O_TRUNC, int64(0)
	if from > 0 {
		info, err := s.stat(ctx, what, path)
		if err != nil {
			return 0, err
		}
		if info.Size < from {
			return 0, fault.Newf(fault.ShareCorrupted, "%s holds %d bytes, but %d were flushed", s.name(path), info.Size, from)
		}
		flags, present = os.O_WRONLY, info.Size
	}
	streams, err := s.openStreams(ctx, what, path, flags, s.besides())
	if err != nil {
		return 0, err
	}
	size, err = s.upload(ctx, what, streams, src, from, extent, flushed)
	if err == nil && present > size {
		// At the end only: another attempt of the same upload may rely on what is there.
		err = streams[0].do(what, func(*smb2.Share) error { return streams[0].file.Truncate(size) })
		if err == nil {
			err = streams[0].sync(what)
		}
	}
	if err != nil {
		failStreams(streams, errFinished)
		return 0, err
	}
	if err := closeStreams(ctx, streams, what); err != nil {
		return 0, err
	}
	info, err := s.stat(ctx, what, path)
	if err == nil && info.Size != size {
		err = fault.Newf(fault.ShareCorrupted, "%s has %d bytes after %d were written", s.name(path), info.Size, size)
	}
	return size, err
}

// writeLarge writes src[from:size) over data connections.
func (s *Store) writeLarge(ctx context.Context, what, path string, flags int, src io.ReaderAt, from, size, present int64, flushed func(int64)) error {
	streams, err := s.openStreams(ctx, what, path, flags, s.worth(size-from))
	if err != nil {
		return err
	}
	if present > size {
		err = streams[0].do(what, func(*smb2.Share) error { return streams[0].file.Truncate(size) })
	}
	if err == nil {
		_, err = s.upload(ctx, what, streams, src, from, share.Whole(size), flushed)
	}
	if err != nil {
		failStreams(streams, errFinished)
		return err
	}
	return closeStreams(ctx, streams, what)
}

// upload is the state of one transfer to the server. Workers take chunks in order
// and may finish them in any; the flusher follows behind.
type upload struct {
	what    string
	src     io.ReaderAt
	flushed func(int64)
	streams []stream

	mu      sync.Mutex
	changed sync.Cond
	size    int64           // how much of src there is so far
	whole   bool            // src has ended
	next    int64           // the next chunk to write starts here
	written map[int64]int64 // where chunks above low end that the server has confirmed, by where they start
	low     int64           // everything below is confirmed
	durable int64           // everything below is flushed
	err     error           // why it is over
}

func (s *Store) upload(ctx context.Context, what string, streams []stream, src io.ReaderAt, from int64, extent share.Extent, flushed func(int64)) (size int64, err error) {
	u := &upload{
		what: what, src: src, flushed: flushed, streams: streams,
		size: from, next: from, low: from, durable: from, written: map[int64]int64{},
	}
	u.changed.L = &u.mu
	following, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(ctx, func() { u.end(s.ended(ctx, what)) })
	defer stop()
	var workers sync.WaitGroup
	workers.Go(func() { u.follow(following, extent) })
	for range s.config.WorkersPerConnection {
		for _, st := range streams { // alternating, so that all connections get chunks from the start
			workers.Go(func() { u.work(st) })
		}
	}
	u.flush()
	cancel()
	workers.Wait()
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.size, u.err
}

// follow learns how much of src there is, until src has ended or ctx has.
func (u *upload) follow(ctx context.Context, extent share.Extent) {
	for at := u.size; ; {
		end, ended, err := extent.Wait(ctx, at+chunk-1)
		if err != nil {
			u.end(fmt.Errorf("%s: waiting for the source: %w", u.what, err))
			return
		}
		if end < at {
			u.end(fmt.Errorf("%s: the source has %d bytes, fewer than %d: %w", u.what, end, at, io.ErrUnexpectedEOF))
			return
		}
		u.mu.Lock()
		u.size, u.whole, at = end, ended, end
		u.changed.Broadcast()
		u.mu.Unlock()
		if ended {
			return
		}
	}
}

// end stops the transfer; the first reason counts. Requests in flight end with
// their connections.
func (u *upload) end(err error) {
	u.mu.Lock()
	first := u.err == nil
	if first {
		u.err = err
	}
	u.changed.Broadcast()
	u.mu.Unlock()
	if first {
		failStreams(u.streams, errFinished)
	}
}

// work writes chunks until there are none.
func (u *upload) work(st stream) {
	var buffer []byte
	for {
		offset, length := u.take()
		if length == 0 {
			return
		}
		if int64(cap(buffer)) < length {
			buffer = make([]byte, length)
		}
		if err := u.write(st, buffer[:length], offset); err != nil {
			u.end(err)
			return
		}
		u.confirm(offset, length)
	}
}

// take gives out the next chunk, of no length when there is nothing more to do. Only the
// last chunk of a source may be a short one.
func (u *upload) take() (offset, length int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for u.err == nil && (u.next+chunk > u.size && !u.whole || u.next < u.size && u.next-u.durable >= maxUnflushed) {
		u.changed.Wait()
	}
	if u.err != nil {
		return 0, 0
	}
	offset = u.next
	length = min(chunk, u.size-offset)
	u.next += length
	return offset, length
}

func (u *upload) write(st stream, p []byte, offset int64) error {
	if err := readSource(u.what, u.src, p, offset); err != nil {
		return err
	}
	return st.write(u.what, p, offset)
}

// readSource fills p with what is to be written.
func readSource(what string, src io.ReaderAt, p []byte, offset int64) error {
	n, err := src.ReadAt(p, offset)
	if n == len(p) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("%s: reading the source at %d: %w", what, offset, err)
}

// confirm moves low up when the chunks below are confirmed too.
func (u *upload) confirm(offset, length int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.written[offset] = offset + length
	for end, ok := u.written[u.low]; ok; end, ok = u.written[u.low] {
		delete(u.written, u.low)
		u.low = end
	}
	u.changed.Broadcast()
}

// complete reports whether everything is confirmed.
func (u *upload) complete() bool { return u.whole && u.low == u.size }

// flush flushes each checkpoint and the end, on every connection that has written,
// and reports it. It returns at the end or when the transfer has failed.
func (u *upload) flush() {
	for {
		u.mu.Lock()
		for u.err == nil && !u.complete() && u.low-u.durable < checkpoint {
			u.changed.Wait()
		}
		target, last, failed := u.low, u.complete(), u.err != nil
		u.mu.Unlock()
		if failed {
			return
		}
		var syncs sync.WaitGroup
		failures := make([]error, len(u.streams))
		for i, st := range u.streams {
			syncs.Go(func() { failures[i] = st.sync(u.what) })
		}
		syncs.Wait()
		for _, err := range failures {
			if err != nil {
				u.end(err)
				return
			}
		}
		u.mu.Lock()
		rose := target > u.durable
		u.durable = target
		u.changed.Broadcast()
		u.mu.Unlock()
		if rose && u.flushed != nil {
			u.flushed(target)
		}
		if last {
			return
		}
	}
}
