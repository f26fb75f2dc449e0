package table

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"infrabackup/internal/diff/result"
	"infrabackup/internal/ui"
)

// What a table shows of a comparison; JSON has more.
const (
	changesShown = 200 // of a service
	detailsShown = 20  // of a change
	accessShown  = 200
)

// Diff shows what differs between two backups.
func Diff(w *tabwriter.Writer, r *result.Report) {
	Line(w, "A:", r.A.Name, ui.Time(r.A.StartedAt))
	Line(w, "B:", r.B.Name, ui.Time(r.B.StartedAt))
	Line(w)
	Line(w, "SERVICE", "IN A", "IN B", "ADDED", "REMOVED", "CHANGED", "MOVED", "IGNORED")
	for _, s := range r.Services {
		if !s.Compared {
			Line(w, s.Service, "-", "-", "-", "-", "-", "-", "not compared: "+s.Reason)
			continue
		}
		ignored := int64(0)
		for _, i := range s.Ignored {
			ignored += i.Count
		}
		Line(w, s.Service, s.ItemsA, s.ItemsB, s.Added, s.Removed, s.Changed, s.Moved, ignored)
	}
	if r.Same {
		Line(w)
		Line(w, "Nothing differs but what does not count.")
	}
	for _, s := range r.Services {
		changesOf(w, s)
	}
	accessTable(w, r.Access)
	ignoredTable(w, r.Services)
}

// changesOf shows the changes of a service. They have no columns: names and values are long.
func changesOf(w *tabwriter.Writer, s result.Service) {
	if len(s.Changes) == 0 {
		return
	}
	Line(w)
	Line(w, fmt.Sprintf("%s:", s.Service))
	for _, c := range s.Changes[:min(len(s.Changes), changesShown)] {
		text := fmt.Sprintf("  %s %s %s", c.How, strings.TrimSpace(c.Kind+" "+c.Class), c.Name)
		if c.Name != c.ID {
			text += " (" + c.ID + ")"
		}
		Line(w, text)
		if c.FromName != "" {
			Line(w, "      was called "+c.FromName)
		}
		if c.FromID != "" {
			Line(w, "      was "+c.FromID)
		}
		if c.Note != "" {
			Line(w, "      "+c.Note)
		}
		for _, d := range c.Details[:min(len(c.Details), detailsShown)] {
			Line(w, "      "+detail(d))
		}
		if more := int64(max(0, len(c.Details)-detailsShown)) + c.More; more > 0 {
			Line(w, fmt.Sprintf("      and %d more", more))
		}
	}
	if more := int64(max(0, len(s.Changes)-changesShown)) + s.NotListed; more > 0 {
		Line(w, fmt.Sprintf("  and %d more, which --json lists", more))
	}
}

// detail shows one difference on one line.
func detail(d result.Detail) string {
	switch {
	case d.Secret:
		return fmt.Sprintf("%s: a secret was %s", d.Path, d.How)
	case d.Before == nil && d.After == nil:
		return fmt.Sprintf("%s: %s", d.Path, d.How)
	case d.Before == nil:
		return d.Path + ": + " + *d.After
	case d.After == nil:
		return d.Path + ": - " + *d.Before
	}
	return d.Path + ": " + *d.Before + " -> " + *d.After
}

func accessTable(w *tabwriter.Writer, a result.Access) {
	if !a.Computed {
		Line(w)
		Line(w, "Access: not found out: "+a.Reason)
		return
	}
	if len(a.Rows) > 0 {
		Line(w)
		Line(w, "Access:")
	}
	for _, row := range a.Rows[:min(len(a.Rows), accessShown)] {
		word := "gained"
		if row.How == result.Removed {
			word = "lost"
		}
		who := row.Principal.Name
		if who == "" {
			who = row.Principal.SID
		}
		if row.Principal.Disabled {
			who += " (disabled)"
		}
		text := fmt.Sprintf("  %s %s %s at %s", who, word, strings.TrimSpace(row.Role+" "+strings.Join(row.Actions, ",")), row.Scope)
		if len(row.Path) > 0 {
			text += " through " + strings.Join(row.Path, " > ")
		}
		if row.Covered != "" {
			text += ", which it has at " + row.Covered + " as well"
		}
		Line(w, text)
	}
	if more := int64(max(0, len(a.Rows)-accessShown)) + a.NotListed; more > 0 {
		Line(w, fmt.Sprintf("  and %d more", more))
	}
	for _, role := range a.Roles {
		Line(w, fmt.Sprintf("  role %s (%s), %d assignments:", role.Name, role.RoleID, role.Assignments))
		for _, action := range role.Gained {
			Line(w, "      allows now "+action)
		}
		for _, action := range role.Lost {
			Line(w, "      allows no more "+action)
		}
	}
}

// ignoredTable shows why differences did not count.
func ignoredTable(w *tabwriter.Writer, services []result.Service) {
	begun := false
	for _, s := range services {
		for _, i := range s.Ignored {
			if !begun {
				Line(w)
				Line(w, "IGNORED", "COUNT", "REASON")
				begun = true
			}
			Line(w, s.Service, i.Count, i.Reason)
		}
	}
}
