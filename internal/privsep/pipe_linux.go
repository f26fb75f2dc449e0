package privsep

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// pipeSize is what everybody may make of a pipe (pipe(7), pipe-max-size).
const pipeSize = 1 << 20

// widenPipe lets a pipe hold more than its 64 KiB, so that its two ends wait for each
// other less often. What is no pipe, or may not be widened, stays as it is.
func widenPipe(end any) {
	file, ok := end.(syscall.Conn)
	if !ok {
		return
	}
	if raw, err := file.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { _, _ = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, pipeSize) })
	}
}
