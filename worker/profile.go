//go:build profile

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strings"

	"infrabackup/internal/fault"
)

// profiles is the folder that processor profiles are written to. The build for measurements
// sets it with the linker, so that no setting of a worker that is in use leads to one.
var profiles string

// profiled runs the program, and writes what it spent its processor time on. The children
// are this program, too, and write profiles of their own: a file is named after what its
// process does, and the process's id. One that was killed leaves an empty file.
func profiled(run func() int) int {
	role := "worker"
	if len(os.Args) > 1 && !strings.HasPrefix(os.Args[1], "-") {
		role = os.Args[1]
	}
	file, err := os.OpenFile(filepath.Join(profiles, fmt.Sprintf("%s-%d.pprof", role, os.Getpid())), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err == nil {
		err = pprof.StartCPUProfile(file)
	}
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "there is no profile:", errors.Join(err, file.Close())) // nobody is left to tell
		return fault.ExitFailed
	}
	code := run()
	pprof.StopCPUProfile()
	if err := file.Close(); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "the profile is incomplete:", err) // nobody is left to tell
		return fault.ExitFailed
	}
	return code
}
