package consistency

import (
	"crypto/sha256"
	"slices"
	"strings"

	"infrabackup/internal/backup"
	"infrabackup/internal/compact"
)

// Limits of what is remembered; both take about 25 bytes for each.
const (
	// maxTargets is how many different targets are remembered. References to further
	// ones are unchecked.
	maxTargets = 2 << 20
	// maxSuperseded is how many items may have been captured again. A service with more
	// of them cannot be checked.
	maxSuperseded = 2 << 20
)

// Checker checks the references of one backup. Use it from one goroutine: [Checker.Note]
// for every entry, then [Checker.Check].
type Checker struct {
	captured map[backup.Service]*service
	targets  compact.Table[compact.Digest, bool]   // whether the target was found
	last     compact.Table[compact.Digest, uint32] // number of the last record of an item that has several

	relations map[string]*backup.RelationCount
	leftOut   int64
	dangling  []backup.DanglingReference

	maxTargets, maxSuperseded int // smaller in tests
}

// service is what is known of a service that is in the backup.
type service struct {
	entry      uint32 // number of the current entry in the current pass
	superseded bool   // some of its items were captured again
	refers     bool   // some of its items refer to others
	wanted     bool   // it is referred to
	unclear    bool   // too many of its items were captured again
}

// New makes a checker for a backup that holds the given services.
func New(captured ...backup.Service) *Checker {
	c := &Checker{
		captured:  map[backup.Service]*service{},
		relations: map[string]*backup.RelationCount{}, maxTargets: maxTargets, maxSuperseded: maxSuperseded,
	}
	for _, s := range captured {
		c.captured[s] = &service{}
	}
	return c
}

// Note takes an entry of the catalog. Entries of a service that was not given to
// [New] are passed over. Those of one service come in the order of the catalog, a
// record behind those that it supersedes.
func (c *Checker) Note(e backup.CatalogEntry) {
	s := c.captured[e.Service]
	if s == nil {
		return
	}
	s.entry++
	if e.Supersedes {
		c.supersede(s, &e)
	}
	if len(e.References) > 0 || e.ReferencesLeftOut > 0 {
		s.refers = true
	}
	for _, r := range e.References {
		target := c.captured[r.Service]
		if target == nil {
			continue
		}
		target.wanted = true
		key := keyOf(r.Service, r.Target)
		if _, known := c.targets.Get(key); !known && c.targets.Len() < c.maxTargets {
			c.targets.Put(key, false)
		}
	}
}

func (c *Checker) supersede(s *service, e *backup.CatalogEntry) {
	s.superseded = true
	key := keyOfItem(e)
	if _, known := c.last.Get(key); !known && c.last.Len() == c.maxSuperseded {
		s.unclear = true
		return
	}
	c.last.Put(key, s.entry)
}

// Check says which references dangle. Read hands every entry of a service to fn again,
// in the order in which they were noted; it is called for services that are referred
// to, then for those that refer to others, and so up to twice for each. Its error ends
// the check and is returned as it is.
//
// The skew of the result is empty: see [backup.MeasureSkew].
func (c *Checker) Check(read func(service backup.Service, fn func(backup.CatalogEntry)) error) (backup.Consistency, error) {
	find := func(s *service) bool { return s.wanted && !s.unclear }
	if err := c.pass(read, find, c.find); err != nil {
		return backup.Consistency{}, err
	}
	refer := func(s *service) bool { return s.refers }
	if err := c.pass(read, refer, c.settle); err != nil {
		return backup.Consistency{}, err
	}
	result := backup.Consistency{Relations: []backup.RelationCount{}, LeftOut: c.leftOut, Dangling: c.dangling}
	for _, r := range c.relations {
		result.Relations = append(result.Relations, *r)
	}
	slices.SortFunc(result.Relations, func(a, b backup.RelationCount) int { return strings.Compare(a.Relation, b.Relation) })
	return result, nil
}

// pass reads the services that matter and hands on the last record of each item. Of a
// service in which these cannot be told, all records are handed on.
func (c *Checker) pass(read func(backup.Service, func(backup.CatalogEntry)) error, matters func(*service) bool, do func(*service, *backup.CatalogEntry)) error {
	for _, name := range backup.Services() {
		s := c.captured[name]
		if s == nil || !matters(s) {
			continue
		}
		s.entry = 0
		err := read(name, func(e backup.CatalogEntry) {
			s.entry++
			if s.superseded && !s.unclear {
				if last, several := c.last.Get(keyOfItem(&e)); several && last != s.entry {
					return
				}
			}
			do(s, &e)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// find looks whether an item is referred to.
func (c *Checker) find(_ *service, e *backup.CatalogEntry) {
	c.found(keyOf(e.Service, e.ID))
	for _, alias := range e.Aliases {
		c.found(keyOf(e.Service, alias))
	}
}

func (c *Checker) found(key compact.Digest) {
	if found, wanted := c.targets.Get(key); wanted && !found {
		c.targets.Put(key, true)
	}
}

// settle counts the references of an item.
func (c *Checker) settle(s *service, e *backup.CatalogEntry) {
	c.leftOut += e.ReferencesLeftOut
	for _, r := range e.References {
		count := c.count(r.Relation)
		target := c.captured[r.Service]
		if target == nil || target.unclear || s.unclear {
			count.Unchecked++
			continue
		}
		found, known := c.targets.Get(keyOf(r.Service, r.Target))
		if !known {
			count.Unchecked++ // there were too many
			continue
		}
		count.Checked++
		if found {
			continue
		}
		count.Dangling++
		c.list(backup.DanglingReference{
			Service: e.Service, ID: backup.DanglingText(e.ID), Name: backup.DanglingText(e.Name),
			Relation: count.Relation, TargetService: r.Service, Target: backup.DanglingText(r.Target),
		})
	}
}

func (c *Checker) count(relation string) *backup.RelationCount {
	count := c.relations[relation]
	if count == nil && len(c.relations) >= backup.MaxRelations {
		relation = backup.OtherRelation
		count = c.relations[relation]
	}
	if count == nil {
		count = &backup.RelationCount{Relation: relation}
		c.relations[relation] = count
	}
	return count
}

// list keeps the first dangling references in their order.
func (c *Checker) list(d backup.DanglingReference) {
	at, _ := slices.BinarySearchFunc(c.dangling, d, backup.DanglingReference.Compare)
	if at == backup.MaxDangling {
		return
	}
	if len(c.dangling) == backup.MaxDangling {
		c.dangling = c.dangling[:backup.MaxDangling-1]
	}
	c.dangling = slices.Insert(c.dangling, at, d)
}

// keyOf names what can be referred to. Letters are folded, since Azure's IDs compare
// without case.
func keyOf(service backup.Service, name string) compact.Digest {
	return hash(string(service), strings.ToLower(name))
}

// keyOfItem names an item, whose ID is compared as it is.
func keyOfItem(e *backup.CatalogEntry) compact.Digest {
	return hash(string(e.Service), e.Kind, e.ID)
}

// hash separates the parts by a byte that none but the last can have.
func hash(parts ...string) compact.Digest {
	var buffer [256]byte
	text := buffer[:0]
	for i, part := range parts {
		if i > 0 {
			text = append(text, 0)
		}
		text = append(text, part...)
	}
	sum := sha256.Sum256(text)
	return compact.Digest(sum[:16])
}
