package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"

	"infrabackup/tests/tier"
)

// fuzzRounds is into how many pieces of time the fuzz tests divide the time that is
// left for them, so that each gets a turn early.
const fuzzRounds = 4

// soak runs the long forms of all tests once, and then them and the fuzz tests in turn
// until the time is over. What has begun is ended.
func soak(ctx context.Context, text string) error {
	length, err := time.ParseDuration(text)
	if err != nil || length <= 0 {
		return fmt.Errorf("%s=%q says how long, such as 30m or 8h", tier.SoakVariable, text)
	}
	all, err := packages(ctx)
	if err != nil {
		return err
	}
	what, err := plan("soak", all)
	if err != nil {
		return err
	}
	targets, err := fuzzTests(ctx, all)
	if err != nil {
		return err
	}
	env, forget, err := ramDisk()
	if err != nil {
		return err
	}
	began := time.Now()
	r := newRunner(os.Stdout)
	var errs []error
	for round := 1; ctx.Err() == nil && (round == 1 || time.Since(began) < length); round++ {
		if _, err := fmt.Fprintf(r.out, "round %d\n", round); err != nil {
			return err
		}
		errs = append(errs, r.run(ctx, what, env...))
		r.report.Tried["rounds of all tests"]++
		left := length - time.Since(began)
		each := max(left/fuzzRounds/time.Duration(max(len(targets), 1)), time.Second)
		for _, f := range targets {
			if ctx.Err() == nil {
				errs = append(errs, r.fuzz(ctx, f, each))
			}
		}
	}
	errs = append(errs, r.end("soak", time.Since(began)), forget())
	return errors.Join(errs...)
}

// fuzzTest is a fuzz test of a package.
type fuzzTest struct{ pkg, name string }

// fuzzTests lists the fuzz tests of all packages.
func fuzzTests(ctx context.Context, all []string) ([]fuzzTest, error) {
	var found []fuzzTest
	for _, pkg := range all {
		out, err := exec.CommandContext(ctx, "go", "test", "-list", "^Fuzz", "./"+pkg).Output()
		if err != nil {
			return nil, fmt.Errorf("list the fuzz tests of %s: %w", pkg, err)
		}
		for _, name := range strings.Fields(string(out)) {
			if strings.HasPrefix(name, "Fuzz") {
				found = append(found, fuzzTest{pkg, name})
			}
		}
	}
	return found, nil
}

// executions matches what a fuzz test says of itself from time to time.
var executions = regexp.MustCompile(`execs: (\d+)`)

// fuzz runs one fuzz test for a while.
func (r *runner) fuzz(ctx context.Context, f fuzzTest, length time.Duration) error {
	cmd := exec.CommandContext(ctx, "go", "test", "-run=^$", "-fuzz=^"+f.name+"$", "-fuzztime="+length.String(), "./"+f.pkg)
	out, err := cmd.CombinedOutput()
	r.report.Tried["fuzz tests"]++
	if all := executions.FindAllSubmatch(out, -1); len(all) > 0 {
		if n, err := strconv.ParseInt(string(all[len(all)-1][1]), 10, 64); err == nil {
			r.report.Tried["inputs of fuzz tests"] += n
		}
	}
	if err != nil && ctx.Err() == nil {
		r.report.Failed++
		r.report.Failures = append(r.report.Failures, f.pkg+" "+f.name)
		_, printErr := fmt.Fprintf(r.out, "--- %s %s\n%s", f.pkg, f.name, out)
		return errors.Join(fmt.Errorf("%s: %w", f.name, err), printErr)
	}
	return nil
}
