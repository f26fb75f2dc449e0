package dir

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"infrabackup/internal/fault"
	"infrabackup/internal/share"
)

// Store is a folder of the local file system.
type Store struct {
	root *os.Root
	name string
}

var _ share.Store = (*Store)(nil)

// Open opens an existing folder. A missing one is SHARE_PATH_NOT_FOUND.
func Open(folder string) (*Store, error) {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, classify("cannot open the folder "+folder, err)
	}
	return &Store{root: root, name: folder}, nil
}

// String is the folder's path.
func (s *Store) String() string { return s.name }

// Close implements [share.Store].
func (s *Store) Close() error {
	if err := s.root.Close(); err != nil {
		return classify("cannot close "+s.name, err)
	}
	return nil
}

// begin refuses a call whose context has ended, whose path is not portable or
// leads through a symbolic link. The check of links keeps foreign trees out of
// backups; that no path leads out of the folder is the os.Root's doing.
func (s *Store) begin(ctx context.Context, doing, name string, check func(string) error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s %s: %w", doing, s.at(name), err)
	}
	if err := check(name); err != nil {
		return err
	}
	for i := range len(name) + 1 {
		if i < len(name) && name[i] != '/' || i == 0 {
			continue
		}
		info, err := s.root.Lstat(name[:i])
		if errors.Is(err, fs.ErrNotExist) {
			return nil // the operation itself says what is missing
		}
		if err != nil {
			return classify(doing+" "+s.at(name)+" failed", err)
		}
		if !info.IsDir() && !info.Mode().IsRegular() {
			return fault.Newf(fault.ShareUnsupported, "%s is neither a file nor a folder: links and devices are not followed", s.at(name[:i]))
		}
	}
	return nil
}

func (s *Store) at(name string) string {
	if name == "" {
		return s.name
	}
	return s.name + "/" + name
}

// local is the name for os.Root, which calls its own folder ".".
func local(name string) string { return cmp.Or(name, ".") }

// MkdirAll implements [share.Store].
func (s *Store) MkdirAll(ctx context.Context, name string) error {
	if err := s.begin(ctx, "making the folder", name, share.CheckFolder); err != nil {
		return err
	}
	var made []string
	for i := range len(name) + 1 {
		if i < len(name) && name[i] != '/' || i == 0 {
			continue
		}
		err := s.root.Mkdir(name[:i], 0o750)
		if err == nil {
			made = append(made, path.Dir(name[:i]))
			continue
		}
		info, statErr := s.root.Lstat(name[:i])
		if statErr == nil && info.IsDir() {
			continue
		}
		if statErr == nil {
			err = fs.ErrExist
		}
		return classify("cannot create the folder "+s.at(name), err)
	}
	for _, parent := range made {
		if err := s.sync(parent); err != nil {
			return classify("cannot create the folder "+s.at(name)+" durable", err)
		}
	}
	return nil
}

// sync makes a folder's entries durable.
func (s *Store) sync(folder string) error {
	f, err := s.root.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Open implements [share.Store].
func (s *Store) Open(ctx context.Context, name string) (share.File, error) {
	f, size, err := s.open(ctx, name)
	if err != nil {
		return nil, err
	}
	return &file{ctx: ctx, store: s, name: name, f: f, size: size}, nil
}

func (s *Store) open(ctx context.Context, name string) (*os.File, int64, error) {
	if err := s.begin(ctx, "opening", name, share.CheckPath); err != nil {
		return nil, 0, err
	}
	f, err := s.root.Open(name)
	if err != nil {
		return nil, 0, classify("cannot open "+s.at(name), err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errNoFile
	}
	if err != nil {
		return nil, 0, classify("cannot open "+s.at(name), errors.Join(err, f.Close()))
	}
	return f, info.Size(), nil
}

// Stat implements [share.Store].
func (s *Store) Stat(ctx context.Context, name string) (share.Info, error) {
	if err := s.begin(ctx, "looking at", name, share.CheckFolder); err != nil {
		return share.Info{}, err
	}
	info, err := s.root.Lstat(local(name))
	if err != nil {
		return share.Info{}, classify("cannot look at "+s.at(name), err)
	}
	return describe(info, path.Base(local(name))), nil
}

func describe(info fs.FileInfo, name string) share.Info {
	out := share.Info{Name: name, Modified: info.ModTime(), IsDir: info.IsDir()}
	if !out.IsDir {
		out.Size = info.Size()
	}
	return out
}

// List implements [share.Store].
func (s *Store) List(ctx context.Context, name string) ([]share.Info, error) {
	var list []share.Info
	err := s.scan(ctx, name, func(info fs.FileInfo, stranger bool) {
		if !stranger {
			list = append(list, describe(info, info.Name()))
		}
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(list, func(a, b share.Info) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

// Strangers implements [share.Store].
func (s *Store) Strangers(ctx context.Context, name string) ([]string, error) {
	var names []string
	err := s.scan(ctx, name, func(info fs.FileInfo, stranger bool) {
		if stranger {
			names = append(names, info.Name())
		}
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	return names[:min(len(names), share.MaxStrangers)], nil
}

// scan passes on every entry of a folder, and whether it is one that List leaves out.
func (s *Store) scan(ctx context.Context, name string, pass func(info fs.FileInfo, stranger bool)) (err error) {
	doing := "cannot list " + s.at(name)
	if err := s.begin(ctx, "listing", name, share.CheckFolder); err != nil {
		return err
	}
	f, err := s.root.Open(local(name))
	if err != nil {
		return classify(doing, err)
	}
	defer func() {
		if closeErr := f.Close(); err == nil && closeErr != nil {
			err = classify(doing, closeErr)
		}
	}()
	for seen := 0; ; {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("listing %s: %w", s.at(name), err)
		}
		found, err := f.ReadDir(1000)
		if seen += len(found); seen > share.MaxEntries {
			return fault.Newf(fault.LimitExceeded, "the folder %s has more than %d entries", s.at(name), share.MaxEntries)
		}
		for _, entry := range found {
			info, err := entry.Info()
			if errors.Is(err, fs.ErrNotExist) {
				continue // removed in the meantime
			}
			if err != nil {
				return classify(doing, err)
			}
			pass(info, !share.ValidName(entry.Name()) || !info.IsDir() && !info.Mode().IsRegular())
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return classify(doing, err)
		}
	}
}

// Rename implements [share.Store].
func (s *Store) Rename(ctx context.Context, oldName, newName string) error {
	if err := s.begin(ctx, "renaming", oldName, share.CheckPath); err != nil {
		return err
	}
	if err := s.begin(ctx, "renaming to", newName, share.CheckPath); err != nil {
		return err
	}
	if err := s.renameNoReplace(oldName, newName); err != nil {
		return classify("cannot rename "+s.at(oldName)+" to "+newName, err)
	}
	for _, folder := range []string{path.Dir(newName), path.Dir(oldName)} {
		if err := s.sync(folder); err != nil {
			return classify("cannot create the new name "+s.at(newName)+" durable", err)
		}
	}
	return nil
}

// Remove implements [share.Store].
func (s *Store) Remove(ctx context.Context, name string) error {
	if err := s.begin(ctx, "removing", name, share.CheckPath); err != nil {
		return err
	}
	if err := s.root.Remove(name); err != nil {
		return classify("cannot remove "+s.at(name), err)
	}
	return nil
}
