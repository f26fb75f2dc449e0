package main

import (
	"fmt"
	"os"
	"runtime/debug"
	"syscall"

	"infrabackup/internal/fault"
	"infrabackup/internal/privsep"
)

// confine makes sure that nothing of what the process holds gets out by accident:
// files are for their owner only, and its memory is neither dumped nor open to
// debuggers of the same user.
func confine() error {
	// The SMB library logs its frames when it finds DEBUG at its start, which is
	// before main; so the process is started again without it.
	if os.Getenv("DEBUG") != "" {
		return withoutDebug()
	}
	if err := privsep.Confine(); err != nil {
		return err
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
	return nil
}

func withoutDebug() error {
	if err := os.Unsetenv("DEBUG"); err != nil {
		return fault.New(fault.Internal, "the variable DEBUG cannot be unset", err)
	}
	self, err := os.Executable()
	if err != nil {
		return fault.New(fault.Internal, "the path of this program is unknown", err)
	}
	// Exec keeps the process id and returns only on failure.
	err = syscall.Exec(self, os.Args, os.Environ())
	return fault.New(fault.Internal, fmt.Sprintf("%s cannot be started again without DEBUG", self), err)
}
