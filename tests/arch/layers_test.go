package arch

import (
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Limits of the product's own code, tests left out: what is longer has more than one reason.
const (
	maxPackageLines = 3000
	maxFileLines    = 400
)

const below = "internal/repository"

// layers are the packages at and below internal/repository and which of each other they may
// import. What stands beside each other knows nothing of each other.
var layers = map[string][]string{
	below + "/foreign":        {},
	below + "/folder":         {below + "/foreign"},
	below + "/ledger":         {below + "/foreign", below + "/folder"},
	below:                     {below + "/foreign", below + "/folder", below + "/ledger", below + "/restores", below + "/drills"},
	below + "/anchor":         {below + "/ledger", below},
	below + "/audit":          {below + "/foreign", below + "/folder", below + "/ledger", below},
	below + "/rekey":          {below + "/foreign", below + "/folder", below + "/ledger", below},
	below + "/mirror":         {below + "/foreign", below + "/folder", below + "/ledger", below},
	below + "/restores":       {below + "/folder"},
	below + "/drills":         {below + "/folder"},
	below + "/repositorytest": {below + "/folder", below + "/ledger", below, below + "/audit"},
}

// inner are those that no other package imports, its tests left out.
var inner = []string{below + "/foreign", below + "/folder", below + "/repositorytest"}

// violations returns imports of packages below internal/repository that are not allowed.
func violations(all []pkg) []string {
	var found []string
	for _, p := range all {
		allowed, inside := layers[p.ImportPath]
		if !inside && under(p.ImportPath, []string{below}) {
			found = append(found, p.ImportPath+" is in no layer")
		}
		for _, imported := range p.Imports {
			name := strings.TrimPrefix(imported, module)
			switch {
			case !under(name, []string{below}):
			case inside && !slices.Contains(allowed, name), !inside && slices.Contains(inner, name):
				found = append(found, p.ImportPath+" imports "+name)
			}
		}
	}
	return found
}

func TestLayers(t *testing.T) {
	all := packages(t)
	require.Empty(t, violations(all))
	names := map[string]bool{}
	for _, p := range all {
		names[p.ImportPath] = true
	}
	for layer := range layers {
		require.True(t, names[layer], "%s is gone", layer)
	}
}

func TestLayersCanFail(t *testing.T) {
	for _, bad := range []pkg{
		{ImportPath: below + "/audit", Imports: []string{module + below + "/rekey"}},
		{ImportPath: below + "/ledger", Imports: []string{module + below}},
		{ImportPath: "activities", Imports: []string{module + below + "/folder"}},
		{ImportPath: below + "/another"},
	} {
		require.Len(t, violations([]pkg{bad}), 1, bad.ImportPath)
	}
	require.Empty(t, violations([]pkg{{ImportPath: "activities", Imports: []string{"fmt", module + below, module + below + "/audit"}}}))
}

// tooLong returns what is above the limits, of files of Go code by their number of lines.
func tooLong(lines map[string]int) []string {
	var found []string
	packages := map[string]int{}
	for name, n := range lines {
		packages[path.Dir(name)] += n
		if n > maxFileLines {
			found = append(found, name)
		}
	}
	for name, n := range packages {
		if n > maxPackageLines {
			found = append(found, name)
		}
	}
	return found
}

// TestSizes: a package of thirty files is one that nobody knows.
func TestSizes(t *testing.T) {
	lines := map[string]int{}
	for _, name := range tracked(t, "*.go", ":!*_test.go", ":!tests/") {
		lines[name] = strings.Count(content(t, name), "\n")
	}
	require.Greater(t, len(lines), 100)
	require.Empty(t, tooLong(lines), "to be split")
	require.Len(t, tooLong(map[string]int{"a/b.go": maxFileLines + 1, "a/c.go": maxPackageLines - maxFileLines}), 3, "it can fail")
}

// TestOnlyTheRepositoryTakesFiles: what a repository hands to the packages that stand on it is
// not for others to write with.
func TestOnlyTheRepositoryTakesFiles(t *testing.T) {
	for _, name := range tracked(t, "*.go", ":!*_test.go", ":!"+below) {
		require.NotContains(t, content(t, name), ".Files()", name)
	}
}
