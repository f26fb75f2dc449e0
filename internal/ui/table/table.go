package table

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"infrabackup/internal/printable"
)

// Line writes a line of a table; errors show when the table is flushed.
func Line(w *tabwriter.Writer, cells ...any) {
	text := make([]string, len(cells))
	for i, cell := range cells {
		text[i] = printable.Text(fmt.Sprint(cell))
	}
	_, _ = fmt.Fprintln(w, strings.Join(text, "\t"))
}
