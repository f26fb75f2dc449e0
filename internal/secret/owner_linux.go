package secret

import (
	"io/fs"
	"os"
	"syscall"
)

// keepOwner gives file to whom info's file belongs, when root makes it: the service has
// to read it afterwards.
func keepOwner(file *os.File, info fs.FileInfo) error {
	if of, ok := info.Sys().(*syscall.Stat_t); ok && os.Geteuid() == 0 {
		return file.Chown(int(of.Uid), int(of.Gid))
	}
	return nil
}
