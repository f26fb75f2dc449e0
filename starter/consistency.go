package main

import (
	"cmp"
	"fmt"
	"text/tabwriter"
	"time"

	"infrabackup/internal/backup"
)

// consistencyTable shows how well the services of a backup fit together.
func consistencyTable(w *tabwriter.Writer, c *backup.Consistency) {
	line(w)
	line(w, "Captured:", fmt.Sprintf("%s to %s, %s in all", when(c.Skew.Start), when(c.Skew.End), milliseconds(c.Skew.SpreadMS)))
	line(w, "Apart:", apart(c.Skew))
	checked, dangling, unchecked := c.Totals()
	line(w, "References:", fmt.Sprintf("%d checked, %d dangling, %d unchecked", checked, dangling, unchecked))
	if c.LeftOut > 0 {
		line(w, "", fmt.Sprintf("%d of the unchecked ones belong to items that have more than %d", c.LeftOut, backup.MaxReferences))
	}
	if len(c.Relations) > 0 {
		line(w)
		line(w, "RELATION", "CHECKED", "DANGLING", "UNCHECKED")
		for _, r := range c.Relations {
			line(w, r.Relation, r.Checked, r.Dangling, r.Unchecked)
		}
	}
	if len(c.Dangling) == 0 {
		return
	}
	line(w)
	if dangling > int64(len(c.Dangling)) {
		line(w, fmt.Sprintf("Dangling references, the first %d of %d:", len(c.Dangling), dangling))
	} else {
		line(w, "Dangling references:")
	}
	line(w, "  SERVICE", "RELATION", "MISSING TARGET", "ITEM", "ID")
	for _, d := range c.Dangling {
		line(w, "  "+string(d.Service), d.Relation, string(d.TargetService)+" "+d.Target, cmp.Or(d.Name, d.ID), d.ID)
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
