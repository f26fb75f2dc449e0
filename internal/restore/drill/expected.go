package drill

import (
	_ "embed" // the table
	"fmt"
	"strings"
	"sync"

	"infrabackup/internal/diff/result"
)

//go:embed expected.txt
var expectedText string

// row is a line of the table.
type row struct {
	kind, how, path, reason string
}

// expected is the table. It is a part of the program, and a test reads all of it.
var expected = sync.OnceValue(func() []row {
	rows, err := parseRows(expectedText)
	if err != nil {
		panic("expected.txt: " + err.Error())
	}
	return rows
})

func parseRows(text string) (rows []row, err error) {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		what, reason, found := strings.Cut(line, " | ")
		fields := strings.Fields(what)
		if !found || len(fields) != 3 || reason == "" {
			return nil, fmt.Errorf("the line %q is no row", line)
		}
		switch how := result.How(fields[1]); how {
		case result.Added, result.Removed, result.Changed:
		default:
			return nil, fmt.Errorf("the line %q has no change", line)
		}
		rows = append(rows, row{fields[0], fields[1], fields[2], reason})
	}
	return rows, nil
}

// expects returns the reason for which a property of an item may differ. A row about what
// changed is about what was added or removed as well.
func expects(kind string, d result.Detail) (reason string, ok bool) {
	for _, r := range expected() {
		if r.kind == kind && (r.how == string(result.Changed) || r.how == string(d.How)) && fits(r.path, d.Path) {
			return r.reason, true
		}
	}
	return "", false
}

// fits matches a path, in which a bracket is a character like any other, with a pattern in
// which * stands for any characters.
func fits(pattern, path string) bool {
	before, rest, found := strings.Cut(pattern, "*")
	if !found {
		return pattern == path
	}
	if !strings.HasPrefix(path, before) {
		return false
	}
	for i := len(before); i <= len(path); i++ {
		if fits(rest, path[i:]) {
			return true
		}
	}
	return false
}
