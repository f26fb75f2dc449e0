package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
)

// event is a line of "go test -json", see "go doc test2json".
type event struct {
	Action      string
	Package     string
	ImportPath  string // of build-output and build-fail
	Test        string
	Elapsed     float64 // seconds
	Output      string
	FailedBuild string
}

// runner runs groups and collects what becomes of their tests.
type runner struct {
	out io.Writer // for people

	mu      sync.Mutex
	report  report
	outputs map[string][]string // of tests that have not ended, by package and test
	builds  map[string][]string // what the compiler said, by import path
}

// lockedWriter lets the go commands and the runner write at once.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

// Write implements io.Writer.
func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

func newRunner(out io.Writer) *runner {
	return &runner{out: &lockedWriter{w: out}, report: report{Packages: map[string]float64{}, Tests: map[string]float64{}, Tried: map[string]int64{}},
		outputs: map[string][]string{}, builds: map[string][]string{}}
}

// run runs the streams side by side. It returns an error when a test failed, and when
// something could not be run.
func (r *runner) run(ctx context.Context, all streams, env ...string) error {
	errs := make([]error, len(all))
	var running sync.WaitGroup
	for i, groups := range all {
		running.Go(func() {
			for _, g := range groups {
				if len(g.packages) > 0 {
					errs[i] = errors.Join(errs[i], r.group(ctx, g, env))
				}
			}
		})
	}
	running.Wait()
	return errors.Join(errs...)
}

func (r *runner) group(ctx context.Context, g group, env []string) error {
	cmd := exec.CommandContext(ctx, "go", g.arguments()...)
	cmd.Env = append(append(os.Environ(), g.environment()...), env...)
	// The go command hands an interrupt on to its tests, which then clean up.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	cmd.Stderr = r.out
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("group %s: %w", g.name, err)
	}
	readErr := r.read(pipe)
	if err := cmd.Wait(); err != nil {
		return errors.Join(fmt.Errorf("group %s: %w", g.name, err), readErr)
	}
	return readErr
}

// read takes up the events of a group.
func (r *runner) read(events io.Reader) error {
	lines := bufio.NewReader(events)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			var e event
			if json.Unmarshal([]byte(line), &e) != nil {
				e = event{Action: "output", Output: line} // of the go command itself
			}
			if err := r.take(e); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the output of go test: %w", err)
		}
	}
}

// take takes up one event and prints what people want to know at once.
func (r *runner) take(e event) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := e.Package + " " + e.Test
	var err error
	switch e.Action {
	case "output":
		r.report.tried(e.Output)
		r.outputs[key] = append(r.outputs[key], e.Output)
		if e.Package == "" {
			_, err = io.WriteString(r.out, e.Output)
		}
	case "build-output":
		r.builds[e.ImportPath] = append(r.builds[e.ImportPath], e.Output)
	case "pass", "fail", "skip":
		if e.Test != "" {
			r.report.test(e)
		} else {
			r.report.pkg(e)
			_, err = fmt.Fprintf(r.out, "%-4s %-32s %7.1fs\n", e.Action, relative(e.Package), e.Elapsed)
		}
		if e.Action == "fail" {
			text := strings.Join(append(r.builds[e.FailedBuild], r.outputs[key]...), "")
			_, printErr := fmt.Fprintf(r.out, "--- %s %s\n%s", relative(e.Package), e.Test, text)
			err = errors.Join(err, printErr)
		}
		delete(r.outputs, key)
	}
	return err
}
