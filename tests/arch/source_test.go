package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const maxLines = 800

// tracked lists the project's files.
func tracked(t *testing.T, patterns ...string) []string {
	t.Helper()
	cmd := exec.Command("git", append([]string{"ls-files", "--"}, patterns...)...)
	cmd.Dir = "../.."
	out, err := cmd.Output()
	require.NoError(t, err)
	var files []string
	for _, name := range strings.Fields(string(out)) {
		if _, err := os.Stat(filepath.Join("..", "..", name)); err == nil {
			files = append(files, name)
		}
	}
	return files
}

func content(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", name))
	require.NoError(t, err)
	return string(data)
}

func TestTopLevel(t *testing.T) {
	allowed := map[string]bool{"workflows": true, "activities": true, "worker": true, "starter": true, "internal": true, "deploy": true, "tests": true,
		"go.mod": true, "go.sum": true, "Makefile": true, "README.md": true, "LICENSE": true}
	for _, name := range tracked(t) {
		top, _, _ := strings.Cut(name, "/")
		require.True(t, allowed[top] || strings.HasPrefix(top, "."), "%s does not belong at the top level", top)
	}
}

func TestFilesAreNotTooLong(t *testing.T) {
	for _, name := range tracked(t, "*.go") {
		require.LessOrEqual(t, strings.Count(content(t, name), "\n"), maxLines, "%s is to be split", name)
	}
}

// undocumented returns the exported identifiers of a file that have no comment.
func undocumented(file *ast.File) []string {
	var found []string
	for _, decl := range file.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if d.Name.IsExported() && d.Doc == nil && exportedReceiver(d) {
				found = append(found, d.Name.Name)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch s := spec.(type) {
				case *ast.TypeSpec:
					if s.Name.IsExported() && d.Doc == nil && s.Doc == nil {
						found = append(found, s.Name.Name)
					}
				case *ast.ValueSpec:
					for _, name := range s.Names {
						if name.IsExported() && d.Doc == nil && s.Doc == nil && s.Comment == nil {
							found = append(found, name.Name)
						}
					}
				}
			}
		}
	}
	return found
}

// exportedReceiver reports whether a method belongs to an exported type; functions do.
func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	typ := d.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	switch generic := typ.(type) {
	case *ast.IndexExpr:
		typ = generic.X
	case *ast.IndexListExpr:
		typ = generic.X
	}
	name, ok := typ.(*ast.Ident)
	return ok && name.IsExported()
}

func TestEverythingExportedIsDocumented(t *testing.T) {
	documented := map[string]bool{}
	for _, name := range tracked(t, "*.go") {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", "..", name), nil, parser.ParseComments)
		require.NoError(t, err)
		if ast.IsGenerated(file) {
			continue
		}
		require.Empty(t, undocumented(file), "%s has exported identifiers without a comment", name)
		folder := filepath.Dir(name)
		documented[folder] = documented[folder] || (filepath.Base(name) == "doc.go" && file.Doc != nil)
	}
	for folder, ok := range documented {
		require.True(t, ok, "%s has no doc.go with a package comment", folder)
	}
}

func TestUndocumentedIsNoticed(t *testing.T) {
	source := "package p\n\nfunc A() {}\n\ntype B struct{}\n\nvar C = 1\n\n// D is documented.\nfunc D() {}\n\ntype e struct{}\n\nfunc (e) F() {}\n\nfunc (*B) G() {}\n"
	file, err := parser.ParseFile(token.NewFileSet(), "p.go", source, parser.ParseComments)
	require.NoError(t, err)
	require.Equal(t, []string{"A", "B", "C", "G"}, undocumented(file))
}

// TestText keeps out what has no place in the project: unfinished work, paths of
// somebody's machine, and tests that sleep.
func TestText(t *testing.T) {
	join := func(parts ...string) string { return strings.Join(parts, "") }
	for _, name := range tracked(t) {
		text := content(t, name)
		for _, word := range []string{join("TO", "DO"), join("FIX", "ME"), join("/ro", "ot/"), join("/wo", "rk/main"), join("proxy.", "golang.org")} {
			require.NotContains(t, text, word, name)
		}
		if strings.HasSuffix(name, "_test.go") {
			require.NotContains(t, text, join("time.", "Sleep("), name)
		}
	}
}

// TestCommandsAreToldByTheNamesOfTheirFiles: in starter, cmd_*.go make commands, and no other
// file does, but for the one with the root of them.
func TestCommandsAreToldByTheNamesOfTheirFiles(t *testing.T) {
	seen := 0
	for _, name := range tracked(t, "*.go", ":!*_test.go") {
		if filepath.Dir(name) != "starter" || name == "starter/app.go" {
			continue
		}
		seen++
		makes := strings.Contains(content(t, name), "&cobra.Command{")
		require.Equal(t, strings.HasPrefix(filepath.Base(name), "cmd_"), makes, name)
	}
	require.Greater(t, seen, 30)
}
