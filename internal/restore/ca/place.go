package ca

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"syscall"

	"infrabackup/internal/collect/ca/pki"
	"infrabackup/internal/fault"
)

// place is the folder above the CA's. All that is read and written lies below it.
type place struct {
	root *os.Root
	dir  string // for messages
	base string // name of the CA's folder
}

func (r *Restorer) openPlace() (*place, error) {
	root, err := os.OpenRoot(filepath.Dir(r.dir))
	if err != nil {
		return nil, err
	}
	return &place{root: root, dir: filepath.Dir(r.dir), base: filepath.Base(r.dir)}, nil
}

func (p *place) close(err *error) {
	if closing := p.root.Close(); *err == nil && closing != nil {
		*err = classify("close "+p.dir, closing)
	}
}

// classify gives a failure of the file system its code.
func classify(what string, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := fault.Of(err); ok {
		return err
	}
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fault.New(fault.Cancelled, what, err)
	case errors.Is(err, fs.ErrPermission):
		return fault.New(fault.TargetAccessDenied, what, err)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EROFS), errors.Is(err, syscall.EINVAL), errors.Is(err, syscall.ENOSYS),
		errors.Is(err, syscall.EXDEV), errors.Is(err, syscall.EBUSY), errors.Is(err, syscall.ENAMETOOLONG), errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.ELOOP):
		return fault.New(fault.TargetRefused, what, err)
	}
	return fault.New(fault.TargetFailed, what, err)
}

// errMoved says that the CA works while it is read.
func (p *place) moved(name string) error {
	return fault.Newf(fault.TargetFailed, "%s changed while it was read: stop the service of the CA", path.Join(p.dir, name))
}

// read returns what a folder holds, without files that nobody knows and that are not named;
// with all of them when names is nil. A
// missing folder is an empty one, and what is no folder is a problem.
func (p *place) read(ctx context.Context, folder string, names map[string]bool) (*document, error) {
	info, err := p.root.Lstat(folder)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &document{}, nil
	case err != nil:
		return nil, classify("look at "+path.Join(p.dir, folder), err)
	case !info.IsDir():
		return &document{Problem: &problem{Code: "CA_NOT_A_FOLDER", Detail: fmt.Sprintf("%s is %s, and not a folder: name the folder itself", path.Join(p.dir, folder), info.Mode().Type())}}, nil
	}
	s := &scan{place: p, folder: folder, names: names, seen: map[string]fs.FileInfo{}}
	if err := s.dir(ctx, ".", 0); err != nil {
		return nil, err
	}
	s.dropFolders()
	if err := s.contents(); err != nil {
		return nil, err
	}
	// What the CA writes with every certificate has held still meanwhile.
	for name, before := range s.seen {
		after, err := p.root.Lstat(path.Join(folder, name))
		if err != nil || !sameFile(before, after) {
			return nil, errors.Join(p.moved(path.Join(folder, name)), err)
		}
	}
	return &document{Entries: s.tree.entries}, nil
}

