package smb

import (
	"context"
	"errors"
	"io"
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
func (s *Store) readFolder(share_ *smb2.Share, path string) (all contents, err error) {
	folder, err := share_.Open(s.at(path))
	if err != nil {
		return contents{}, err
	}
	defer func() {
		if closeErr := folder.Close(); err == nil {
			err = closeErr
		}
	}()
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
	return s.change(ctx, what, func(fs *smb2.Share) error { return fs.Rename(s.at(oldPath), s.at(newPath)) })
}

// Remove implements [share.Store].
func (s *Store) Remove(ctx context.Context, path string) error {
	if err := share.CheckPath(path); err != nil {
		return err
	}
	return s.change(ctx, "cannot remove "+s.name(path), func(fs *smb2.Share) error { return fs.Remove(s.at(path)) })
}

// product multiplies and stops at the largest number that fits an int64.
func product(a, b uint64) int64 {
	high, low := bits.Mul64(a, b)
	if high != 0 || low > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(low)
}
