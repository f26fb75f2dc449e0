package smb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/hirochachacha/go-smb2"

	"infrabackup/internal/fault"
	"infrabackup/internal/share"
)

const (
	// checkpoint is how much is confirmed by the server before it is flushed and
	// reported, while later parts are being written.
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
		return err
	}
	if size-from <= small && size > from && flushed != nil {
		flushed(size)
	}
	info, err := s.stat(ctx, what, path)
	if err == nil && info.Size != size {
		err = fault.Newf(fault.ShareCorrupted, "%s has %d bytes after %d were written", s.name(path), info.Size, size)
	}
	return err
}

// writeLarge writes src[from:size) over data connections.
func (s *Store) writeLarge(ctx context.Context, what, path string, flags int, src io.ReaderAt, from, size, present int64, flushed func(int64)) error {
	lanes, err := s.openLanes(ctx, what, path, flags, size-from)
	if err != nil {
		return err
	}
	if present > size {
		err = lanes[0].do(what, func(*smb2.Share) error { return lanes[0].file.Truncate(size) })
	}
	if err == nil {
		err = s.upload(ctx, what, lanes, src, from, size, flushed)
	}
	if err != nil {
		failLanes(lanes, errFinished)
		return err
	}
	return closeLanes(ctx, lanes, what)
}

// upload is the state of one transfer to the server. Workers take parts in order
// and may finish them in any; the flusher follows behind.
type upload struct {
	what    string
	src     io.ReaderAt
	size    int64
	flushed func(int64)
	lanes   []lane

	mu      sync.Mutex
	changed sync.Cond
	next    int64          // the next part to write starts here
	written map[int64]bool // parts above low that the server has confirmed
	low     int64          // everything below is confirmed
	durable int64          // everything below is flushed
	err     error          // why it is over
}

func (s *Store) upload(ctx context.Context, what string, lanes []lane, src io.ReaderAt, from, size int64, flushed func(int64)) error {
	u := &upload{
		what: what, src: src, size: size, flushed: flushed, lanes: lanes,
		next: from, low: from, durable: from, written: map[int64]bool{},
	}
	u.changed.L = &u.mu
	stop := context.AfterFunc(ctx, func() { u.end(s.ended(ctx, what)) })
	defer stop()
	var workers sync.WaitGroup
	for range s.config.WorkersPerConnection {
		for _, l := range lanes { // alternating, so that all connections get parts from the start
			workers.Go(func() { u.work(l) })
		}
	}
	u.flush()
	workers.Wait()
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.err
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
		failLanes(u.lanes, errFinished)
	}
}

// work writes parts until there are none.
func (u *upload) work(l lane) {
	var buffer []byte
	for {
		offset, length := u.take()
		if length == 0 {
			return
		}
		if buffer == nil {
			buffer = make([]byte, length)
		}
		if err := u.write(l, buffer[:length], offset); err != nil {
			u.end(err)
			return
		}
		u.confirm(offset, length)
	}
}

// take gives out the next part, of no length when there is nothing more to do.
func (u *upload) take() (offset, length int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for u.err == nil && u.next < u.size && u.next-u.durable >= maxUnflushed {
		u.changed.Wait()
	}
	if u.err != nil {
		return 0, 0
	}
	offset = u.next
	length = min(part, u.size-offset)
	u.next += length
	return offset, length
}

func (u *upload) write(l lane, p []byte, offset int64) error {
	if err := readSource(u.what, u.src, p, offset); err != nil {
		return err
	}
	return l.write(u.what, p, offset)
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

// confirm moves low up when the parts below are confirmed too.
func (u *upload) confirm(offset, length int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.written[offset] = true
	for u.written[u.low] {
		delete(u.written, u.low)
		u.low = min(u.low+part, u.size)
	}
	u.changed.Broadcast()
}

// flush flushes each checkpoint and the end, on every connection that has written,
// and reports it. It returns at the end or when the transfer has failed.
func (u *upload) flush() {
	for {
		u.mu.Lock()
		for u.err == nil && u.low < u.size && u.low-u.durable < checkpoint {
			u.changed.Wait()
		}
		target, failed := u.low, u.err != nil
		u.mu.Unlock()
		if failed {
			return
		}
		var syncs sync.WaitGroup
		failures := make([]error, len(u.lanes))
		for i, l := range u.lanes {
			syncs.Go(func() { failures[i] = l.sync(u.what) })
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
		if target == u.size {
			return
		}
	}
}
