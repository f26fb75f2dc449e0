package operator

import (
	"os"
	"os/user"
)

// Requester says who asks, for the history: a user of this machine.
func Requester() string {
	name, host := "unknown", "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if h, err := os.Hostname(); err == nil {
		host = h
	}
	return name + "@" + host
}
