//go:build !linux

package main

// confine does nothing: only Linux is a supported platform of the worker, others
// are for development.
func confine() error { return nil }
