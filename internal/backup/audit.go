package backup

// Audit is the outcome of checking everything that an instance has on a share: the
// ledger, and whether the backups are those that it tells of. It is good when there is
// no finding and no backup has one.
type Audit struct {
	Entries   int        `json:"entries"`   // of the ledger
	Head      LedgerHead `json:"head"`      // as read from the share
	HeadKnown bool       `json:"headKnown"` // it was compared with one that was kept elsewhere
	Backups   []Verdict  `json:"backups"`   // newest first
	Findings  []Finding  `json:"findings"`  // of the ledger and of the set as a whole
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
