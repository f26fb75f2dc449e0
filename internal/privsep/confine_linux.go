package privsep

import (
	"golang.org/x/sys/unix"

	"infrabackup/internal/fault"
)

// Confine makes sure that nothing of what this process holds gets out by accident: files are
// for their owner only, and its memory is neither dumped nor open to debuggers of the same
// user.
func Confine() error {
	unix.Umask(0o077)
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fault.New(fault.Internal, "core dumps cannot be switched off", err)
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fault.New(fault.Internal, "the process cannot be closed to debuggers", err)
	}
	return nil
}
