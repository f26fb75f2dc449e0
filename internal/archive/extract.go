package archive

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"
	"time"

	"infrabackup/internal/fault"
)

// Extract writes the files of a part below root and returns how many there were.
// R is the part's zstd stream; keep chooses the files, nil takes all. What [Walk]
// refuses, Extract refuses. Nothing is ever overwritten: a file that is there
// already is ALREADY_EXISTS, and so is a second file of the same path in the part.
// A symbolic link below root that leads out of it is not followed.
//
// Files become readable by the owner only, with the execute bit they had; they keep
// their time, or the nearest one that the file system below root has. When a file cannot be written whole it is removed; files before it
// stay.
func Extract(r io.Reader, root *os.Root, limits Limits, keep func(Entry) bool) (files int64, err error) {
	return ExtractNoting(r, root, limits, keep, nil)
}

// ExtractNoting is [Extract] and calls inexact for each file whose time the file system
// could not keep, with the one that it has now.
func ExtractNoting(r io.Reader, root *os.Root, limits Limits, keep func(Entry) bool, inexact func(Entry, time.Time)) (files int64, err error) {
	buf := make([]byte, 256<<10)
	err = Walk(r, limits, func(e Entry, body io.Reader) error {
		if keep != nil && !keep(e) {
			return nil
		}
		kept, err := extractFile(root, e, body, buf)
		if err != nil {
			return err
		}
		if inexact != nil && kept.Unix() != e.ModTime.Unix() {
			inexact(e, kept)
		}
		files++
		return nil
	})
	return files, err
}

func extractFile(root *os.Root, e Entry, body io.Reader, buf []byte) (kept time.Time, err error) {
	if dir := path.Dir(e.Path); dir != "." {
		if err := root.MkdirAll(dir, 0o700); err != nil {
			return kept, localError("create the folder of", e.Path, err)
		}
	}
	f, err := root.OpenFile(e.Path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600|e.Mode&0o100)
	if err != nil {
		return kept, localError("create", e.Path, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, root.Remove(e.Path))
		}
	}()
	n, err := io.CopyBuffer(onlyWriter{f}, body, buf)
	if err == nil && n != e.Size {
		err = fault.Newf(fault.BackupDamaged, "%q has %d of %d bytes in the part", e.Path, n, e.Size)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return kept, fmt.Errorf("extract %q: %w", e.Path, err)
	}
	if err := setTime(root, e.Path, e.ModTime); err != nil {
		return kept, localError("set the time of", e.Path, err)
	}
	info, err := root.Lstat(e.Path)
	if err != nil {
		return kept, localError("look at", e.Path, err)
	}
	return info.ModTime(), nil
}

func localError(doing, name string, err error) error {
	if errors.Is(err, fs.ErrExist) || errors.Is(err, syscall.ENOTDIR) { // a file, or a file where a folder has to be
		return fault.New(fault.AlreadyExists, fmt.Sprintf("cannot %s %q", doing, name), err)
	}
	return fmt.Errorf("cannot %s %q: %w", doing, name, err)
}

// onlyWriter hides other methods of a writer, so that io.CopyBuffer uses its buffer.
type onlyWriter struct{ io.Writer }
