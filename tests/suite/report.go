package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"infrabackup/tests/tier"
)

// slowest is how many tests a report lists.
const slowest = 30

// report is what became of the tests of a run, as it is kept for "suite times".
type report struct {
	Tier     string             `json:"tier"`
	Seconds  float64            `json:"seconds"`
	Passed   int                `json:"passed"`
	Failed   int                `json:"failed"`
	Skipped  int                `json:"skipped"`
	Failures []string           `json:"failures,omitempty"`
	Packages map[string]float64 `json:"packages"` // seconds
	Tests    map[string]float64 `json:"tests"`    // seconds of top-level tests, by package and name
	Tried    map[string]int64   `json:"tried,omitempty"`
}

// test takes up the end of a test. Tests within tests count, and are part of the time
// of theirs.
func (r *report) test(e event) {
	name := relative(e.Package) + " " + e.Test
	switch e.Action {
	case "pass":
		r.Passed++
	case "fail":
		r.Failed++
		r.Failures = append(r.Failures, name)
	case "skip":
		r.Skipped++
	}
	if !strings.Contains(e.Test, "/") {
		r.Tests[name] = max(r.Tests[name], e.Elapsed)
	}
}

// pkg takes up the end of a package. One that does not build, or ends outside a test,
// fails without a test that does.
func (r *report) pkg(e event) {
	r.Packages[relative(e.Package)] = max(r.Packages[relative(e.Package)], e.Elapsed)
	prefix := relative(e.Package) + " "
	if e.Action == "fail" && !slices.ContainsFunc(r.Failures, func(name string) bool { return strings.HasPrefix(name, prefix) }) {
		r.Failed++
		r.Failures = append(r.Failures, prefix+"(package)")
	}
}

// tried adds up what tests say that they tried.
func (r *report) tried(line string) {
	if what, n, ok := tier.ParseTried(line); ok {
		r.Tried[what] += n
	}
}

// write prints the slowest tests, the packages, and the counts.
func (r *report) write(out io.Writer) error {
	var text strings.Builder
	fmt.Fprintf(&text, "\nThe slowest tests of %q, seconds:\n", r.Tier)
	for _, name := range firstOf(r.Tests, slowest) {
		fmt.Fprintf(&text, "%8.1f  %s\n", r.Tests[name], name)
	}
	text.WriteString("\nPackages, seconds:\n")
	for _, name := range firstOf(r.Packages, len(r.Packages)) {
		if r.Packages[name] >= 0.1 {
			fmt.Fprintf(&text, "%8.1f  %s\n", r.Packages[name], name)
		}
	}
	if len(r.Tried) > 0 {
		text.WriteString("\nTried:\n")
		for _, what := range slices.Sorted(maps.Keys(r.Tried)) {
			fmt.Fprintf(&text, "%12d  %s\n", r.Tried[what], what)
		}
	}
	for _, name := range r.Failures {
		fmt.Fprintf(&text, "failed: %s\n", name)
	}
	fmt.Fprintf(&text, "\n%s: %s\n%d passed, %d failed, %d skipped\n", r.Tier, time.Duration(r.Seconds*float64(time.Second)).Round(time.Second), r.Passed, r.Failed, r.Skipped)
	_, err := io.WriteString(out, text.String())
	return err
}

// firstOf returns the n names with the largest values, largest first.
func firstOf(values map[string]float64, n int) []string {
	names := slices.Collect(maps.Keys(values))
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(values[b], values[a]), cmp.Compare(a, b)) })
	return names[:min(n, len(names))]
}

// save keeps the report for [load].
func (r *report) save(file string) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, data, 0o644)
}

// load reads the report of the last run.
func load(file string) (*report, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("no run is kept; run make test: %w", err)
	}
	var r report
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return &r, nil
}
