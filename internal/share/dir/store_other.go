//go:build !linux

package dir

import (
	"context"
	"errors"

	"infrabackup/internal/fault"
	"infrabackup/internal/share"
)

var errNeedsLinux = errors.New("this operating system has no rename that never replaces for Go programs")

func (s *Store) renameNoReplace(_, _ string) error { return errNeedsLinux }

// Space implements [share.Store]. Only reading is supported outside of Linux.
func (s *Store) Space(context.Context) (share.Space, error) {
	return share.Space{}, fault.Newf(fault.ShareUnsupported, "the free space in %s can be asked for on Linux only", s.name)
}