func sameFile(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// scan reads one folder.
type scan struct {
	place   *place
	folder  string
	names   map[string]bool
	entries []entry
	count   int
	bytes   int64
	tree    *tree
	seen    map[string]fs.FileInfo // files of the database, as they were read
}

func (s *scan) dir(ctx context.Context, dir string, depth int) error {
	what := path.Join(s.place.dir, s.folder, dir)
	if depth > maxDepth {
		return fault.Newf(fault.TargetRefused, "%s lies deeper than %d folders", what, maxDepth)
	}
	names, err := s.place.list(path.Join(s.folder, dir))
	if err != nil {
		return classify("list "+what, err)
	}
	if s.count += len(names); s.count > maxEntries {
		return fault.Newf(fault.TargetRefused, "%s holds more than %d files", path.Join(s.place.dir, s.folder), maxEntries)
	}
	for _, name := range names {
		if err := context.Cause(ctx); err != nil {
			return classify("read "+what, err)
		}
		if err := s.entry(ctx, path.Join(dir, name), depth); err != nil {
			return err
		}
	}
	return nil
}

// list returns the names in a folder, sorted.
func (p *place) list(dir string) (names []string, err error) {
	d, err := p.root.OpenFile(dir, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	for {
		batch, err := d.Readdirnames(1024)
		names = append(names, batch...)
		if errors.Is(err, io.EOF) || len(names) > maxEntries {
			slices.Sort(names)
			return names, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

func (s *scan) entry(ctx context.Context, name string, depth int) error {
	full := path.Join(s.folder, name)
	info, err := s.place.root.Lstat(full)
	if errors.Is(err, fs.ErrNotExist) {
		return s.place.moved(full)
	}
	if err != nil {
		return classify("look at "+path.Join(s.place.dir, full), err)
	}
	e := entry{Path: pathName(name)}
	switch mode := info.Mode(); {
	case mode.IsDir():
		e.Type = typeFolder
		s.entries = append(s.entries, e)
		return s.dir(ctx, name, depth+1)
	case mode.IsRegular():
		return s.file(name, info)
	case mode&fs.ModeSymlink != 0:
		target, err := s.place.root.Readlink(full)
		if err != nil {
			return classify("read the link "+path.Join(s.place.dir, full), err)
		}
		e.Type, e.Target = typeLink, pathName(target)
	default:
		if !s.keeps(name) {
			return nil
		}
		e.Type = typeOther
	}
	s.entries = append(s.entries, e)
	return nil
}

// keeps reports whether a file belongs to the state though nobody knows what it is: those that
// are named, or all when none are.
func (s *scan) keeps(name string) bool { return s.names == nil || s.names[name] }

func (s *scan) file(name string, info fs.FileInfo) error {
	full := path.Join(s.folder, name)
	if s.bytes += info.Size(); s.bytes > maxFolderBytes {
		if !s.keeps(name) && pki.Inspect(name, nil).Kind == pki.KindFile && info.Size() > pki.MaxCRLBytes {
			s.bytes -= info.Size() // a file that nobody knows, and that stays as it is
			return nil
		}
		return fault.Newf(fault.TargetRefused, "%s holds more than %d bytes", path.Join(s.place.dir, s.folder), maxFolderBytes)
	}
	data, err := s.place.content(full, info)
	if err != nil {
		return err
	}
	e := entry{Path: pathName(name)}
	e.inspect(data)
	if e.Kind == pki.KindKey {
		clear(data)
	}
	if e.Kind == pki.KindFile && !s.keeps(name) && !inIssuedFolder(name) {
		return nil // a log, say
	}
	if e.Kind == pki.KindDatabase {
		s.seen[name] = info
	}
	s.entries = append(s.entries, e)
	return nil
}

// inIssuedFolder reports whether a file lies in one of the usual folders of what a CA issues.
func inIssuedFolder(name string) bool { return (&layout{}).inIssued(name) }

// content reads a file that Lstat saw. It never blocks, and follows no link.
func (p *place) content(name string, info fs.FileInfo) (data []byte, err error) {
	what := "read " + path.Join(p.dir, name)
	f, err := p.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil, classify(what, err)
	}
	defer func() {
		if closing := f.Close(); err == nil {
			err = classify(what, closing)
		}
	}()
	opened, err := f.Stat()
	if err != nil {
		return nil, classify(what, err)
	}
	if !sameFile(opened, info) {
		return nil, p.moved(name)
	}
	data = make([]byte, info.Size())
	if _, err := io.ReadFull(f, data); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
			return nil, p.moved(name)
		}
		return nil, classify(what, err)
	}
	if after, err := f.Stat(); err != nil || !sameFile(after, info) {
		return nil, errors.Join(p.moved(name), err)
	}
	return data, nil
}

// dropFolders leaves out folders that are not named and hold nothing that counts: such a
// folder came up by itself.
func (s *scan) dropFolders() {
	if s.names == nil {
		return
	}
	counts := map[string]bool{}
	for _, e := range s.entries {
		if e.Type == typeFolder && !s.names[string(e.Path)] {
			continue
		}
		for dir := path.Dir(string(e.Path)); dir != "." && !counts[dir]; dir = path.Dir(dir) {
			counts[dir] = true
		}
	}
	s.entries = slices.DeleteFunc(s.entries, func(e entry) bool {
		return e.Type == typeFolder && !s.names[string(e.Path)] && !counts[string(e.Path)]
	})
}

// contents gives the files of the database their contents, whatever they are called.
func (s *scan) contents() error {
	s.tree = newTree(s.entries)
	for _, name := range s.tree.layout.state() {
		i := s.tree.byPath[name]
		e := &s.tree.entries[i]
		if e.Type != typeFile || e.Content != nil || e.Size == 0 {
			continue
		}
		info, err := s.place.root.Lstat(path.Join(s.folder, name))
		if err != nil {
			return classify("look at "+path.Join(s.place.dir, s.folder, name), err)
		}
		if e.Content, err = s.place.content(path.Join(s.folder, name), info); err != nil {
			return err
		}
		if digest(e.Content) != e.SHA256 {
			return s.place.moved(path.Join(s.folder, name))
		}
		s.seen[name] = info
	}
	return nil
}
