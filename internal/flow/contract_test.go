package flow

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
)

// TestContractListsEveryHandle reads the handles from this package's sources: whoever
// tries the contract, tries all of it.
func TestContractListsEveryHandle(t *testing.T) {
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	kinds := map[string]Kind{
		"Workflow": KindWorkflow, "Alarm": KindWorkflow, "Activity": KindActivity, "Query": KindQuery, "Update": KindUpdate, "Signal": KindSignal,
	}
	listed := map[string]bool{}
	for _, m := range Contract() {
		listed[string(m.Kind)+" "+m.Name] = true
		require.True(t, m.Kind != KindQuery && m.Kind != KindUpdate || len(m.Of) > 0, "who answers %s?", m.Name)
	}
	found := 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		require.NoError(t, err)
		ast.Inspect(parsed, func(n ast.Node) bool {
			literal, ok := n.(*ast.CompositeLit)
			if !ok || len(literal.Elts) != 1 {
				return true
			}
			of := literal.Type
			switch indexed := of.(type) {
			case *ast.IndexListExpr:
				of = indexed.X
			case *ast.IndexExpr:
				of = indexed.X
			}
			ident, ok := of.(*ast.Ident)
			if !ok || kinds[ident.Name] == "" {
				return true
			}
			name, ok := literal.Elts[0].(*ast.BasicLit)
			if !ok {
				return true // Collect, of which there is one for each service
			}
			text, err := strconv.Unquote(name.Value)
			require.NoError(t, err)
			require.True(t, listed[string(kinds[ident.Name])+" "+text], "%s is not in Contract", text)
			found++
			return true
		})
	}
	require.Equal(t, len(Contract())-len(backup.Services()), found)
}

// words are the names of fields that hold what people say.
var words = []string{"By", "RequestedBy", "ChangedBy", "Message", "Reason"}

// TestWordsAreBounded: whatever a caller can say in a workflow's, an update's or a query's
// input is among its texts.
func TestWordsAreBounded(t *testing.T) {
	for _, m := range Contract() {
		if m.Kind == KindActivity || m.Name == Settings.Name || m.In.Kind() != reflect.Struct {
			continue // made by a run, not by a caller
		}
		in := reflect.New(m.In)
		has := textsOf(in.Interface())
		var look func(v reflect.Value)
		look = func(v reflect.Value) {
			for i := range v.NumField() {
				field := v.Type().Field(i)
				switch {
				case !field.IsExported():
				case v.Field(i).Kind() == reflect.Struct:
					look(v.Field(i))
				case v.Field(i).Kind() == reflect.String && slices.Contains(words, field.Name):
					text, ok := v.Field(i).Addr().Interface().(*string)
					require.True(t, ok && slices.Contains(has, text), "%s of %s", field.Name, m.Name)
				}
			}
		}
		look(in.Elem())
	}
}

func TestTextsAreTidiedOnceAndRefusedOtherwise(t *testing.T) {
	long := DeleteInput{RequestedBy: strings.Repeat("x", 1_900_000) + "\n"}
	require.Equal(t, fault.Usage, fault.CodeOf(untidy(long)))
	require.Equal(t, fault.Usage, fault.CodeOf(untidy(KeyProof{By: "a\x1b[2J\u202e"})))
	require.NoError(t, untidy(tidy(long)))
	require.Len(t, tidy(long).RequestedBy, MaxText)
	require.Len(t, long.RequestedBy, 1_900_001, "the caller's own stays")
	require.NoError(t, untidy(ListInput{}))
}
