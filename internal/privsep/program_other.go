//go:build !linux

package privsep

import "os"

// OwnProgram is the file that this process was started from.
func OwnProgram() (string, error) { return os.Executable() }
