package ca

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"syscall"
)

// building of a folder: its folders get their modes at the end, since files have to get into
// them.
type folderMode struct {
	path string
	mode fs.FileMode
}

// build makes a folder of what is kept of another one, and of changes, and flushes it.
func (s *swap) build(ctx context.Context, fresh string) error {
	if err := s.step("create %s", fresh); err != nil {
		return err
	}
	if err := s.root.Mkdir(fresh, 0o700); err != nil {
		return err
	}
	like, err := s.root.Lstat(s.base)
	if errors.Is(err, fs.ErrNotExist) {
		like, err = s.root.Lstat(".")
	}
	if err != nil {
		return err
	}
	b := &builder{swap: s, fresh: fresh, like: like, changed: map[string]change{}}
	for _, c := range s.changes {
		b.changed[c.path] = c
	}
	mode := fs.FileMode(0o700)
	if info, err := s.root.Lstat(s.from); err == nil && info.IsDir() {
		mode = info.Mode().Perm()
		if err := b.keep(ctx, "."); err != nil {
			return err
		}
		if err := b.carryOver(); err != nil {
			return err
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(err, syscall.ENOTDIR)
	}
	b.folders = append(b.folders, folderMode{".", mode})
	for _, c := range s.changes {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := b.write(c); err != nil {
			return err
		}
	}
	return b.finish()
}

type builder struct {
	*swap
	fresh   string
	like    os.FileInfo // whose owner new entries get
	changed map[string]change
	folders []folderMode
}

// keep links what a folder has and no change replaces.
func (b *builder) keep(ctx context.Context, dir string) error {
	names, err := b.list(path.Join(b.from, dir))
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		name = path.Join(dir, name)
		info, err := b.root.Lstat(path.Join(b.from, name))
		if err != nil {
			return err
		}
		if info.IsDir() {
			if err := b.folder(name, info.Mode().Perm(), info); err != nil {
				return err
			}
			if err := b.keep(ctx, name); err != nil {
				return err
			}
			continue
		}
		if c, ok := b.changed[name]; ok {
			if c.mode == 0 {
				c.mode = uint32(info.Mode().Perm())
				b.changed[name] = c
			}
			continue
		}
		if b.unknown[name] {
			continue
		}
		if err := b.link(b.from, name, info); err != nil {
			return err
		}
	}
	return nil
}

// carryOver links files that nobody knows from the target's folder, where another one is put
// back: logs, say, that were written since.
func (b *builder) carryOver() error {
	made := map[string]bool{".": true}
	for _, f := range b.folders {
		made[f.path] = true
	}
	for _, name := range slices.Sorted(maps.Keys(b.unknown)) {
		if err := b.above(path.Dir(name), made); err != nil {
			return err
		}
		info, err := b.root.Lstat(path.Join(b.base, name))
		if err != nil {
			return err
		}
		if info.IsDir() {
			if err := b.above(name, made); err != nil {
				return err
			}
			continue
		}
		if err := b.link(b.base, name, info); err != nil {
			return err
		}
	}
	return nil
}

// above makes a folder that something is carried over into.
func (b *builder) above(dir string, made map[string]bool) error {
	if made[dir] {
		return nil
	}
	if err := b.above(path.Dir(dir), made); err != nil {
		return err
	}
	info, err := b.root.Lstat(path.Join(b.base, dir))
	if err != nil {
		return err
	}
	made[dir] = true
	return b.folder(dir, info.Mode().Perm(), info)
}

func (b *builder) folder(name string, mode fs.FileMode, like os.FileInfo) error {
	if err := b.step("folder %s", name); err != nil {
		return err
	}
	if err := b.root.Mkdir(path.Join(b.fresh, name), 0o700); err != nil {
		return err
	}
	b.folders = append(b.folders, folderMode{name, mode})
	return b.giveTo(path.Join(b.fresh, name), like)
}

// link keeps a file as it is. Where it cannot be linked it is copied.
func (b *builder) link(from, name string, info os.FileInfo) error {
	if err := b.step("link %s", name); err != nil {
		return err
	}
	err := b.root.Link(path.Join(from, name), path.Join(b.fresh, name))
	switch {
	case err == nil || !info.Mode().IsRegular():
		return err
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EMLINK), errors.Is(err, syscall.EOPNOTSUPP), errors.Is(err, syscall.EXDEV):
	default:
		return err
	}
	data, err := b.content(path.Join(from, name), info)
	if err != nil {
		return err
	}
	return b.file(name, data, info.Mode().Perm(), info)
}

func (b *builder) write(c change) error {
	switch c.typ {
	case typeFolder:
		return b.folder(c.path, fs.FileMode(c.mode).Perm(), b.like)
	case typeLink:
		if err := b.step("symlink %s", c.path); err != nil {
			return err
		}
		if err := b.root.Symlink(c.target, path.Join(b.fresh, c.path)); err != nil {
			return err
		}
		return b.giveTo(path.Join(b.fresh, c.path), b.like)
	}
	mode := fs.FileMode(b.changed[c.path].mode).Perm()
	if mode == 0 {
		mode = 0o600
	}
	return b.file(c.path, c.content, mode, b.like)
}

// file writes a new file and flushes it.
func (b *builder) file(name string, content []byte, mode fs.FileMode, like os.FileInfo) (err error) {
	if err := b.step("write %s", name); err != nil {
		return err
	}
	full := path.Join(b.fresh, name)
	f, err := b.root.OpenFile(full, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if closing := f.Close(); err == nil {
			err = closing
		}
	}()
	if _, err := f.Write(content); err != nil {
		return err
	}
	if err := f.Chmod(mode); err != nil {
		return err
	}
	if err := b.giveTo(full, like); err != nil {
		return err
	}
	return f.Sync()
}

// finish gives folders their modes and flushes them, the inner ones first.
func (b *builder) finish() error {
	for _, folder := range slices.Backward(b.folders) {
		full := path.Join(b.fresh, folder.path)
		if err := b.step("finish %s", folder.path); err != nil {
			return err
		}
		if folder.path == "." {
			if err := b.giveTo(full, b.like); err != nil {
				return err
			}
		}
		if err := b.flush(full, folder.mode); err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) flush(name string, mode fs.FileMode) (err error) {
	d, err := b.root.Open(name)
	if err != nil {
		return err
	}
	defer func() {
		if closing := d.Close(); err == nil {
			err = closing
		}
	}()
	if err := d.Chmod(mode); err != nil {
		return err
	}
	return d.Sync()
}
