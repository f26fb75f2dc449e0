package archive

import (
	"errors"
	"os"
	"path"
	"time"

	"golang.org/x/sys/unix"
)

// setTime sets the time of a file that was made below root. Package os counts times in
// nanoseconds of 64 bits, which end in 2262 and become a time before 1970 then; the
// kernel counts seconds.
func setTime(root *os.Root, name string, to time.Time) (err error) {
	folder, err := root.Open(path.Dir(name))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, folder.Close()) }()
	spec := unix.Timespec{Sec: to.Unix(), Nsec: int64(to.Nanosecond())}
	err = unix.UtimesNanoAt(int(folder.Fd()), path.Base(name), []unix.Timespec{spec, spec}, unix.AT_SYMLINK_NOFOLLOW)
	if err != nil {
		return &os.PathError{Op: "utimensat", Path: name, Err: err}
	}
	return nil
}
