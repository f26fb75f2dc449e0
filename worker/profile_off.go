//go:build !profile

package main

// profiled runs the program. The build for measurements also profiles it, see profile.go.
func profiled(run func() int) int { return run() }
