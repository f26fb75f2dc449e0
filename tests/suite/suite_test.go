package main

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// known are packages such as the plan needs.
func known() []string {
	return slices.Concat([]string{"internal/fault"}, serving, waiting, meeting, meetingInSoak, changing, slices.Sorted(maps.Keys(partly)))
}

func TestEveryPackageRunsOnce(t *testing.T) {
	for _, tier := range []string{"quick", "test", "soak"} {
		all := known()
		what, err := plan(tier, all)
		require.NoError(t, err)
		times := map[string]int{}
		for _, groups := range what {
			for _, g := range groups {
				for _, p := range g.packages {
					if g.tests == "" {
						times[p]++
					}
				}
			}
		}
		for _, p := range all {
			want := 1
			if tier == "quick" && (p == "tests/e2e" || p == "tests/campaign" || p == "tests/cluster" || p == "tests/services" || strings.HasPrefix(p, "tests/lab")) {
				want = 0
			}
			require.Equal(t, want, times[p], "%s in %s", p, tier)
		}
	}
}

// TestTestsThatRunAgainExist: a pattern that fits no test would run nothing.
func TestTestsThatRunAgainExist(t *testing.T) {
	for p, patterns := range partly {
		files, err := filepath.Glob(filepath.Join("..", "..", p, "*_test.go"))
		require.NoError(t, err)
		var all []byte
		for _, file := range files {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			all = append(all, text...)
		}
		for _, pattern := range patterns {
			pattern, _, _ := strings.Cut(pattern, "/") // a test, and those within it
			name := strings.TrimSuffix(pattern, "$")
			if name != pattern {
				name += `\(`
			}
			require.Regexp(t, `(?m)^func `+name, string(all), p)
		}
	}
}

func TestPlanRefusesWhatIsGone(t *testing.T) {
	_, err := plan("test", known()[:4])
	require.ErrorContains(t, err, "does not exist")
	_, err = plan("hourly", known())
	require.ErrorContains(t, err, `"hourly"`)
}

// TestReportOfARun runs the go command on a module with every kind of outcome.
func TestReportOfARun(t *testing.T) {
	files := map[string]string{
		"go.mod":            "module infrabackup\n\ngo 1.26\n",
		"good/a_test.go":    "package good\nimport \"testing\"\nfunc TestA(t *testing.T) { t.Log(\"tried: 3 kills\"); t.Run(\"x\", func(*testing.T) {}) }\nfunc TestB(t *testing.T) { t.Log(\"tried: 4 kills\"); t.Skip(\"no\") }\n",
		"bad/a_test.go":     "package bad\nimport \"testing\"\nfunc TestA(t *testing.T) { t.Error(\"that is why\") }\n",
		"crash/a_test.go":   "package crash\nimport (\"os\"; \"testing\")\nfunc TestMain(*testing.M) { os.Exit(3) }\nfunc TestA(*testing.T) {}\n",
		"unbuilt/a_test.go": "package unbuilt\nvar x int = \"no number\"\n",
	}
	dir := t.TempDir()
	for name, text := range files {
		file := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
	}
	t.Chdir(dir)
	var out bytes.Buffer
	r := newRunner(&out)
	err := r.run(t.Context(), streams{{{name: "a", packages: []string{"good"}}}, {{name: "b", packages: []string{"bad", "crash", "unbuilt"}}}})
	require.ErrorContains(t, err, "group b")
	require.NotContains(t, err.Error(), "group a")
	require.Equal(t, 2, r.report.Passed)
	require.Equal(t, 1, r.report.Skipped)
	require.ElementsMatch(t, []string{"bad TestA", "crash (package)", "unbuilt (package)"}, r.report.Failures)
	require.Equal(t, 3, r.report.Failed)
	require.Equal(t, map[string]int64{"kills": 7}, r.report.Tried)
	require.Contains(t, out.String(), "that is why")
	require.Contains(t, out.String(), "no number")
	require.NotContains(t, out.String(), "kills", "what passed is not printed")

	require.NoError(t, r.report.save("kept/times.json"))
	again, err := load("kept/times.json")
	require.NoError(t, err)
	require.Equal(t, &r.report, again)
	out.Reset()
	require.NoError(t, again.write(&out))
	require.True(t, strings.HasSuffix(out.String(), "\n2 passed, 3 failed, 1 skipped\n"), out.String())
	_, err = load("nothing")
	require.ErrorContains(t, err, "make test")
}

func TestSlowestFirst(t *testing.T) {
	require.Equal(t, []string{"b", "c"}, firstOf(map[string]float64{"a": 1, "b": 3, "c": 3}, 2))
}
