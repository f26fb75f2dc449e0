package arch

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// place is where a word is looked for.
type place int

const (
	messages place = 1 << iota // string literals of the product, which users and logs get
	comments
	names // identifiers and the names of files
	docs  // Markdown, and the examples that are installed

	everywhere = messages | comments | names | docs
	texts      = messages | docs
)

// term is a word that is not the field's, or that leaves open who does something.
type term struct {
	bad    *regexp.Regexp
	better string
	where  place
	under  string // folder that it is held in, all when empty
}

// word is a term that is found as a whole word, whatever its case.
func word(pattern, better string, where place) term {
	return term{bad: regexp.MustCompile(`(?i)\b(?:` + pattern + `)\b`), better: better, where: where}
}

// held is a name that was replaced in one folder, and would mislead there.
func held(pattern, better, under string) term {
	t := word(`^(?:`+pattern+`)$`, better, names)
	t.under = under
	return t
}

// terms are what the project does not say. The glossary of internal/backup has its own
// words; everything else is called what the field calls it.
var terms = []term{
	word(`in force`, `"active" for settings and revisions, "current" for keys and shares`, everywhere),
	word(`\w*inforce\w*`, `"active" or "current"`, names),
	word(`anew`, `"again"; "re-encrypt" for encryption; "from the first entry" for a ledger`, messages|comments|docs),
	word(`\w*catalogues?\w*`, `"catalog", as the file is called`, everywhere),
	word(`time-outs?`, `"timeout"`, everywhere),
	word(`asked for by`, `"requested by"`, texts),
	word(`by a stranger`, `"by an unknown key"`, texts),
	word(`(?:no|less|the) room (?:on|in|for)|with room for`, `"free space"`, texts),
	word(`cannot make|cannot be made|made when missing`, `"cannot create", "cannot be created", "created when missing"`, texts),
	word(`tells of|told of`, `"lists", "records" or "reports"`, texts),
	word(`nobody|somebody|whoever`, `the party that is meant: the caller, another process, an attacker`, texts),
	word(`stands twice|stands there twice`, `"appears twice"`, texts),

	held(`heart|beginHeart|startHeart`, `"heartbeater", "newHeartbeater", "startPhase"`, "activities/"),
	held(`lanes?|runLanes`, `"serviceRun"`, "workflows/"),
	held(`looking|patience`, `"shortRead", "transientRetry"`, "workflows/"),
	held(`looking\w*\.go`, `"list.go", "verify.go"`, "activities/"),
	held(`patience|shortPatience`, `"responseTimeout", "shortTimeout"`, "internal/control/"),
	held(`(?:start|sysvol)Patience|dialPatiently`, `"startTimeout", "dialWithRetry"`, "worker/"),
	held(`ledger|configRandy`, `"registry" for certificates, "configRandom"`, "internal/collect/ca/"),
	held(`stamp|stampOf`, `"statHash": a stamp is an Azure Stack installation`, "internal/collect/ca/"),
	held(`heedless|words`, `"ignoreSignals", "stderr"`, "internal/privsep/"),
	held(`lanes?|(?:open|fail|close)Lanes|perLane|lane\.go|part`, `"stream" for a connection with a file, "chunk" for what one request carries`, "internal/share/smb/"),
	held(`(?:default|short)?Patience|patience(?:\.go)?|farewell`, `"busyTimeout", "busy.go", "logoffTimeout"`, "internal/share/smb/"),
	held(`ledger(?:\.go)?|parted|gone|\w*Gone`, `"pending", "toDescend", "notFound"`, "internal/collect/resource/"),
	held(`door|hangUp`, `"client", "closeClient"`, "starter/"),
}

// fixed are the names that a format or a recorded history holds, and texts about words.
var fixed = map[string][]string{
	".github/CONTRIBUTING.md": {"somebody"}, // says what not to write
	"TestNobodyWithoutTheKey": {"nobody"},   // a test that the threat model names
	"somebody-elses.txt":      {"somebody"}, // a file of another program
}

// spoken is a piece of text, and where it was found.
type spoken struct {
	where place
	text  string
}

