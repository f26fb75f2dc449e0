package mapping

import (
	"cmp"
	"slices"
	"strings"
	"sync"

	"infrabackup/internal/fault"
)

// How says how a pair was found.
type How string

// The ways. A pair is never guessed.
const (
	ByGUID  How = "guid"    // the target has an object with the same GUID
	ByRID   How = "rid"     // well-known identifier of a domain
	ByDN    How = "dn"      // object with the same place
	ByName  How = "name"    // object with the same account name
	Created How = "created" // the restore made it
	Given   How = "given"   // the operator's file says so
)

// Pair is what one identity of the source is in the target.
type Pair struct {
	Old string `json:"old"` // as the source has it: SID, GUID, ID, lower case
	New string `json:"new"`
	How How    `json:"how"`
}

// Map is the mapping of one restore. It may be used from several goroutines.
type Map struct {
	names *Names // chosen before, nil when the target has the source's names
	mu    sync.RWMutex
	pairs map[string]Pair
}

// Empty makes a map of nothing.
func Empty() *Map { return &Map{pairs: map[string]Pair{}} }

// For makes a map with the names that a site gives; nil stands for a target with the names of
// the source. Errors are those of [Site.Validate].
func For(s *Site) (*Map, error) {
	m := Empty()
	if s == nil {
		return m, nil
	}
	names, err := NewNames(s)
	if err != nil {
		return nil, err
	}
	m.names = names
	for from, to := range s.Principals {
		if err := m.Learn(Pair{Old: from, New: to, How: Given}); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// Names are those that were chosen before, nil for none.
func (m *Map) Names() *Names {
	if m == nil {
		return nil
	}
	return m.names
}

// New makes a map of what is known before.
func New(pairs ...Pair) (*Map, error) {
	m := Empty()
	for _, p := range pairs {
		if err := m.Learn(p); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// Learn enters a pair. The same pair again is no error; another identity for the same one
// is, RESTORE_CONFLICT, since what was written before relies on the first.
func (m *Map) Learn(p Pair) error {
	p.Old = strings.ToLower(p.Old)
	m.mu.Lock()
	defer m.mu.Unlock()
	if known, ok := m.pairs[p.Old]; ok && !strings.EqualFold(known.New, p.New) {
		return fault.Newf(fault.RestoreConflict, "%s is %s in the target (%s), and cannot be %s as well", p.Old, known.New, known.How, p.New)
	}
	m.pairs[p.Old] = p
	return nil
}

// Find returns what an identity of the source is in the target.
func (m *Map) Find(old string) (Pair, bool) {
	if m == nil {
		return Pair{}, false
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	p, ok := m.pairs[strings.ToLower(old)]
	return p, ok
}

// Pairs are all of them, sorted by the source's identity.
func (m *Map) Pairs() []Pair {
	m.mu.RLock()
	defer m.mu.RUnlock()
	all := make([]Pair, 0, len(m.pairs))
	for _, p := range m.pairs {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b Pair) int { return cmp.Compare(a.Old, b.Old) })
	return all
}
