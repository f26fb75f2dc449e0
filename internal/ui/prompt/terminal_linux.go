package prompt

import (
	"errors"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// restoreTerminal brings a terminal back to its earlier state and throws away what was
// typed and not read.
func restoreTerminal(terminal int, before *term.State) error {
	return errors.Join(unix.IoctlSetInt(terminal, unix.TCFLSH, unix.TCIFLUSH), term.Restore(terminal, before))
}
