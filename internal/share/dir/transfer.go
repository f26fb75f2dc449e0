package dir

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"

	"infrabackup/internal/fault"
	"infrabackup/internal/share"
)

const (
	// part is how much is read and written at once.
	part = 1 << 20
	// checkpoint is how much is written before it is flushed and reported.
	checkpoint = 64 << 20
)

// Upload implements [share.Store].
func (s *Store) Upload(ctx context.Context, name string, src io.ReaderAt, from, size int64, flushed func(int64)) error {
	if size < from {
		return fault.Newf(fault.ShareInvalid, "cannot write %s: from %d to %d is no range", s.at(name), from, size)
	}
	_, err := s.UploadGrowing(ctx, name, src, from, share.Whole(size), flushed)
	return err
}

// UploadGrowing implements [share.Store].
func (s *Store) UploadGrowing(ctx context.Context, name string, src io.ReaderAt, from int64, extent share.Extent, flushed func(int64)) (size int64, err error) {
	doing := "cannot write " + s.at(name)
	if err := s.begin(ctx, "writing", name, share.CheckPath); err != nil {
		return 0, err
	}
	if from < 0 {
		return 0, fault.Newf(fault.ShareInvalid, "%s from %d", doing, from)
	}
	flags := os.O_RDWR
	if from == 0 {
		flags |= os.O_CREATE | os.O_TRUNC
	}
	f, err := s.root.OpenFile(name, flags, 0o640)
	if err != nil {
		return 0, classify(doing, err)
	}
	defer func() {
		if closeErr := f.Close(); err == nil && closeErr != nil {
			err = classify(doing, closeErr)
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return 0, classify(doing, err)
	}
	if info.Size() < from {
		return 0, fault.Newf(fault.ShareCorrupted, "%s holds %d bytes, but %d were flushed", s.at(name), info.Size(), from)
	}
	if size, err = s.write(ctx, f, name, src, from, extent, flushed); err != nil {
		return 0, err
	}
	if err := s.sync(path.Dir(name)); err != nil {
		return 0, classify(doing, err)
	}
	if _, whole := extent.(share.Whole); whole && from == 0 && size <= share.SmallFile {
		return size, s.compare(f, name, src, size)
	}
	return size, nil
}

// compare reads a small file back.
func (s *Store) compare(f *os.File, name string, src io.ReaderAt, size int64) error {
	want, got := make([]byte, size), make([]byte, size+1)
	if n, err := src.ReadAt(want, 0); n < len(want) {
		return fmt.Errorf("reading again what was written to %s: %w", s.at(name), err)
	}
	n, err := f.ReadAt(got, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return classify("cannot read "+s.at(name)+" back", err)
	}
	if !bytes.Equal(got[:n], want) {
		return fault.Newf(fault.ShareCorrupted, "%s gave back other bytes than were written", s.at(name))
	}
	return nil
}

// write copies what there is of src behind from, and flushes every checkpoint and the end.
func (s *Store) write(ctx context.Context, f *os.File, name string, src io.ReaderAt, from int64, extent share.Extent, flushed func(int64)) (size int64, err error) {
	doing := "cannot write " + s.at(name)
	var buffer []byte
	done, whole := from, false
	for offset := from; ; {
		if err := ctx.Err(); err != nil {
			return 0, fmt.Errorf("writing %s: %w", s.at(name), err)
		}
		if !whole && offset+part > size {
			if size, whole, err = extent.Wait(ctx, offset+part-1); err != nil {
				return 0, fmt.Errorf("%s: waiting for what is to be written: %w", doing, err)
			}
		}
		if offset >= size || offset-done >= checkpoint {
			// What lies beyond the end is cut off before the end is flushed.
			if err := s.flush(f, doing, size, whole && offset >= size); err != nil {
				return 0, err
			}
			if flushed != nil && offset > done {
				flushed(offset)
			}
			if done = offset; offset >= size {
				return size, nil
			}
		}
		length := min(part, size-offset)
		if int64(cap(buffer)) < length {
			buffer = make([]byte, length)
		}
		chunk := buffer[:length]
		if n, err := src.ReadAt(chunk, offset); n < len(chunk) {
			if err == nil || errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return 0, fmt.Errorf("reading what is to be written to %s at %d: %w", s.at(name), offset, err)
		}
		if _, err := f.WriteAt(chunk, offset); err != nil {
			return 0, classify(doing, err)
		}
		offset += length
	}
}

// flush makes what was written durable, and at the end the size as well.
func (s *Store) flush(f *os.File, doing string, size int64, end bool) error {
	if end {
		if err := f.Truncate(size); err != nil {
			return classify(doing, err)
		}
	}
	if err := f.Sync(); err != nil {
		return classify(doing, err)
	}
	return nil
}

// Download implements [share.Store].
func (s *Store) Download(ctx context.Context, name string, offset int64, w io.Writer) (written int64, err error) {
	if offset < 0 {
		return 0, fault.Newf(fault.ShareInvalid, "cannot read %s from %d", s.at(name), offset)
	}
	f, size, err := s.open(ctx, name)
	if err != nil {
		return 0, err
	}
	defer func() { err = s.closed(f, name, err) }()
	if offset > size {
		return 0, fault.Newf(fault.ShareCorrupted, "%s holds %d bytes, fewer than %d", s.at(name), size, offset)
	}
	if err := share.CheckRoom("cannot read "+s.at(name), w, size-offset); err != nil {
		return 0, err
	}
	return s.read(ctx, f, name, offset, share.Whole(size), w)
}

// DownloadGrowing implements [share.Store].
func (s *Store) DownloadGrowing(ctx context.Context, name string, extent share.Extent, w io.Writer) (written int64, err error) {
	if err := share.CheckPath(name); err != nil {
		return 0, err
	}
	end, _, err := extent.Wait(ctx, 0)
	if err != nil || end == 0 {
		return 0, growing(s.at(name), err)
	}
	f, _, err := s.open(ctx, name)
	if err != nil {
		return 0, err
	}
	defer func() { err = s.closed(f, name, err) }()
	return s.read(ctx, f, name, 0, extent, w)
}

func growing(name string, err error) error {
	if err != nil {
		err = fmt.Errorf("cannot read %s: waiting for it to grow: %w", name, err)
	}
	return err
}

// closed ends the reading of a file; an earlier error counts more.
func (s *Store) closed(f *os.File, name string, err error) error {
	if closeErr := f.Close(); err == nil && closeErr != nil {
		err = classify("cannot read "+s.at(name), closeErr)
	}
	return err
}

// read streams what there is behind offset.
func (s *Store) read(ctx context.Context, f *os.File, name string, offset int64, extent share.Extent, w io.Writer) (written int64, err error) {
	var buffer []byte
	for at, size, whole := offset, int64(0), false; ; {
		if err := ctx.Err(); err != nil {
			return written, fmt.Errorf("reading %s: %w", s.at(name), err)
		}
		if !whole && at+part > size {
			if size, whole, err = extent.Wait(ctx, at+part-1); err != nil {
				return written, growing(s.at(name), err)
			}
		}
		length := min(part, size-at)
		if length <= 0 {
			return written, nil
		}
		if int64(cap(buffer)) < length {
			buffer = make([]byte, length)
		}
		if n, err := f.ReadAt(buffer[:length], at); n < int(length) {
			return written, classify("cannot read "+s.at(name), err)
		}
		n, err := w.Write(buffer[:length])
		written += int64(n)
		at += int64(n)
		if err != nil {
			return written, fmt.Errorf("passing on %s: %w", s.at(name), err)
		}
	}
}

// file is an open file for random reading.
type file struct {
	ctx   context.Context // bounds every read, as the port says
	store *Store
	name  string
	f     *os.File
	size  int64
}

// Size implements [share.File].
func (f *file) Size() int64 { return f.size }

// ReadAt implements [io.ReaderAt].
func (f *file) ReadAt(p []byte, off int64) (int, error) {
	if err := f.ctx.Err(); err != nil {
		return 0, fmt.Errorf("reading %s: %w", f.store.at(f.name), err)
	}
	n, err := f.f.ReadAt(p, off)
	if err != nil && !errors.Is(err, io.EOF) {
		err = classify("cannot read "+f.store.at(f.name), err)
	}
	return n, err
}

// Close implements [io.Closer].
func (f *file) Close() error {
	if err := f.f.Close(); err != nil {
		return classify("cannot close "+f.store.at(f.name), err)
	}
	return nil
}
