package report

import (
	"embed"
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"

	"infrabackup/internal/diff/result"
	"infrabackup/internal/printable"
)

// MaxRows is how many rows a section of the page has.
const MaxRows = 2000

// maxDetails is how many details of one change the page shows.
const maxDetails = 50

//go:embed page.html.tmpl
var files embed.FS

var page = template.Must(template.New("page.html.tmpl").Funcs(template.FuncMap{
	"shown": printable.Text, "time": shownTime, "less": func(n, m int) bool { return n < m }, "join": strings.Join,
}).ParseFS(files, "page.html.tmpl"))

// Options are what a page says besides the report.
type Options struct {
	Made    time.Time // when the comparison was made
	Product string    // name and version of the program
	Command string    // that prints everything as JSON
}

// HTML writes a report as a page. Errors are those of w.
func HTML(w io.Writer, r *result.Report, o Options) error {
	if err := page.Execute(w, viewOf(r, o)); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	return nil
}

func shownTime(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

// view is what the page is made of: a report cut to what a page can hold.
type view struct {
	*result.Report
	Options  Options
	Sections []section
	Totals   totals
	Rows     []result.AccessRow
	MoreRows int64
}

type totals struct{ Added, Removed, Changed, Moved, Ignored int64 }

// section is one service.
type section struct {
	result.Service
	Open  bool // shown unfolded
	Rows  []change
	More  int64 // changes beyond the rows
	Total int64 // differences that do not count
}

type change struct {
	result.Change
	Details []result.Detail
	More    int64
}

// openBelow is how many changes a section has at most that is shown unfolded.
const openBelow = 200

func viewOf(r *result.Report, o Options) *view {
	v := &view{Report: r, Options: o, MoreRows: r.Access.NotListed}
	v.Rows = r.Access.Rows
	if len(v.Rows) > MaxRows {
		v.MoreRows += int64(len(v.Rows) - MaxRows)
		v.Rows = v.Rows[:MaxRows]
	}
	for _, s := range r.Services {
		one := section{Service: s, Open: len(s.Changes) > 0 && len(s.Changes) <= openBelow, More: s.NotListed}
		for _, i := range s.Ignored {
			one.Total += i.Count
		}
		for n, c := range s.Changes {
			if n >= MaxRows {
				one.More += int64(len(s.Changes) - n)
				break
			}
			shown := change{Change: c, Details: c.Details, More: c.More}
			if len(c.Details) > maxDetails {
				shown.More += int64(len(c.Details) - maxDetails)
				shown.Details = c.Details[:maxDetails]
			}
			one.Rows = append(one.Rows, shown)
		}
		v.Totals.Added += s.Added
		v.Totals.Removed += s.Removed
		v.Totals.Changed += s.Changed
		v.Totals.Moved += s.Moved
		v.Totals.Ignored += one.Total
		v.Sections = append(v.Sections, one)
	}
	return v
}
