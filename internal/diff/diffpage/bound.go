package diffpage

import (
	"encoding/json"
	"slices"

	"infrabackup/internal/diff/result"
	"infrabackup/internal/fault"
	"infrabackup/internal/printable"
)

// Bounds of what comes with the totals whatever differs, and of one difference.
const (
	maxWarnings = 50
	maxIgnored  = 100
	maxDetails  = 20
	maxText     = 1 << 10 // bytes of one text
	maxNames    = 50      // of a list of names in a row
)

// Bound returns a report with as many of the differences as fit into a number of bytes as JSON. Each
// list gets as much room as it needs, or a fair share of what there is; what is left out is counted
// beside it, as a report counts what it does not list. The report is not changed. LIMIT_EXCEEDED when
// the totals alone are more.
func Bound(r *result.Report, limit int) (*result.Report, error) {
	out := *r
	out.Warnings, out.WarningsNotListed = texts(r.Warnings, maxWarnings), r.WarningsNotListed+over(r.Warnings, maxWarnings)
	out.A, out.B = side(r.A), side(r.B)
	out.Services = slices.Clone(r.Services)
	out.Access.Rows, out.Access.Roles, out.Access.Reason = []result.AccessRow{}, []result.RoleChange{}, clip(r.Access.Reason)
	lists := make([]*list, 0, len(r.Services)+2)
	for i := range out.Services {
		s := &out.Services[i]
		s.Changes, s.Reason = []result.Change{}, clip(s.Reason)
		s.Ignored, s.Kinds = slices.Clone(s.Ignored[:min(len(s.Ignored), maxIgnored)]), slices.Clone(s.Kinds)
		for j := range s.Ignored {
			s.Ignored[j].Reason = clip(s.Ignored[j].Reason)
		}
		for j := range s.Kinds {
			s.Kinds[j].Kind = clip(s.Kinds[j].Kind)
		}
		lists = append(lists, &list{n: len(r.Services[i].Changes), take: func(n int) any {
			one := change(r.Services[i].Changes[n])
			return &one
		}, keep: func(one any) { s.Changes = append(s.Changes, *one.(*result.Change)) }, lose: func(n int) { s.NotListed += int64(n) }})
	}
	roles := &list{n: len(r.Access.Roles), take: func(n int) any { one := role(r.Access.Roles[n]); return &one }, keep: func(one any) { out.Access.Roles = append(out.Access.Roles, *one.(*result.RoleChange)) },
		lose: func(n int) { out.Access.RolesNotListed += int64(n) }}
	rows := &list{n: len(r.Access.Rows), take: func(n int) any { one := row(r.Access.Rows[n]); return &one }, keep: func(one any) { out.Access.Rows = append(out.Access.Rows, *one.(*result.AccessRow)) },
		lose: func(n int) { out.Access.NotListed += int64(n) }}
	lists = append(lists, roles, rows)
	fixed, err := size(out)
	if err != nil {
		return nil, err
	}
	left := limit - fixed - reserve
	if left < 0 {
		return nil, fault.Newf(fault.LimitExceeded, "the totals of the comparison have %d bytes, more than a result takes; compare fewer services at a time", fixed)
	}
	return &out, fill(lists, left)
}

// reserve is for the digits by which counts grow.
const reserve = 1 << 10

// list is one of the lists of a report.
type list struct {
	n     int // elements
	take  func(n int) any
	keep  func(one any)
	lose  func(n int)
	next  int
	ended bool
}

// fill gives lists what fits, in rounds: in each, every list that has more gets an equal share of
// what is left.
func fill(lists []*list, left int) error {
	for {
		var open []*list
		for _, l := range lists {
			if !l.ended {
				open = append(open, l)
			}
		}
		if len(open) == 0 {
			return nil
		}
		share, used := left/len(open), 0
		for _, l := range open {
			n, err := l.fill(share)
			if err != nil {
				return err
			}
			used += n
		}
		left -= used
		if used == 0 { // nothing that is left is as small as its share
			for _, l := range open {
				if !l.ended {
					l.lose(l.n - l.next)
				}
			}
			return nil
		}
	}
}

// fill keeps elements until one does not fit, and returns how many bytes they have.
func (l *list) fill(share int) (used int, err error) {
	for l.next < l.n {
		one := l.take(l.next)
		n, err := size(one)
		if err != nil {
			return used, err
		}
		if n++; used+n > share { // a comma
			return used, nil
		}
		l.keep(one)
		used += n
		l.next++
	}
	l.ended = true
	return used, nil
}

func size(v any) (int, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return 0, fault.New(fault.Internal, "encode a comparison", err)
	}
	return len(data), nil
}

func clip(text string) string { return printable.Clip(text, maxText) }

func texts(all []string, most int) []string {
	out := make([]string, 0, min(len(all), most))
	for _, one := range all[:min(len(all), most)] {
		out = append(out, clip(one))
	}
	return out
}

// over counts what is left out of a list.
func over(all []string, most int) int64 { return int64(max(0, len(all)-most)) }

func side(s result.Side) result.Side {
	s.Name, s.Path, s.Instance.Name, s.Instance.FQDN, s.Instance.Region = clip(s.Name), clip(s.Path), clip(s.Instance.Name), clip(s.Instance.FQDN), clip(s.Instance.Region)
	return s
}

// change cuts one difference to what a list can hold of each.
func change(c result.Change) result.Change {
	c.ID, c.Name, c.FromID, c.FromName, c.Note, c.Kind, c.Class = clip(c.ID), clip(c.Name), clip(c.FromID), clip(c.FromName), clip(c.Note), clip(c.Kind), clip(c.Class)
	if n := len(c.Details); n > maxDetails {
		c.Details, c.More = c.Details[:maxDetails], c.More+int64(n-maxDetails)
	}
	return c
}

func row(r result.AccessRow) result.AccessRow {
	r.Principal.Name, r.Scope, r.Role, r.Covered = clip(r.Principal.Name), clip(r.Scope), clip(r.Role), clip(r.Covered)
	r.NotListed += over(r.Actions, maxNames) + over(r.Path, maxNames)
	r.Actions, r.Path = texts(r.Actions, maxNames), texts(r.Path, maxNames)
	return r
}

func role(r result.RoleChange) result.RoleChange {
	r.NotListed += over(r.Gained, maxNames) + over(r.Lost, maxNames)
	r.Name, r.Gained, r.Lost = clip(r.Name), texts(r.Gained, maxNames), texts(r.Lost, maxNames)
	return r
}
