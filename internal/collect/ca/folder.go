package ca

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"syscall"

	"infrabackup/internal/fault"
)

const (
	// maxEntries bounds the memory of a capture: what is remembered of a file is
	// below 100 bytes.
	maxEntries = 1_000_000
	// maxDepth bounds the nesting of folders.
	maxDepth = 64
	// listBatch is how many names are read from a folder at once.
	listBatch = 1024
)

// folder reads the CA's folder through os.Root, so that neither a name nor a
// symbolic link leads out of it.
type folder struct {
	root *os.Root
	dir  string // absolute, for messages
}

// entry is one name in the folder, as Lstat saw it.
type entry struct {
	path string // relative, forward slashes
	info fs.FileInfo
}

func openFolder(dir string) (*folder, error) {
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return nil, fault.Newf(fault.SourceInvalid, "CA folder %s is not a folder", dir)
	}
	root, err := os.OpenRoot(dir)
	switch {
	case err == nil:
		return &folder{root: root, dir: dir}, nil
	case errors.Is(err, fs.ErrPermission):
		return nil, fault.New(fault.SourceAccessDenied, fmt.Sprintf("open CA folder %s", dir), err)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return nil, fault.New(fault.SourceInvalid, fmt.Sprintf("CA folder %s is not there", dir), err)
	default:
		return nil, fault.New(fault.SourceIncomplete, fmt.Sprintf("open CA folder %s", dir), err)
	}
}

// Close ends the use of the folder.
func (f *folder) Close() error { return f.root.Close() }

// closeInto closes c and reports its error when there is no other. It leaves the
// other as it is, since callers compare it.
func closeInto(err *error, c io.Closer) {
	if closing := c.Close(); *err == nil {
		*err = closing
	}
}

// where names an entry in messages.
func (f *folder) where(name string) string { return path.Join(f.dir, name) }

// fault gives a failed read its code: a file that was listed and is gone means
// that the folder changes.
func (f *folder) fault(name string, err error) error {
	if _, ok := fault.Of(err); ok {
		return err
	}
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return cancelled(err)
	case errors.Is(err, fs.ErrPermission):
		return fault.New(fault.SourceAccessDenied, fmt.Sprintf("read %s: the worker's account needs read permission", f.where(name)), err)
	case errors.Is(err, fs.ErrNotExist):
		return fault.New(fault.SourceChanging, fmt.Sprintf("%s vanished during the capture", f.where(name)), err)
	default:
		return fault.New(fault.SourceIncomplete, fmt.Sprintf("read %s", f.where(name)), err)
	}
}

func (f *folder) changed(name string) error {
	return fault.Newf(fault.SourceChanging, "%s changed during the capture", f.where(name))
}

func cancelled(err error) error { return fault.New(fault.Cancelled, "capture of the CA", err) }

// visitor is what a walk calls.
type visitor struct {
	// visit is called for every entry. Of a folder that returns errSkipped nothing is
	// looked at.
	visit func(entry) error
	// denied is called, with the fault, for what the account may not look at: a folder
	// that cannot be listed, after visit, or an entry of a folder that cannot be
	// entered, without it. Nil as answer leaves it out.
	denied func(name string, err error) error
}

// errSkipped is the answer of a visitor that does not want to see a folder's content.
var errSkipped = errors.New("folder is skipped")

// walk visits every entry below the folder: parents first, the names of a folder
// in byte order.
func (f *folder) walk(ctx context.Context, v visitor) error {
	count := 0
	return f.walkDir(ctx, ".", 0, &count, v)
}

func (f *folder) walkDir(ctx context.Context, dir string, depth int, count *int, v visitor) error {
	if depth > maxDepth {
		return fault.Newf(fault.LimitExceeded, "%s is nested deeper than %d folders", f.where(dir), maxDepth)
	}
	names, err := f.names(ctx, dir)
	if err != nil {
		return f.orDenied(dir, err, v)
	}
	if *count += len(names); *count > maxEntries {
		return fault.Newf(fault.LimitExceeded, "CA folder %s holds more than %d files", f.dir, maxEntries)
	}
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return cancelled(err)
		}
		if err := f.walkEntry(ctx, path.Join(dir, name), depth, count, v); err != nil {
			return err
		}
	}
	return nil
}

func (f *folder) walkEntry(ctx context.Context, name string, depth int, count *int, v visitor) (err error) {
	e := entry{path: name}
	if e.info, err = f.root.Lstat(name); err != nil {
		return f.orDenied(name, f.fault(name, err), v)
	}
	switch err := v.visit(e); {
	case errors.Is(err, errSkipped):
		return nil
	case err != nil:
		return err
	}
	if !e.info.IsDir() {
		return nil
	}
	return f.walkDir(ctx, name, depth+1, count, v)
}

