//go:build !linux

package privsep

// lockMemory does nothing: only Linux is a supported platform of the worker.
func lockMemory() {}
