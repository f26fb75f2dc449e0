package backup

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"infrabackup/internal/printable"
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

// MaxAuditBytes is how large an audit may be as JSON, so that whoever carries it takes it.
const MaxAuditBytes = 3 << 19

// Fit makes an audit small enough, whatever names and how many findings there are. What
// nobody has to be alarmed at goes first. Of the findings on the whole, one of each code
// stays, and of those on each backup as long as there is room, in the end one: the verdict
// remains what it was. What is left out is counted.
func (a *Audit) Fit() {
	if a.size() <= MaxAuditBytes {
		return
	}
	a.Foreign.Names = []string{}
	for i := range a.Backups {
		a.Backups[i].Foreign.Names = []string{}
	}
	whole := *a
	whole.Backups = slices.Clone(a.Backups)
	const short = 120 // bytes of each text when nothing else helps
	for _, step := range []struct{ keep, text int }{{64, maxMessage}, {16, maxMessage}, {4, maxMessage}, {1, maxMessage}, {1, short}} {
		if a.size() <= MaxAuditBytes {
			return
		}
		a.Findings = fewer(whole.Findings, max(4*step.keep, codesOf(whole.Findings)), step.text)
		for i, v := range whole.Backups {
			a.Backups[i].Findings = fewer(v.Findings, step.keep, step.text)
		}
	}
}

// fewer returns at most n findings with so much of each text, the first of each code
// before others. The last says how many are left out.
func fewer(findings []Finding, n, text int) []Finding {
	seen := map[string]bool{}
	firsts, others := []Finding{}, []Finding{}
	for _, f := range findings {
		f.File, f.Message = printable.Clip(f.File, text), printable.Clip(f.Message, text)
		if seen[f.Code] {
			others = append(others, f)
		} else {
			seen[f.Code] = true
			firsts = append(firsts, f)
		}
	}
	kept := append(firsts, others...)
	if left := len(kept) - n; left > 0 {
		kept = kept[:n]
		kept[n-1].Message += fmt.Sprintf(" (%d more findings are left out)", left)
	}
	return kept
}

// codesOf is how many codes findings have.
func codesOf(findings []Finding) int {
	codes := map[string]bool{}
	for _, f := range findings {
		codes[f.Code] = true
	}
	return len(codes)
}

// size is the length of the audit as JSON.
func (a *Audit) size() int {
	text, err := json.Marshal(a)
	if err != nil {
		return MaxAuditBytes + 1 // of a time that JSON cannot hold: whoever carries it says so
	}
	return len(text)
}

// Add enters the verdict on one backup. Findings are sorted to where they belong, and
// each is kept once: those of the audit that lie in the backup's folder go to the
// verdict, those of the verdict that lie outside of it go to the audit.
func (a *Audit) Add(v Verdict) {
	findings := []Finding{}
	for _, f := range v.Findings {
		switch {
		case listed(findings, f):
		case f.Within(v.Path):
			findings = append(findings, f)
		case !listed(a.Findings, f):
			a.Findings = append(a.Findings, f)
		}
	}
	a.Findings = slices.DeleteFunc(a.Findings, func(f Finding) bool {
		if !f.Within(v.Path) {
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

// Within reports whether the finding is about the folder or a file in it. Both are relative to
// the share's path.
func (f Finding) Within(folder string) bool {
	return f.File == folder || strings.HasPrefix(f.File, folder+"/")
}

// listed reports whether a finding of the same code and file is there.
func listed(findings []Finding, f Finding) bool {
	return slices.ContainsFunc(findings, func(g Finding) bool { return g.Code == f.Code && g.File == f.File })
}
