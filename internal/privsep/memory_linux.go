package privsep

import "golang.org/x/sys/unix"

// lockMemory keeps the process's memory out of the swap space, where the process may
// lock all of it. Where it may not, that is no failure; and below a limit it does not
// lock at all, because the mappings that the runtime makes later would fail, and the
// process with them.
func lockMemory() {
	unlimited := unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}
	if unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unlimited) == nil {
		// On fault, or all that the runtime has only reserved would become real.
		_ = unix.Mlockall(unix.MCL_CURRENT | unix.MCL_FUTURE | unix.MCL_ONFAULT)
	}
}
