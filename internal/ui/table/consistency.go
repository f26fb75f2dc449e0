package table

import (
	"cmp"
	"fmt"
	"text/tabwriter"
	"time"

	"infrabackup/internal/backup"
	"infrabackup/internal/ui"
)

// consistencyTable shows how well the services of a backup fit together.
func consistencyTable(w *tabwriter.Writer, c *backup.Consistency) {
	Line(w)
	Line(w, "Captured:", fmt.Sprintf("%s to %s, %s in all", ui.Time(c.Skew.Start), ui.Time(c.Skew.End), milliseconds(c.Skew.SpreadMS)))
	Line(w, "Apart:", apart(c.Skew))
	checked, dangling, unchecked := c.Totals()
	Line(w, "References:", fmt.Sprintf("%d checked, %d dangling, %d unchecked", checked, dangling, unchecked))
	if c.LeftOut > 0 {
		Line(w, "", fmt.Sprintf("%d of the unchecked ones belong to items that have more than %d", c.LeftOut, backup.MaxReferences))
	}
	if len(c.Relations) > 0 {
		Line(w)
		Line(w, "RELATION", "CHECKED", "DANGLING", "UNCHECKED")
		for _, r := range c.Relations {
			Line(w, r.Relation, r.Checked, r.Dangling, r.Unchecked)
		}
	}
	if len(c.Dangling) == 0 {
		return
	}
	Line(w)
	if dangling > int64(len(c.Dangling)) {
		Line(w, fmt.Sprintf("Dangling references, the first %d of %d:", len(c.Dangling), dangling))
	} else {
		Line(w, "Dangling references:")
	}
	Line(w, "  SERVICE", "RELATION", "MISSING TARGET", "ITEM", "ID")
	for _, d := range c.Dangling {
		Line(w, "  "+string(d.Service), d.Relation, string(d.TargetService)+" "+d.Target, cmp.Or(d.Name, d.ID), d.ID)
	}
}

// apart says whether the services have a moment in common.
func apart(s backup.Skew) string {
	if s.ApartMS == 0 {
		return "nothing: there was a moment at which every service was being read"
	}
	return fmt.Sprintf("%s from the end of %s to the start of %s", milliseconds(s.ApartMS), s.First, s.Last)
}

func milliseconds(n int64) string { return (time.Duration(n) * time.Millisecond).String() }
