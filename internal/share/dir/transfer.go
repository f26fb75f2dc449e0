package dir

import (
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
func (s *Store) Upload(ctx context.Context, name string, src io.ReaderAt, from, size int64, flushed func(int64)) (err error) {
	doing := "cannot write " + s.at(name)
	if err := s.begin(ctx, "writing", name, share.CheckPath); err != nil {
		return err
	}
	if from < 0 || size < from {
		return fault.Newf(fault.ShareInvalid, "%s: from %d to %d is no range", doing, from, size)
	}
	flags := os.O_WRONLY
	if from == 0 {
		flags |= os.O_CREATE | os.O_TRUNC
	}
	f, err := s.root.OpenFile(name, flags, 0o640)
	if err != nil {
		return classify(doing, err)
	}
	defer func() {
		if closeErr := f.Close(); err == nil && closeErr != nil {
			err = classify(doing, closeErr)
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return classify(doing, err)
	}
	if info.Size() < from {
		return fault.Newf(fault.ShareCorrupted, "%s holds %d bytes, but %d were flushed", s.at(name), info.Size(), from)
	}
	if err := f.Truncate(min(info.Size(), size)); err != nil {
		return classify(doing, err)
	}
	if err := s.write(ctx, f, name, src, from, size, flushed); err != nil {
		return err
	}
	if err := s.sync(path.Dir(name)); err != nil {
		return classify(doing, err)
	}
	return nil
}

// write copies src[from:size) and flushes every checkpoint and the end.
func (s *Store) write(ctx context.Context, f *os.File, name string, src io.ReaderAt, from, size int64, flushed func(int64)) error {
	doing := "cannot write " + s.at(name)
	buffer := make([]byte, min(part, max(size-from, 1)))
	done := from
	for offset := from; ; {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("writing %s: %w", s.at(name), err)
		}
		if offset == size || offset-done >= checkpoint {
			if err := f.Sync(); err != nil {
				return classify(doing, err)
			}
			if flushed != nil && offset > done {
				flushed(offset)
			}
			if done = offset; offset == size {
				return nil
			}
		}
		chunk := buffer[:min(int64(len(buffer)), size-offset)]
		if n, err := src.ReadAt(chunk, offset); n < len(chunk) {
			if err == nil || errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return fmt.Errorf("reading what is to be written to %s at %d: %w", s.at(name), offset, err)
		}
		if _, err := f.WriteAt(chunk, offset); err != nil {
			return classify(doing, err)
		}
		offset += int64(len(chunk))
	}
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
	defer func() {
		if closeErr := f.Close(); err == nil && closeErr != nil {
			err = classify("cannot read "+s.at(name), closeErr)
		}
	}()
	if offset > size {
		return 0, fault.Newf(fault.ShareCorrupted, "%s holds %d bytes, fewer than %d", s.at(name), size, offset)
	}
	buffer := make([]byte, min(part, max(size-offset, 1)))
	for offset+written < size {
		if err := ctx.Err(); err != nil {
			return written, fmt.Errorf("reading %s: %w", s.at(name), err)
		}
		chunk := buffer[:min(int64(len(buffer)), size-offset-written)]
		if n, err := f.ReadAt(chunk, offset+written); n < len(chunk) {
			return written, classify("cannot read "+s.at(name), err)
		}
		n, err := w.Write(chunk)
		written += int64(n)
		if err != nil {
			return written, fmt.Errorf("passing on %s: %w", s.at(name), err)
		}
	}
	return written, nil
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
