package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// patience is how long the tests of one mutant may take; one that hangs is noticed too.
const patience = 10 * time.Minute

func main() { os.Exit(run()) }

func run() int {
	tree := flag.String("tree", ".", "folder of the project")
	only := flag.String("only", "", "only mutants whose name has this text")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	caught, tried, err := try(ctx, *tree, *only)
	fmt.Printf("%d of %d mutants were caught\n", caught, tried)
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		return 1
	}
	return 0
}

// try tries the mutants in a copy of the tree.
func try(ctx context.Context, tree, only string) (caught, tried int, err error) {
	copied, err := os.MkdirTemp("", "infrabackup-mutants")
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(copied)) }()
	if err := copyTree(ctx, tree, copied); err != nil {
		return 0, 0, err
	}
	var errs []error
	for _, m := range mutants {
		if !strings.Contains(m.name, only) {
			continue
		}
		if ctx.Err() != nil {
			return caught, tried, ctx.Err()
		}
		tried++
		began := time.Now()
		by, err := m.tryIn(ctx, copied)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", m.name, err))
			fmt.Printf("MISSED  %-62s %v\n", m.name, err)
			continue
		}
		caught++
		fmt.Printf("caught  %-62s %s %s (%s)\n", m.name, m.pkg, by, time.Since(began).Round(time.Second))
	}
	return caught, tried, errors.Join(errs...)
}

// copyTree copies the files that git knows of, as they are in the working tree.
func copyTree(ctx context.Context, from, to string) error {
	cmd := exec.CommandContext(ctx, "git", "ls-files", "--cached", "--others", "--exclude-standard", "-z")
	cmd.Dir = from
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("git ls-files: %w", err)
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		data, err := os.ReadFile(filepath.Join(from, name))
		if errors.Is(err, os.ErrNotExist) {
			continue // removed, and git not told yet
		}
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Join(to, name)), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(to, name), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// tryIn breaks the copy, runs the tests, and mends it again. It returns the test that
// noticed; an error when none did, or when that cannot be said.
func (m mutant) tryIn(ctx context.Context, tree string) (by string, err error) {
	file := filepath.Join(tree, m.file)
	before, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	if n := strings.Count(string(before), m.old); n != 1 {
		return "", fmt.Errorf("its code stands %d times in %s, not once", n, m.file)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(before), m.old, m.new, 1)), 0o644); err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.WriteFile(file, before, 0o644)) }()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if out, err := m.goTest(ctx, tree, "-run=^$"); err != nil {
		return "", fmt.Errorf("it does not compile: %s", out)
	}
	out, err := m.goTest(ctx, tree, "-run="+m.run)
	if err == nil {
		return "", errors.New("no test noticed")
	}
	for line := range strings.Lines(out) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "--- FAIL: "); ok {
			return strings.Fields(name)[0], nil
		}
	}
	return "(the package ended early)", nil
}

// goTest runs the tests of the mutant's package. What vet would say of the break is not
// asked.
func (m mutant) goTest(ctx context.Context, tree, which string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "test", "-count=1", "-failfast", "-vet=off", which, "./"+m.pkg)
	cmd.Dir = tree
	out, err := cmd.CombinedOutput()
	return string(out), err
}