// goTexts returns what a Go file says. Literals of tests are left out: they hold what
// others write.
func goTexts(name, source string) ([]spoken, error) {
	file, err := parser.ParseFile(token.NewFileSet(), name, source, parser.ParseComments)
	if err != nil {
		return nil, fmt.Errorf("parse %s: %w", name, err)
	}
	out := []spoken{{names, filepath.Base(name)}}
	for _, group := range file.Comments {
		out = append(out, spoken{comments, group.Text()})
	}
	product := !strings.HasSuffix(name, "_test.go") && !strings.HasPrefix(name, "tests/")
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ImportSpec:
			return false
		case *ast.Field: // its tag holds names of a format
			for _, id := range n.Names {
				out = append(out, spoken{names, id.Name})
			}
			ast.Inspect(n.Type, func(n ast.Node) bool {
				if id, ok := n.(*ast.Ident); ok {
					out = append(out, spoken{names, id.Name})
				}
				return true
			})
			return false
		case *ast.Ident:
			out = append(out, spoken{names, n.Name})
		case *ast.BasicLit:
			if text, err := strconv.Unquote(n.Value); n.Kind == token.STRING && product && err == nil {
				out = append(out, spoken{messages, text})
			}
		}
		return true
	})
	return out, nil
}

// oddWords returns what is to be said otherwise in a file.
func oddWords(name, content string, terms []term) ([]string, error) {
	said := []spoken{{docs, content}}
	if strings.HasSuffix(name, ".go") {
		var err error
		if said, err = goTexts(name, content); err != nil {
			return nil, err
		}
	}
	var found []string
	for _, s := range said {
		text := strings.Join(strings.Fields(s.text), " ") // a word can stand on two lines
		for _, t := range terms {
			if s.where&t.where == 0 || !strings.HasPrefix(name, t.under) {
				continue
			}
			for _, at := range t.bad.FindAllStringIndex(text, -1) {
				if bad := text[at[0]:at[1]]; !isFixed(name, text, at) {
					found = append(found, fmt.Sprintf("%s: not %q but %s: …%s…", name, bad, t.better, text[max(0, at[0]-40):min(len(text), at[1]+40)]))
				}
			}
		}
	}
	return found, nil
}

// isFixed reports whether the word at that place is part of a name that stays as it is.
func isFixed(name, text string, at []int) bool {
	around := text[max(0, at[0]-40):min(len(text), at[1]+40)]
	for where, words := range fixed {
		for _, w := range words {
			if strings.EqualFold(w, text[at[0]:at[1]]) && (name == where || strings.Contains(around, where)) {
				return true
			}
		}
	}
	return false
}

// TestFieldsWords holds code, messages and documentation to the words of the field.
func TestFieldsWords(t *testing.T) {
	var found []string
	for _, name := range tracked(t, "*.go", "*.md", "*.yaml", "*.service") {
		if strings.Contains(name, "/testdata/") {
			continue
		}
		bad, err := oddWords(name, content(t, name), terms)
		require.NoError(t, err)
		found = append(found, bad...)
	}
	require.Empty(t, found, strings.Join(found, "\n"))
}

func TestOddWordsAreNoticed(t *testing.T) {
	const product = "internal/p/p.go"
	for name, c := range map[string]struct {
		file, text string
		want       int
	}{
		"a message":                {product, "package p\n\nvar a = \"revision 3 is in force\"\n", 1},
		"a help text of two lines": {product, "package p\n\nvar a = `the key in\nforce, of nobody`\n", 2},
		"a comment of two lines":   {product, "package p\n\n// A is in\n// force.\nvar A = 1\n", 1},
		"an identifier":            {product, "package p\n\nfunc f(catalogueFile string) {}\n", 1},
		"a field":                  {product, "package p\n\ntype t struct { keyInForce string }\n", 1},
		"the name of a file":       {"internal/p/catalogue.go", "package p\n", 1},
		"a name of one folder":     {"workflows/w.go", "package p\n\nfunc lane() {}\n", 1},
		"that name elsewhere":      {product, "package p\n\nfunc lane() {}\n", 0},
		"documentation":            {"deploy/A.md", "The Catalogue is written anew.\n", 2},
		"a name of a format":       {product, "package p\n\ntype t struct { A bool `json:\"anew\"` }\n", 0},
		"what a test holds":        {"internal/p/p_test.go", "package p\n\nvar a = \"signed by a stranger\"\n", 0},
		"a comment may say nobody": {product, "package p\n\n// A is for nobody.\nvar A = 1\n", 0},
		"an example of a bad word": {".github/CONTRIBUTING.md", "not \"somebody\"", 0},
		"the field's words":        {product, "package p\n\n// A is the active catalog.\nvar A = \"cannot create the timeout\"\n", 0},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := oddWords(c.file, c.text, terms)
			require.NoError(t, err)
			require.Len(t, found, c.want, "%q", found)
		})
	}
}
