package diffpage

import (
	"encoding/json"
	"slices"

	"infrabackup/internal/backup"
	"infrabackup/internal/diff/result"
)

// Section is a part of a report.
type Section string

// The sections.
const (
	Changes Section = "changes" // items that differ
	Access  Section = "access"  // who gained or lost access
	Roles   Section = "roles"   // roles that allow something else than before
)

// Known reports whether there is such a section.
func (s Section) Known() bool { return slices.Contains([]Section{Changes, Access, Roles}, s) }

// MaxRows is how many rows a page has at most, and maxBytes bounds them as JSON.
const (
	MaxRows  = 500
	maxBytes = 512 << 10
)

// Query says which rows are wanted.
type Query struct {
	Section Section
	Service backup.Service // of changes; empty for all
	From    int
	Count   int // at most MaxRows
}

// Page is every total of a report, and some rows of one of its sections.
type Page struct {
	Report *result.Report `json:"report"` // without lists: its totals
	// LeftOut counts the differences that are in no list, since there are too many; a comparison on
	// the command line has all of them.
	LeftOut int64 `json:"leftOut"`
	// RoleChanges counts the roles that allow something else, listed or not.
	RoleChanges int64 `json:"roleChanges"`

	Section Section        `json:"section"`
	Service backup.Service `json:"service,omitempty"`
	From    int            `json:"from"`  // number of the first row, from 0 on
	Total   int            `json:"total"` // rows of the section that are listed
	Next    int            `json:"next"`  // where the next page begins; 0 when this is the last one
	// Changes, Access and Roles are the rows of the section of their name.
	Changes []Change            `json:"changes,omitempty"`
	Access  []result.AccessRow  `json:"access,omitempty"`
	Roles   []result.RoleChange `json:"roles,omitempty"`
}

// Change is an item that differs, with its service.
type Change struct {
	Service backup.Service `json:"service"`
	result.Change
}

// Of returns a page of a report.
func Of(r *result.Report, q Query) Page {
	totals := *r
	totals.Services = slices.Clone(r.Services)
	totals.Access.Rows, totals.Access.Roles = []result.AccessRow{}, []result.RoleChange{}
	p := Page{Report: &totals, LeftOut: r.Access.NotListed + r.Access.RolesNotListed, RoleChanges: int64(len(r.Access.Roles)) + r.Access.RolesNotListed, Section: q.Section, Service: q.Service, From: q.From}
	var changes []Change
	for i := range totals.Services {
		s := &totals.Services[i]
		p.LeftOut += s.NotListed
		if q.Section == Changes && (q.Service == "" || q.Service == s.Service) {
			for _, one := range s.Changes {
				changes = append(changes, Change{s.Service, one})
			}
		}
		s.Changes = []result.Change{}
	}
	switch q.Section {
	case Access:
		p.Access, p.Total = rows(r.Access.Rows, q), len(r.Access.Rows)
		p.end(len(p.Access))
	case Roles:
		p.Roles, p.Total = rows(r.Access.Roles, q), len(r.Access.Roles)
		p.end(len(p.Roles))
	default:
		p.Changes, p.Total = rows(changes, q), len(changes)
		p.end(len(p.Changes))
	}
	return p
}

// end notes where the next page begins.
func (p *Page) end(shown int) {
	if next := p.From + shown; shown > 0 && next < p.Total {
		p.Next = next
	}
}

// rows takes those of a page, fewer where it would be too large.
func rows[Row any](all []Row, q Query) (out []Row) {
	all = all[min(max(q.From, 0), len(all)):]
	total := 0
	for _, one := range all[:min(q.Count, MaxRows, len(all))] {
		text, err := json.Marshal(one)
		if total += len(text); err != nil || len(out) > 0 && total > maxBytes {
			break // what cannot be written is on no page; these types always can
		}
		out = append(out, one)
	}
	return out
}
