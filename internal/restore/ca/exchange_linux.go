package ca

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// exchange makes two folders change their places, in one step.
func (p *place) exchange(a, b string) error { return p.rename(a, b, unix.RENAME_EXCHANGE) }

// moveTo gives a folder a name that nothing has.
func (p *place) moveTo(from, to string) error { return p.rename(from, to, unix.RENAME_NOREPLACE) }

func (p *place) rename(from, to string, flags uint) (err error) {
	d, err := p.root.Open(".")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	fd := int(d.Fd())
	if err := unix.Renameat2(fd, from, fd, to, flags); err != nil {
		return fmt.Errorf("rename %s to %s in %s: %w", from, to, p.dir, err)
	}
	return nil
}

// flushNames makes renames durable.
func (p *place) flushNames() (err error) {
	d, err := p.root.Open(".")
	if err != nil {
		return classify("open "+p.dir, err)
	}
	defer func() { err = errors.Join(err, classify("close "+p.dir, d.Close())) }()
	return classify("flush "+p.dir, d.Sync())
}

// freeBytes is what the account may still write to the file system of a folder.
func freeBytes(dir string) (uint64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return s.Bavail * uint64(s.Bsize), nil
}

// mayWrite reports whether the account may make and rename entries of a folder.
func mayWrite(dir string) bool { return unix.Access(dir, unix.W_OK|unix.X_OK) == nil }

// isMountPoint reports whether a folder is on another file system than the one above it.
func isMountPoint(dir string) (bool, error) {
	info, err := os.Lstat(dir)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	above, err := os.Lstat(filepath.Dir(dir))
	if err != nil {
		return false, err
	}
	a, okA := info.Sys().(*syscall.Stat_t)
	b, okB := above.Sys().(*syscall.Stat_t)
	return okA && okB && a.Dev != b.Dev, nil
}

// giveTo gives a new entry the owner that the folder has. Only root can.
func (p *place) giveTo(name string, like os.FileInfo) error {
	s, ok := like.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 {
		return nil
	}
	return p.root.Lchown(path.Clean(name), int(s.Uid), int(s.Gid))
}
