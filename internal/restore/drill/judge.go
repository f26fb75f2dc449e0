package drill

import (
	"cmp"
	"slices"
	"strings"

	"infrabackup/internal/backup"
	"infrabackup/internal/diff/result"
	"infrabackup/internal/restore"
)

// maxFindings is how many unexplained differences a certificate lists.
const maxFindings = 100

// Evidence is what a drill found.
type Evidence struct {
	Plan   *restore.Plan
	Totals restore.Totals
	// Before are the items that the target had when the drill began.
	Before map[restore.Key]bool
	// Report compares the backup, A, with the target after the restore, B.
	Report *result.Report
	// Drilled are the services that were to be restored.
	Drilled []backup.Service
}

// Judge fills in what follows from the evidence: services, differences and the result.
func (c *Certificate) Judge(e Evidence) {
	c.PlanID, c.Totals = e.Plan.Header.PlanID, e.Totals
	w := &weighing{lost: map[restore.Key]string{}, explained: map[string]int64{}, before: e.Before}
	lost := map[string]int64{}
	for _, l := range e.Plan.Losses {
		w.lose(l.Key, l.Code)
		lost[l.Code]++
	}
	for _, r := range e.Plan.Refusals {
		w.lose(r.Key, r.Code)
		lost[r.Code]++
	}
	c.NotRestorable = classes(lost)
	services := map[backup.Service]*Service{}
	for _, s := range e.Drilled {
		services[s] = &Service{Service: s}
	}
	for _, s := range e.Plan.Steps {
		if one := services[s.Service]; one != nil {
			one.count(s.Action)
		}
	}
	for _, s := range e.Report.Services {
		one := services[s.Service]
		if one == nil {
			continue
		}
		one.Compared, one.Reason, one.Items, one.Found, one.Equal, one.Alike = s.Compared, s.Reason, s.ItemsA, s.ItemsB, s.Equal, s.Alike
		for _, change := range s.Changes {
			if finding, ok := w.weigh(s.Service, change); ok {
				one.Explained++
			} else {
				one.Unexplained++
				c.find(finding)
			}
		}
		one.Unexplained += s.NotListed
	}
	c.Explained = classes(w.explained)
	for _, s := range e.Drilled {
		c.Services = append(c.Services, *services[s])
		c.Unexplained += services[s].Unexplained
	}
	c.Result = c.verdict()
}

// verdict is Passed only when everything was looked at, something was restored, and nothing is
// left open.
func (c *Certificate) verdict() Result {
	if len(c.Services) == 0 || !c.Totals.Whole() || c.Unexplained > 0 {
		return NotPassed
	}
	var items, made int64
	for _, s := range c.Services {
		if !s.Compared {
			return NotPassed
		}
		items += s.Items
		made += s.Restored()
	}
	if items == 0 || made == 0 || c.Totals.Confirmed == 0 {
		return NotPassed
	}
	return Passed
}

func (s *Service) count(a restore.Action) {
	switch a {
	case restore.Create, restore.Along:
		s.Created++
	case restore.Update:
		s.Updated++
	case restore.Undelete:
		s.Undeleted++
	default:
		s.Skipped++
	}
}

// find lists a difference.
func (c *Certificate) find(f Finding) {
	if len(c.Findings) < maxFindings {
		c.Findings = append(c.Findings, f)
	}
}

// weighing tells explained differences from others.
type weighing struct {
	lost      map[restore.Key]string
	before    map[restore.Key]bool
	explained map[string]int64 // by reason
}

// lose notes that an item cannot come back. What is lost of one object in several phases is
// lost of the object.
func (w *weighing) lose(k restore.Key, code string) {
	k = Key(k.Service, k.Kind, k.ID)
	if known, ok := w.lost[k]; !ok || slices.Contains(partly, known) {
		w.lost[k] = code
	}
}

// Key is the key of an item for [Evidence.Before]: IDs have no case.
func Key(service backup.Service, kind, id string) restore.Key {
	return restore.Key{Service: service, Kind: kind, ID: strings.ToLower(id)}
}

// partly are codes of losses that are about a part of an item. They explain nothing by
// themselves: the table has what they lead to.
var partly = []string{"ADDRESS_NEW", "ATTACHED", "IDENTITY_NEW", "KEYS_NEW", "UNKNOWN_MEMBER"}

func (w *weighing) weigh(service backup.Service, change result.Change) (Finding, bool) {
	key := Key(service, change.Kind, change.ID)
	finding := Finding{Service: service, Kind: change.Kind, ID: change.ID, Change: string(change.How)}
	switch change.How {
	case result.Removed:
		if code, ok := w.lost[key]; ok && !slices.Contains(partly, code) {
			w.explained[code]++
			return finding, true
		}
	case result.Added:
		if w.before[key] {
			w.explained["the target had it before"]++
			return finding, true
		}
	case result.Changed:
		// Of an item that the plan left alone the target's own state is what there is.
		if code, ok := w.lost[key]; ok && !slices.Contains(partly, code) && w.before[key] {
			w.explained[code]++
			return finding, true
		}
		reasons := map[string]bool{}
		for _, d := range change.Details {
			reason, ok := expects(change.Kind, d)
			if !ok {
				finding.Path = d.Path
				return finding, false
			}
			reasons[reason] = true
		}
		if len(change.Details) > 0 && change.More == 0 {
			for reason := range reasons {
				w.explained[reason]++
			}
			return finding, true
		}
	}
	return finding, false
}

// classes are counts in the order of their names.
func classes(counts map[string]int64) []Class {
	all := []Class{}
	for reason, n := range counts {
		all = append(all, Class{reason, n})
	}
	slices.SortFunc(all, func(a, b Class) int { return cmp.Compare(a.Reason, b.Reason) })
	return all
}
