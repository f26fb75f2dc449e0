package table

import (
	"errors"
	"io"
	"text/tabwriter"

	"infrabackup/internal/backup"
)

// Items prints the items that list gives, as they come. Nothing is printed when it fails before
// the first.
func Items(out io.Writer, list func(fn func(backup.CatalogEntry) error) error) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	begun := false
	begin := func() {
		if !begun {
			Line(w, "SERVICE", "KIND", "ID", "SIZE", "NAME")
		}
		begun = true
	}
	err := list(func(e backup.CatalogEntry) error {
		begin()
		Line(w, e.Service, e.Kind, e.ID, e.Length, e.Name)
		return nil
	})
	if err == nil {
		begin()
	}
	return errors.Join(err, w.Flush())
}
