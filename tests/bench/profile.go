package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// profileRows is how many functions of a profile are printed.
const profileRows = "15"

// profile takes one more whole backup, by a worker that was built to write processor
// profiles of itself and its children, and prints what they spent most on. The figures of
// that run count for nothing else. It does nothing when no folder for profiles was named.
func (b *bench) profile(ctx context.Context, data string) error {
	if b.profiles == "" {
		return nil
	}
	if err := errors.Join(os.RemoveAll(b.profiles), os.MkdirAll(b.profiles, 0o755)); err != nil {
		return err
	}
	program := filepath.Join(b.dir, "profiled-worker")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-tags", "profile", "-ldflags", "-X main.profiles="+b.profiles, "-o", program, "./worker")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the worker that is profiled, in the root of the repository: %w: %s", err, out)
	}
	f, err := b.wholeBackup(ctx, program, data, b.runs)
	if err != nil {
		return err
	}
	fmt.Printf("\nWhat the processors did in one more backup, of %.2f s and %.1f CPU s with the file server; the profiles are in %s.\n", f.wall.Seconds(), f.cpu.Seconds(), b.profiles)
	for _, of := range []struct{ role, name string }{{"worker", "The worker"}, {"encrypt", "Its children, which encrypt"}} {
		files, err := profilesOf(b.profiles, of.role)
		if err != nil {
			return err
		}
		top, err := exec.CommandContext(ctx, "go", append([]string{"tool", "pprof", "-top", "-nodecount=" + profileRows}, files...)...).Output()
		if err != nil {
			return fmt.Errorf("read the profiles of %s: %w", of.role, err)
		}
		fmt.Printf("\n%s:\n\n```\n%s\n```\n", of.name, topRows(top))
	}
	return os.Remove(program)
}

// profilesOf are the profiles of processes that did the same. A process that was killed has
// left an empty one.
func profilesOf(dir, role string) (files []string, err error) {
	all, err := filepath.Glob(filepath.Join(dir, role+"-*.pprof"))
	if err != nil {
		return nil, err
	}
	for _, file := range all {
		info, err := os.Stat(file)
		if err != nil {
			return nil, err
		}
		if info.Size() > 0 {
			files = append(files, file)
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s has no profile of %s", dir, role)
	}
	return files, nil
}

// topRows is what pprof prints, without what says how the program was built.
func topRows(printed []byte) string {
	_, rows, found := bytes.Cut(printed, []byte("Duration:"))
	if !found {
		return strings.TrimSpace(string(printed))
	}
	return "Duration:" + strings.TrimRight(string(rows), "\n")
}
