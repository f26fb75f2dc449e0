package report_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"infrabackup/internal/backup"
	"infrabackup/internal/diff/report"
	"infrabackup/internal/diff/result"
	"infrabackup/internal/printable"
)

// hostile is what a name may hold.
const hostile = "<script>alert(1)</script>\"' onload=x \u202ename\x1b[2J\x00 javascript:alert(1) </style> {{.}}"

func ptr(s string) *string { return &s }

// everything is a report in which every text is hostile.
func everything(rows int) *result.Report {
	side := result.Side{Name: hostile, Instance: backup.Instance{Name: hostile}, StartedAt: time.Unix(1e9, 0), Digest: strings.Repeat("ab", 32), Verified: true}
	r := &result.Report{A: side, B: side, Warnings: []string{hostile}, Access: result.Access{Computed: true, Gained: int64(rows), Roles: []result.RoleChange{{RoleID: hostile, Name: hostile, Type: hostile, Gained: []string{hostile}, Lost: []string{hostile}}}}}
	r.B.Digest = strings.Repeat("cd", 32)
	s := result.Service{Service: backup.AD, Compared: true, Added: 1, Ignored: []result.Ignored{{Reason: hostile, Count: 7}}}
	for i := range rows {
		s.Changes = append(s.Changes, result.Change{Kind: hostile, ID: fmt.Sprint(i, hostile), Name: hostile, How: result.Changed, Class: hostile, FromID: hostile, FromName: hostile, Note: hostile, More: 3,
			Details: []result.Detail{{Path: hostile, How: result.Changed, Before: ptr(hostile), After: ptr(hostile)}, {Path: hostile, How: result.Changed, Secret: true}}})
		r.Access.Rows = append(r.Access.Rows, result.AccessRow{Principal: result.Principal{SID: hostile, Name: hostile, Class: hostile, Disabled: true}, How: result.Added, Scope: hostile, Role: hostile, Actions: []string{hostile}, Path: []string{hostile}, Covered: hostile})
	}
	r.Services = []result.Service{s, {Service: backup.CA, Reason: hostile}, {Service: backup.ARM, Compared: true}}
	return r
}

var options = report.Options{Made: time.Unix(1e9, 0), Product: "infrabackup test", Command: "infrabackup backup diff A B --json"}

func render(t testing.TB, r *result.Report) string {
	t.Helper()
	var out strings.Builder
	require.NoError(t, report.HTML(&out, r, options))
	return out.String()
}

// TestNothingOfABackupIsMarkup: a page has the elements and attributes of its template, and
// nothing that names, values or reasons say.
func TestNothingOfABackupIsMarkup(t *testing.T) {
	text := render(t, everything(3))
	for _, r := range text {
		require.True(t, printable.Visible(r) || r == '\n', "%U", r)
	}
	allowed := map[string]string{
		"html": "lang", "head": "", "meta": "charset http-equiv content name", "title": "", "style": "", "body": "", "h1": "", "h2": "", "p": "class", "strong": "", "em": "", "table": "",
		"caption": "", "thead": "", "tbody": "", "tr": "", "th": "scope class", "td": "class", "code": "class", "span": "class", "br": "", "ul": "", "li": "", "details": "open", "summary": "",
	}
	seen := map[string]int{}
	tokens := html.NewTokenizer(strings.NewReader(text))
	for {
		kind := tokens.Next()
		if kind == html.ErrorToken {
			require.ErrorIs(t, tokens.Err(), io.EOF)
			break
		}
		if kind != html.StartTagToken && kind != html.SelfClosingTagToken {
			continue
		}
		token := tokens.Token()
		attributes, ok := allowed[token.Data]
		require.True(t, ok, token.Data)
		for _, a := range token.Attr {
			require.Contains(t, strings.Fields(attributes), a.Key, token.Data)
		}
		seen[token.Data]++
	}
	require.Equal(t, 1, seen["style"])
	require.Equal(t, 2, seen["details"])
	require.NotContains(t, text, "<script")
	require.Contains(t, text, "\\u202ename\\x1b[2J\\x00")
}

func TestPage(t *testing.T) {
	text := render(t, everything(3))
	require.Contains(t, text, `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">`)
	for _, part := range []string{"prefers-color-scheme: dark", "@media print", "Confidential", strings.Repeat("ab", 32), strings.Repeat("cd", 32), "a secret, not shown", "and 3 more", "infrabackup backup diff A B --json", "2001-09-09 01:46:40Z"} {
		require.Contains(t, text, part)
	}
	require.Less(t, strings.Index(text, "<h2>Summary"), strings.Index(text, "<h2>Who gained"), "counts come first")
	require.Less(t, strings.Index(text, "<h2>Who gained"), strings.Index(text, "<h2>Details"))
	head, _, _ := strings.Cut(text, "</head>")
	require.Contains(t, head, strings.Repeat("ab", 32), "digests are in the head")
	require.Equal(t, text, render(t, everything(3)), "the same report gives the same page")
	require.NotContains(t, render(t, &result.Report{Same: true}), "<h2>Who gained")
	require.Contains(t, render(t, &result.Report{Same: true}), "Nothing differs")
}

// TestManyRows: a page has so many rows a section, and says where the others are.
func TestManyRows(t *testing.T) {
	text := render(t, everything(report.MaxRows+5))
	require.Equal(t, 2*report.MaxRows, strings.Count(text, `<tr><td class="how`))
	require.Equal(t, 2, strings.Count(text, "5 more are in the JSON"))
	require.NotContains(t, text, "<details open>", "what is long is folded")
	r := everything(1)
	for i := range 60 {
		r.Services[0].Changes[0].Details = append(r.Services[0].Changes[0].Details, result.Detail{Path: fmt.Sprint(i)})
	}
	require.Contains(t, render(t, r), "and 15 more")
}

func TestWriteErrors(t *testing.T) {
	broken := errors.New("disk full")
	require.ErrorIs(t, report.HTML(failing{broken}, everything(1), options), broken)
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }
