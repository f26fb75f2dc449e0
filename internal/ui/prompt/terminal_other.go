//go:build !linux

package prompt

import "golang.org/x/term"

// restoreTerminal brings a terminal back to its earlier state.
func restoreTerminal(terminal int, before *term.State) error { return term.Restore(terminal, before) }
