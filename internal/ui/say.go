package ui

import (
	"fmt"
	"io"

	"infrabackup/internal/printable"
)

// Say writes a message for people, and a line break behind it. What args say is made
// printable, wherever it comes from. A message that cannot be written is no reason to fail.
func Say(w io.Writer, format string, args ...any) {
	_, _ = fmt.Fprintf(w, format+"\n", printable.Args(args)...)
}
