//go:build unix

package secret

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// maxLinks is how many symbolic links are followed, as Linux has it.
const maxLinks = 40

// others are the permissions of all but the owner.
const (
	othersWrite   fs.FileMode = 0o022
	anybodyWrites fs.FileMode = 0o002
	othersAny     fs.FileMode = 0o077
)

// step is a folder or a link on the way to a file.
type step struct {
	path  string
	info  fs.FileInfo
	holds bool // the folder that the file, or a link on the way, lies in
}

// openPath opens the file at a path after it was examined.
func (f File) openPath(path string) (*os.File, fs.FileInfo, error) {
	way, last, err := walk(path)
	if err != nil {
		return nil, nil, err
	}
	if err := regular(path, last.info.Mode()); err != nil {
		return nil, nil, err
	}
	for _, s := range way {
		if err := f.checkStep(path, s, last.info); err != nil {
			return nil, nil, err
		}
	}
	// Without O_NONBLOCK a pipe that was put there meanwhile would be waited for.
	file, err := os.OpenFile(last.path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := file.Stat()
	if err == nil && !os.SameFile(info, last.info) {
		err = fmt.Errorf("%s was replaced while it was opened", path)
	}
	if err == nil {
		err = f.checkFile(path, info)
	}
	if err != nil {
		_ = file.Close() // nothing was read
		return nil, nil, err
	}
	return file, info, nil
}

// openDescriptor takes what the caller has opened. Its folders are the caller's affair.
func (f File) openDescriptor(path string, fd int) (*os.File, fs.FileInfo, error) {
	own, err := syscall.Dup(fd)
	if err != nil {
		return nil, nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	syscall.CloseOnExec(own)
	file := os.NewFile(uintptr(own), path)
	info, err := file.Stat()
	switch {
	case err != nil:
	case info.IsDir():
		err = regular(path, info.Mode())
	case info.Mode().IsRegular():
		err = f.checkFile(path, info)
	}
	if err != nil {
		_ = file.Close() // nothing was read
		return nil, nil, err
	}
	return file, info, nil
}

// checkFile examines an open file.
func (f File) checkFile(path string, info fs.FileInfo) error {
	if err := regular(path, info.Mode()); err != nil {
		return err
	}
	perm := info.Mode().Perm()
	switch owner := ownerOf(info); {
	case !f.mayOwn(owner, info):
		return refuse("%s belongs to %s, and neither to %s, who runs this, nor to root", path, userName(owner), userName(os.Geteuid()))
	case f.Private && perm&othersAny != 0:
		return refuse("%s may be read by others (mode %04o); use chmod 600", path, perm)
	case perm&othersWrite != 0:
		return refuse("%s may be written to by others (mode %04o); use chmod go-w", path, perm)
	}
	return f.size(path, info)
}

// checkStep examines a folder, or a link, on the way to the file that last describes.
func (f File) checkStep(path string, s step, last fs.FileInfo) error {
	owner, mode := ownerOf(s.info), s.info.Mode()
	what := "folder"
	if mode&fs.ModeSymlink != 0 {
		what = "link"
	}
	// Whoever may write to a folder further up can put another in the place of the one
	// that holds the file, but not one of the caller's.
	far := mode.IsDir() && !s.holds
	writers := othersWrite
	if far {
		writers = anybodyWrites
	}
	if !far && !f.mayOwn(owner, last) {
		return refuse("%s cannot be relied on: the %s %s belongs to %s, and neither to %s, who runs this, nor to root", path, what, s.path, userName(owner), userName(os.Geteuid()))
	}
	if mode.IsDir() && mode.Perm()&writers != 0 && mode&fs.ModeSticky == 0 {
		return refuse("%s cannot be relied on: others may write to the folder %s (mode %04o); use chmod go-w", path, s.path, mode.Perm())
	}
	return nil
}

// mayOwn reports whether a file, or what leads to the one that last describes, may
// belong to owner.
func (f File) mayOwn(owner int, last fs.FileInfo) bool {
	caller := os.Geteuid()
	return owner == 0 || owner == caller || f.AnyOwner && caller == 0 && owner == ownerOf(last)
}

func ownerOf(info fs.FileInfo) int {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(s.Uid)
	}
	return -1 // nobody's, and so refused
}

// userName is the number: looking the name up could ask a directory that is away.
func userName(uid int) string {
	if uid == 0 {
		return "root"
	}
	return "user " + strconv.Itoa(uid)
}

// walk follows a path from the root, without opening anything, and returns the folders
// and links on the way and what is at its end.
func walk(path string) (way []step, last step, err error) {
	if path == "" {
		return nil, step{}, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	todo := strings.Split(path, "/")
	if !filepath.IsAbs(path) {
		here, err := os.Getwd()
		if err != nil {
			return nil, step{}, fmt.Errorf("the current folder is unknown: %w", err)
		}
		todo = append(strings.Split(here, "/"), todo...)
	}
	root, err := lstat("/")
	if err != nil {
		return nil, step{}, err
	}
	at, holder := root, root
	way = append(way, at)
	for links := 0; len(todo) > 0; {
		name := todo[0]
		todo = todo[1:]
		if name == "" || name == "." {
			continue
		}
		if !at.info.IsDir() {
			return nil, step{}, &fs.PathError{Op: "open", Path: path, Err: syscall.ENOTDIR}
		}
		// No link is left in at.path, so that Join takes ".." to the folder above.
		next, err := lstat(filepath.Join(at.path, name))
		if err != nil {
			return nil, step{}, err
		}
		switch mode := next.info.Mode(); {
		case mode&fs.ModeSymlink != 0:
			if links++; links > maxLinks {
				return nil, step{}, &fs.PathError{Op: "open", Path: path, Err: syscall.ELOOP}
			}
			target, err := os.Readlink(next.path)
			if err != nil {
				return nil, step{}, err
			}
			at.holds = true
			way = append(way, at, next)
			if filepath.IsAbs(target) {
				at = root
			}
			todo = append(strings.Split(target, "/"), todo...)
			continue
		case mode.IsDir():
			way = append(way, next)
		}
		at, holder = next, at
	}
	holder.holds = true
	return append(way, holder), at, nil
}

func lstat(path string) (step, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return step{}, &fs.PathError{Op: "open", Path: path, Err: errors.Unwrap(err)}
	}
	return step{path: path, info: info}, nil
}
