package main

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"infrabackup/internal/fault"
)

// lockSpool makes sure that no second worker uses the spool folder. The kernel
// drops the lock when the process ends, however it ends. Unlock is to be called.
func lockSpool(dir string) (unlock func() error, err error) {
	folder, err := os.Open(dir)
	if err != nil {
		return nil, fault.New(fault.SpoolIO, "the spool folder cannot be opened", err)
	}
	if err := unix.Flock(int(folder.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = folder.Close() // only opened to be locked
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fault.Newf(fault.ConfigInvalid, "another worker uses the spool folder %s; give each its own", dir)
		}
		return nil, fault.New(fault.SpoolIO, "the spool folder "+dir+" cannot be locked", err)
	}
	return folder.Close, nil
}
