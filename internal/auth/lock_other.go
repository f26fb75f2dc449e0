//go:build !linux

package auth

import "context"

// lockFolder does nothing: the service runs on Linux only.
func lockFolder(context.Context, string) (unlock func(), err error) { return func() {}, nil }
