//go:build !linux

package main

// lockSpool does nothing: only Linux is a supported platform of the worker.
func lockSpool(string) (unlock func() error, err error) { return func() error { return nil }, nil }