// orDenied asks the visitor about what the account may not look at. The CA's folder
// itself is never left out.
func (f *folder) orDenied(name string, err error, v visitor) error {
	if v.denied == nil || name == "." || !isDenied(err) {
		return err
	}
	return v.denied(name, err)
}

// isDenied reports whether a fault is about a missing permission.
func isDenied(err error) bool { return fault.CodeOf(err) == fault.SourceAccessDenied }

// names lists a folder in byte order.
func (f *folder) names(ctx context.Context, dir string) (names []string, err error) {
	d, err := f.root.OpenFile(dir, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, f.fault(dir, err)
	}
	defer closeInto(&err, d)
	for {
		if err := ctx.Err(); err != nil {
			return nil, cancelled(err)
		}
		batch, err := d.Readdirnames(listBatch)
		names = append(names, batch...)
		if len(names) > maxEntries {
			return nil, fault.Newf(fault.LimitExceeded, "%s holds more than %d names", f.where(dir), maxEntries)
		}
		if errors.Is(err, io.EOF) {
			slices.Sort(names)
			return names, nil
		}
		if err != nil {
			return nil, f.fault(dir, err)
		}
	}
}

// open opens the regular file e. It never blocks, not even when a FIFO took the
// file's place after Lstat, and fails when it is no longer the same file.
func (f *folder) open(e entry) (*os.File, error) {
	file, err := f.root.OpenFile(e.path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, f.fault(e.path, err)
	}
	info, err := file.Stat()
	if err == nil && (!os.SameFile(info, e.info) || statHashOf(info) != statHashOf(e.info)) {
		err = f.changed(e.path)
	}
	if err != nil {
		return nil, errors.Join(f.fault(e.path, err), file.Close())
	}
	return file, nil
}

// unchanged makes sure that the open file is still what Lstat saw.
func (f *folder) unchanged(e entry, file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return f.fault(e.path, err)
	}
	if statHashOf(info) != statHashOf(e.info) {
		return f.changed(e.path)
	}
	return nil
}

// read returns the content of the regular file e, which the caller knows to be
// small.
func (f *folder) read(ctx context.Context, e entry) (data []byte, err error) {
	file, err := f.open(e)
	if err != nil {
		return nil, err
	}
	defer closeInto(&err, file)
	data = make([]byte, e.info.Size())
	if _, err := io.ReadFull(f.stream(ctx, e, file), data); err != nil {
		return nil, f.fault(e.path, err)
	}
	return data, f.unchanged(e, file)
}

// lookup returns the regular file at name; ok is false when there is none.
func (f *folder) lookup(name string) (e entry, ok bool, err error) {
	info, err := f.root.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return entry{}, false, nil
	case err != nil:
		return entry{}, false, f.fault(name, err)
	}
	return entry{path: name, info: info}, info.Mode().IsRegular(), nil
}

// stream reads exactly the bytes that the file had when it was listed, stops with
// the context, and remembers its own failure, so that it can be told from one of
// the reader's consumer.
func (f *folder) stream(ctx context.Context, e entry, file io.Reader) *stream {
	return &stream{ctx: ctx, folder: f, path: e.path, r: file, left: e.info.Size()}
}

type stream struct {
	ctx    context.Context
	folder *folder
	path   string
	r      io.Reader
	left   int64
	err    error
}

// Read implements [io.Reader].
func (s *stream) Read(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	if s.left == 0 {
		return 0, io.EOF
	}
	if err := s.ctx.Err(); err != nil {
		s.err = cancelled(err)
		return 0, s.err
	}
	if int64(len(p)) > s.left {
		p = p[:s.left]
	}
	n, err := s.r.Read(p)
	s.left -= int64(n)
	switch {
	case errors.Is(err, io.EOF) && s.left > 0:
		s.err = s.folder.changed(s.path)
	case err != nil && !errors.Is(err, io.EOF):
		s.err = s.folder.fault(s.path, err)
	}
	return n, s.err
}

// statHashOf condenses what tells that a file was changed: type, permissions, size
// and time of the last change.
func statHashOf(info fs.FileInfo) uint64 {
	h := fnv.New64a()
	size := info.Size()
	if info.IsDir() {
		size = 0 // of no meaning, and the files in it are looked at one by one
	}
	// Writing to a hash never fails.
	_, _ = fmt.Fprintf(h, "%d %d %d", info.Mode(), size, modified(info))
	return h.Sum64()
}

func modified(info fs.FileInfo) int64 {
	if info.IsDir() {
		return 0
	}
	return info.ModTime().UnixNano()
}
