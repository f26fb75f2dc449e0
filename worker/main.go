package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"infrabackup/internal/build"
	"infrabackup/internal/config"
	"infrabackup/internal/fault"
	"infrabackup/internal/printable"
	"infrabackup/internal/privsep"
	"infrabackup/internal/telemetry"
)

// product names the program in manifests, traces and Temporal's list of workers.
const product = "infrabackup-worker"

// The exit status that tells the service manager that starting again mends nothing, by
// the names of sysexits.h. A crash never has it: Go ends with 2 then, or by a signal.
const (
	exitUsage  = 64 // EX_USAGE
	exitConfig = 78 // EX_CONFIG
)

// exitStatus is the worker's exit status for a failure. It differs from the command
// line's where that has the status of a crash.
func exitStatus(code fault.Code) int {
	switch {
	case code == fault.Usage:
		return exitUsage
	case code.Exit() == fault.ExitUsage:
		return exitConfig
	}
	return code.Exit()
}

const usage = `infrabackup-worker runs the backups of one instance, or of several.

Usage: infrabackup-worker [--config FILE]... [--check | --convert | --version]

  --config FILE  configuration of an instance (default /etc/infrabackup/worker.yaml), or
                 a folder, whose files that end in .yaml are one each; may be repeated,
                 up to 128 instances, for which TEMPORAL_ variables are not read.
                 One that cannot be served keeps no other from it, and is tried again
  --check        check configuration, Temporal and sources, print what is wrong, and end
  --convert      let settings that an earlier version wrote go on in the form of this one,
                 once, while no worker of the instance runs, and end
  --version      print the version, and end

SIGTERM or SIGINT lets running work come to a point from which it can go on; a
second one ends the process at once.

Exit status: 0 after a stop that was requested, 64 wrong use, 78 refused configuration,
10 Temporal stays away, else 1. A crash ends with 2 or by a signal.
`

func main() {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	os.Exit(profiled(func() int {
		return run(process{
			args:    os.Args[1:],
			stdin:   os.Stdin,
			stdout:  os.Stdout,
			stderr:  os.Stderr,
			lookup:  os.LookupEnv,
			signals: signals,
			confine: confine,
			room:    roomFor,
			again:   afterFailures,
		})
	}))
}

// process is what run gets from its surroundings.
type process struct {
	args           []string
	stdin          io.Reader // of a child
	stdout, stderr io.Writer
	lookup         func(name string) (string, bool)
	signals        <-chan os.Signal
	confine        func() error                     // restricts the whole process; no-op in tests
	room           func(instances int)              // what so many may use
	shared         bool                             // by several instances
	again          func(failures int) time.Duration // how long an instance that failed is left alone
}

// run is the whole program; it returns the exit code.
func run(p process) int {
	if child, ok := privsep.ChildFor(p.args); ok {
		return child(privsep.Process{Stdin: p.stdin, Stdout: p.stdout, Stderr: p.stderr, Inherited: privsep.InheritedFiles, Confine: p.confine})
	}
	flags := flag.NewFlagSet(product, flag.ContinueOnError)
	flags.SetOutput(p.stderr)
	flags.Usage = func() { _, _ = io.WriteString(p.stderr, usage) } // nobody is left to tell
	var named []string
	flags.Func("config", "", func(path string) error { named = append(named, path); return nil })
	check := flags.Bool("check", false, "")
	conversion := flags.Bool("convert", false, "")
	version := flags.Bool("version", false, "")
	switch err := flags.Parse(p.args); {
	case errors.Is(err, flag.ErrHelp):
		return fault.ExitOK
	case err != nil:
		return exitUsage
	case flags.NArg() > 0:
		return p.fail(fault.Usagef("unexpected argument %q", flags.Arg(0)))
	case *version:
		_, err := fmt.Fprintln(p.stdout, product, build.Version())
		return p.fail(err)
	}
	if err := p.confine(); err != nil {
		return p.fail(err)
	}
	if len(named) == 0 {
		named = []string{"/etc/infrabackup/worker.yaml"}
	}
	files, several, err := configurations(named)
	if err != nil {
		return p.fail(err)
	}
	if several {
		return p.fleet(files, *check, *conversion)
	}
	c, err := config.Load(files[0], nil)
	if err != nil {
		return p.fail(err)
	}
	logger := telemetry.NewLogger(p.stderr, c.Log.Format, c.Log.Level)
	if *check {
		return p.watch(logger, func(ctx context.Context) int { return checkAll(ctx, p, c, logger) })
	}
	if *conversion {
		return p.watch(logger, func(ctx context.Context) int { return p.fail(convert(ctx, p, c, logger)) })
	}
	return p.watch(logger, func(ctx context.Context) int { return p.fail(serveOne(ctx, p, c, logger)) })
}

// fleet is [run] for several instances.
func (p process) fleet(files []string, check, conversion bool) int {
	logger := p.fleetLogger(files)
	switch {
	case conversion:
		return p.fail(fault.Usagef("--convert takes the configuration of one instance"))
	case check:
		return p.watch(logger, func(ctx context.Context) int { return checkEach(ctx, p, files) })
	}
	return p.watch(logger, func(ctx context.Context) int { return p.fail(serveAll(ctx, p, files)) })
}

// watch runs work, ends its context at the first signal, and does not wait for it
// any longer after the second.
func (p process) watch(logger *slog.Logger, work func(context.Context) int) int {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	code := make(chan int, 1)
	go func() { code <- work(ctx) }()
	asked := false
	for {
		select {
		case c := <-code:
			return c
		case s := <-p.signals:
			if asked {
				logger.Warn("asked a second time to stop: ending at once", "signal", s.String())
				return fault.ExitFailed
			}
			asked = true
			logger.Info("stopping on request", "signal", s.String())
			stop()
		}
	}
}

// fail prints err's line and returns its exit code; nil is success.
func (p process) fail(err error) int {
	if err == nil {
		return fault.ExitOK
	}
	f := fault.As(err)
	_, _ = fmt.Fprintln(p.stderr, printable.Text(f.Line())) // nobody is left to tell
	return exitStatus(f.Code)
}
