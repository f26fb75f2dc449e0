package main

import (
	"fmt"
	"net"
)

// notify tells the service manager about the worker's state, such as READY=1 or
// STOPPING=1, when it has asked for it (sd_notify(3)).
func notify(lookup func(string) (string, bool), state string) error {
	path, ok := lookup("NOTIFY_SOCKET")
	if !ok || path == "" {
		return nil
	}
	// A leading "@" stands for Linux's abstract name space, as it does in Go.
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("reach the service manager: %w", err)
	}
	_, err = conn.Write([]byte(state))
	if closeErr := conn.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("notify the service manager of %s: %w", state, err)
	}
	return nil
}
