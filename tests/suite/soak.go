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

// campaignVariable says for how long the campaign of tests/campaign goes on; without it there is none.
const campaignVariable = "INFRABACKUP_CAMPAIGN"

// soak runs the long forms of all tests once, and then them and the fuzz tests in turn
// until the time is over, and the campaign beside them for all of it. What has begun is ended.
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
	campaign := make(chan error, 1)
	go func() {
		campaign <- r.run(ctx, streams{{campaignOf(length)}}, append(env, campaignVariable+"="+text)...)
	}()
	env = append(env, campaignVariable+"=") // one campaign is enough
	for round := 1; ctx.Err() == nil && (round == 1 || time.Since(began) < length); round++ {
		if _, err := fmt.Fprintf(r.out, "round %d\n", round); err != nil {
			return err
		}
		errs = append(errs, r.run(ctx, what, env...))
		r.add("rounds of all tests", 1)
		left := length - time.Since(began)
		each := max(left/fuzzRounds/time.Duration(max(len(targets), 1)), time.Second)
		for _, f := range targets {
			if ctx.Err() == nil {
				errs = append(errs, r.fuzz(ctx, f, each))
			}
		}
	}
	errs = append(errs, <-campaign, r.end("soak", time.Since(began)), forget())
	return errors.Join(errs...)
}

// campaignOf is the campaign of that length. What it is at is ended, and gone through.
func campaignOf(length time.Duration) group {
	return group{name: "campaign", packages: []string{"tests/campaign"}, tests: "^TestCampaign$", flags: []string{"-timeout=" + (length + time.Hour).String()}}
}

// add adds to what was tried.
func (r *runner) add(what string, n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report.Tried[what] += n
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
	r.add("fuzz tests", 1)
	if all := executions.FindAllSubmatch(out, -1); len(all) > 0 {
		if n, err := strconv.ParseInt(string(all[len(all)-1][1]), 10, 64); err == nil {
			r.add("inputs of fuzz tests", n)
		}
	}
	if err != nil && ctx.Err() == nil {
		r.mu.Lock()
		r.report.Failed++
		r.report.Failures = append(r.report.Failures, f.pkg+" "+f.name)
		r.mu.Unlock()
		_, printErr := fmt.Fprintf(r.out, "--- %s %s\n%s", f.pkg, f.name, out)
		return errors.Join(fmt.Errorf("%s: %w", f.name, err), printErr)
	}
	return nil
}
