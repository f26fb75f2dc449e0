package alert

import (
	"cmp"
	"slices"

	"infrabackup/internal/backup"
)

// Evaluate returns the alerts that are open for the facts: the worst first, then in the order
// of the table, then by object. An object that appears twice is reported once.
func Evaluate(f Facts) []Alert {
	open := map[Key]Alert{}
	for _, a := range f.Open {
		open[a.Key()] = a
	}
	all := []Alert{}
	for _, r := range rows {
		seen := map[string]bool{}
		found := r.instances(&f)
		slices.SortStableFunc(found, func(a, b instance) int { return cmp.Compare(a.object, b.object) })
		for _, i := range found {
			if seen[i.object] {
				continue
			}
			seen[i.object] = true
			a := Alert{Cause: r.Cause, Object: i.object, Message: backup.Printable(i.message, maxMessage), Since: i.since}
			f.begin(&a, open)
			f.acknowledge(&a)
			all = append(all, a)
		}
	}
	slices.SortStableFunc(all, func(a, b Alert) int { return cmp.Compare(a.Severity.rank(), b.Severity.rank()) })
	return all
}

// instances returns the occurrences of a cause.
func (r row) instances(f *Facts) []instance {
	if r.raise != nil {
		return r.raise(f)
	}
	var first *Failure
	for i, x := range f.Failures {
		if cause, ok := OfFault(x.Code); !ok || cause != r.Code {
			continue
		}
		// The oldest one began it.
		if first == nil || x.Since.Before(first.Since) && !x.Since.IsZero() {
			first = &f.Failures[i]
		}
	}
	if first == nil {
		return nil
	}
	return one(first.Since, "%s: %s", first.Code, first.Message)
}

// begin gives an alert without a time of its own that of its opening. At the first evaluation
// that is not known, and stays so for as long as the alert is open.
func (f *Facts) begin(a *Alert, open map[Key]Alert) {
	if !a.Since.IsZero() {
		return
	}
	if before, was := open[a.Key()]; was {
		a.Since = before.Since
		return
	}
	if f.Open != nil {
		a.Since = f.Now
	}
}

// acknowledge applies the first acknowledgement of this opening: one from before it counts no
// more, and who took note of it is not made another by who does so again.
func (f *Facts) acknowledge(a *Alert) {
	for _, k := range f.Acknowledged {
		if k.Code == a.Code && k.Object == a.Object && !k.At.Before(a.Since) && (a.AcknowledgedAt.IsZero() || k.At.Before(a.AcknowledgedAt)) {
			a.AcknowledgedBy, a.AcknowledgedAt = k.By, k.At
		}
	}
}

// Changes returns what was opened and closed between two evaluations. An alert that is
// acknowledged, or whose message changes, is neither.
func Changes(before, after []Alert) (opened, closed []Alert) {
	return missing(after, before), missing(before, after)
}

// missing returns those of all that others has not.
func missing(all, others []Alert) []Alert {
	known := map[Key]bool{}
	for _, a := range others {
		known[a.Key()] = true
	}
	var out []Alert
	for _, a := range all {
		if !known[a.Key()] {
			out = append(out, a)
		}
	}
	return out
}
