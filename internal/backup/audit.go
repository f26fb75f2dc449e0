package backup

import (
	"slices"
	"strings"
	"time"
)

// Audit is the outcome of checking everything that an instance has on a share: the
// ledger, and whether the backups are those that it tells of. It is good when there is
// no finding and no backup has one.
type Audit struct {
	Began     time.Time  `json:"began,omitzero"`   // what is newer may not be in it
	Entries   int        `json:"entries"`          // of the ledger
	Head      LedgerHead `json:"head"`             // as read from the share
	HeadKnown bool       `json:"headKnown"`        // it was compared with one that was kept elsewhere
	Backups   []Verdict  `json:"backups"`          // newest first
	Findings  []Finding  `json:"findings"`         // of the ledger and of the set as a whole
	Foreign   Foreign    `json:"foreign,omitzero"` // what is not this product's, outside of the backups' folders; no finding
}

// Good reports whether nothing is wrong.
func (a Audit) Good() bool {
	for _, v := range a.Backups {
		if len(v.Findings) > 0 {
			return false
		}
	}
	return len(a.Findings) == 0
}

// Add enters the verdict on one backup. Findings are sorted to where they belong, and
// each is kept once: those of the audit that lie in the backup's folder go to the
// verdict, those of the verdict that lie outside of it go to the audit.
func (a *Audit) Add(v Verdict) {
	findings := []Finding{}
	for _, f := range v.Findings {
		switch {
		case listed(findings, f):
		case f.within(v.Path):
			findings = append(findings, f)
		case !listed(a.Findings, f):
			a.Findings = append(a.Findings, f)
		}
	}
	a.Findings = slices.DeleteFunc(a.Findings, func(f Finding) bool {
		if !f.within(v.Path) {
			return false
		}
		if !listed(findings, f) {
			findings = append(findings, f)
		}
		return true
	})
	v.Findings = findings
	a.Backups = append(a.Backups, v)
}

// within reports whether the finding is about the folder or a file in it.
func (f Finding) within(folder string) bool {
	return f.File == folder || strings.HasPrefix(f.File, folder+"/")
}

// listed reports whether a finding of the same code and file is there.
func listed(findings []Finding, f Finding) bool {
	return slices.ContainsFunc(findings, func(g Finding) bool { return g.Code == f.Code && g.File == f.File })
}
