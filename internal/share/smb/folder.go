package smb

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"math"
	"math/bits"
	"os"

	"github.com/hirochachacha/go-smb2"

	"infrabackup/internal/fault"
	"infrabackup/internal/share"
)

// errNoLink says that a reparse point is no symbolic link.
var errNoLink = fault.Newf(fault.ShareIO, "the reparse point is no symbolic link")

// contents is what a folder holds.
type contents struct {
	list      []share.Info
	links     []os.FileInfo // reparse points with a valid name
	strangers []string      // names that List leaves out
}

// readFolder reads a folder page by page, so that its size is bounded whatever
// the server says.
func (s *Store) readFolder(c *connection, what, path string) (all contents, err error) {
	var folder *smb2.File
	err = c.opening(what, func() error {
		return c.do(what, func(remote *smb2.Share) (err error) {
			folder, err = remote.Open(s.at(path))
			return err
		})
	}, func() error { return c.do(what, func(*smb2.Share) error { return folder.Close() }) })
	if err != nil {
		return contents{}, err
	}
	err = c.do(what, func(*smb2.Share) error {
		all, err = s.entries(folder, what, path)
		return err
	})
	if c.dead() {
		return all, err
	}
	closeErr := c.closeLater(what, folder)
	if err == nil {
		err = closeErr
	}
	return all, err
}

// entries reads an open folder to its end.
func (s *Store) entries(folder *smb2.File, what, path string) (all contents, err error) {
	if seen, err := describeOpen(folder); err != nil || !seen.isDir {
		return contents{}, errors.Join(err, fault.New(fault.SharePathNotFound, what+": it is a file", fs.ErrNotExist))
	}
	for seen := 0; ; {
		found, err := folder.Readdir(page)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return contents{}, err
		}
		if seen += len(found); seen > share.MaxEntries {
			return contents{}, fault.Newf(fault.LimitExceeded, "the folder %s has more than %d entries", s.name(path), share.MaxEntries)
		}
		for _, info := range found {
			switch {
			case !share.ValidName(info.Name()):
				all.strangers = append(all.strangers, info.Name())
			case info.Mode()&os.ModeSymlink != 0:
				all.links = append(all.links, info)
			default:
				all.list = append(all.list, describe(info, info.Name()))
			}
		}
	}
}

func join(folder, name string) string {
	if folder == "" {
		return name
	}
	return folder + "/" + name
}

// Rename implements [share.Store]. The library asks the server not to replace.
func (s *Store) Rename(ctx context.Context, oldPath, newPath string) error {
	if err := errors.Join(share.CheckPath(oldPath), share.CheckPath(newPath)); err != nil {
		return err
	}
	what := "cannot rename " + s.name(oldPath) + " to " + newPath
	err := s.change(ctx, what, func(remote *smb2.Share) error { return remote.Rename(s.at(oldPath), s.at(newPath)) })
	if err != nil {
		s.known.drop(oldPath)
		s.known.drop(newPath)
		return err
	}
	s.known.move(oldPath, newPath)
	return nil
}

// Remove implements [share.Store].
func (s *Store) Remove(ctx context.Context, path string) error {
	if err := share.CheckPath(path); err != nil {
		return err
	}
	defer s.known.drop(path)
	return s.change(ctx, "cannot remove "+s.name(path), func(remote *smb2.Share) error { return remote.Remove(s.at(path)) })
}

// product multiplies and stops at the largest number that fits an int64.
func product(a, b uint64) int64 {
	high, low := bits.Mul64(a, b)
	if high != 0 || low > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(low)
}
