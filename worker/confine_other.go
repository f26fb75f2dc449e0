//go:build !linux

package main

import "os"

// confine does nothing: only Linux is a supported platform of the worker, others
// are for development.
func confine() error { return nil }

// lockMemory does nothing, see confine.
func lockMemory() {}

// ownProgram is the file that this process was started from.
func ownProgram() (string, error) { return os.Executable() }
