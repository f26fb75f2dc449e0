package dir

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path"

	"golang.org/x/sys/unix"

	"infrabackup/internal/share"
)

// renameNoReplace renames between two folders that are held open, so that neither
// can be exchanged for a link in between.
func (s *Store) renameNoReplace(oldName, newName string) (err error) {
	from, err := s.root.Open(path.Dir(oldName))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	to, err := s.root.Open(path.Dir(newName))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	return unix.Renameat2(int(from.Fd()), path.Base(oldName), int(to.Fd()), path.Base(newName), unix.RENAME_NOREPLACE)
}

// Space implements [share.Store].
func (s *Store) Space(ctx context.Context) (space share.Space, err error) {
	if err := ctx.Err(); err != nil {
		return share.Space{}, fmt.Errorf("asking for the free space in %s: %w", s.name, err)
	}
	f, err := s.root.Open(".")
	if err != nil {
		return share.Space{}, classify("cannot ask for the free space in "+s.name, err)
	}
	defer func() {
		if closeErr := f.Close(); err == nil && closeErr != nil {
			space, err = share.Space{}, classify("cannot ask for the free space in "+s.name, closeErr)
		}
	}()
	var stat unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &stat); err != nil {
		return share.Space{}, classify("cannot ask for the free space in "+s.name, err)
	}
	return share.Space{Free: product(stat.Bavail, stat.Bsize), Total: product(stat.Blocks, stat.Bsize)}, nil
}

// product multiplies blocks by their size and stops at the largest number.
func product(blocks uint64, size int64) int64 {
	if size <= 0 || blocks > uint64(math.MaxInt64/size) {
		return math.MaxInt64
	}
	return int64(blocks) * size
}
