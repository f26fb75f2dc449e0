//go:build !linux

package privsep

// Confine does nothing: only Linux is a supported platform, others are for development.
func Confine() error { return nil }
