//go:build !linux

package privsep

// widenPipe does nothing: only Linux is a supported platform of the worker.
func widenPipe(any) {}
