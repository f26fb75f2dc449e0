package dir

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"syscall"

	"infrabackup/internal/fault"
)

var errNoFile = errors.New("it is not a regular file")

// causes maps what the file system says to fault codes; the first match counts.
var causes = []struct {
	is   error
	code fault.Code
}{
	{fs.ErrNotExist, fault.SharePathNotFound},
	{syscall.ENOTDIR, fault.SharePathNotFound},
	{fs.ErrExist, fault.ShareExists}, // ENOTEMPTY too
	{syscall.ENOSPC, fault.ShareFull},
	{syscall.EDQUOT, fault.ShareFull},
	{syscall.EFBIG, fault.ShareFileTooLarge},
	{syscall.EROFS, fault.ShareReadOnly},
	{fs.ErrPermission, fault.ShareAccessDenied},
	{syscall.EBUSY, fault.ShareBusy},
	{syscall.ELOOP, fault.ShareUnsupported},
	{syscall.ENAMETOOLONG, fault.ShareInvalid},
	{syscall.ESTALE, fault.ShareUnreachable},
	{syscall.EHOSTDOWN, fault.ShareUnreachable},
	{syscall.ENOTCONN, fault.ShareUnreachable},
	{syscall.ETIMEDOUT, fault.ShareUnreachable},
	{errNoFile, fault.ShareIO},
	{io.EOF, fault.ShareCorrupted},
}

// classify makes a fault of an error of the file system.
func classify(what string, err error) error {
	for _, cause := range causes {
		if !errors.Is(err, cause.is) {
			continue
		}
		if cause.code == fault.SharePathNotFound && !errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%w: %w", fs.ErrNotExist, err)
		}
		return fault.New(cause.code, what, err)
	}
	return fault.New(fault.ShareIO, what, err)
}
