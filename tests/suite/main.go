package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"infrabackup/tests/tier"
)

const usage = "usage: suite quick | test | soak | times\n"

// kept is where the times of the last run are.
const kept = ".cache/times.json"

// loud is how long "suite test" may take before it says so in a loud line: the limit of
// make test.
const loud = 12 * time.Minute

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(args) != 1 {
		fmt.Fprint(os.Stderr, usage)
		return 2
	}
	var err error
	switch args[0] {
	case "times":
		var last *report
		if last, err = load(kept); err == nil {
			err = last.write(os.Stdout)
		}
	case "quick", "test":
		err = once(ctx, args[0])
	case "soak":
		err = soak(ctx, os.Getenv(tier.SoakVariable))
	default:
		fmt.Fprint(os.Stderr, usage)
		return 2
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "suite:", err)
		return 1
	}
	return 0
}

// once runs a tier.
func once(ctx context.Context, name string) error {
	all, err := packages(ctx)
	if err != nil {
		return err
	}
	what, err := plan(name, all)
	if err != nil {
		return err
	}
	env, forget, err := ramDisk()
	if err != nil {
		return err
	}
	began := time.Now()
	r := newRunner(os.Stdout)
	err = r.run(ctx, what, env...)
	return errors.Join(err, r.end(name, time.Since(began)), forget())
}

// shm is the memory file system of Linux, and roomy is how much has to be free there
// before tests use it for their folders.
const (
	shm   = "/dev/shm"
	roomy = 8 << 30
)

// ramDisk makes a folder for temporary files that does not wait for a disk, where there
// is one. The variables make tests use it; forget removes it.
func ramDisk() (env []string, forget func() error, err error) {
	var free unix.Statfs_t
	if err := unix.Statfs(shm, &free); err != nil || free.Type != unix.TMPFS_MAGIC || int64(free.Bavail)*free.Bsize < roomy {
		return nil, func() error { return nil }, nil // the usual folder serves as well
	}
	dir, err := os.MkdirTemp(shm, "infrabackup-tests")
	if err != nil {
		return nil, nil, err
	}
	if err := os.Chmod(dir, 0o755); err != nil { // tests try what others may not read
		return nil, nil, err
	}
	return []string{"TMPDIR=" + dir}, func() error { return os.RemoveAll(dir) }, nil
}

// end prints and keeps the report.
func (r *runner) end(name string, took time.Duration) error {
	r.report.Tier, r.report.Seconds = name, took.Seconds()
	err := r.report.save(kept)
	if name == "test" && took > loud {
		fmt.Fprintf(r.out, "\n########## TOO SLOW: the tests took %s, and may take %s. Run make times. ##########\n", took.Round(time.Second), loud)
	}
	return errors.Join(err, r.report.write(r.out))
}

// packages lists the module's packages.
func packages(ctx context.Context) ([]string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "./...").Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	var all []string
	for _, path := range strings.Fields(string(out)) {
		all = append(all, relative(path))
	}
	return all, nil
}
