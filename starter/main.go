package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"infrabackup/internal/privsep"
	"infrabackup/internal/settings"
	"infrabackup/internal/share"
)

func main() {
	privsep.RunKeyOpener() // which does not return in one
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	code := run(ctx, process{args: os.Args[1:], stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, lookup: os.LookupEnv, pause: lookAgain})
	stop()
	os.Exit(code)
}

// process is what a run of the program gets from outside.
type process struct {
	args   []string
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
	lookup func(name string) (string, bool)
	// connect opens a connection to the instance and returns how to close it; nil for Temporal's.
	connect func(context.Context) (controller, func(), error)
	// mount connects to the share of the settings; nil for that itself.
	mount func(context.Context, settings.Settings) (share.Store, error)
	// pause is called before the share is looked at again because something seems
	// wrong; nil not to wait.
	pause func(context.Context) error
}

// lookAgain gives whoever is at work on a backup the time to finish.
func lookAgain(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(lookAgainAfter):
		return nil
	}
}

// lookAgainAfter is as long as a worker waits.
const lookAgainAfter = 3 * time.Second
