package consistency

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/tests/tier"
)

// naive is the check as one would write it with everything in memory.
func naive(captured []backup.Service, entries []backup.CatalogEntry) backup.Consistency {
	type key struct {
		service  backup.Service
		kind, id string
	}
	last := map[key]backup.CatalogEntry{}
	for _, e := range entries {
		if slices.Contains(captured, e.Service) {
			last[key{e.Service, e.Kind, e.ID}] = e
		}
	}
	there := func(service backup.Service, target string) bool {
		for _, e := range last {
			if e.Service != service {
				continue
			}
			for _, name := range append([]string{e.ID}, e.Aliases...) {
				if strings.EqualFold(name, target) {
					return true
				}
			}
		}
		return false
	}
	counts := map[string]backup.RelationCount{}
	result := backup.Consistency{Relations: []backup.RelationCount{}}
	for _, e := range last {
		result.LeftOut += e.ReferencesLeftOut
		for _, r := range e.References {
			n := counts[r.Relation]
			n.Relation = r.Relation
			switch {
			case !slices.Contains(captured, r.Service):
				n.Unchecked++
			case there(r.Service, r.Target):
				n.Checked++
			default:
				n.Checked++
				n.Dangling++
				result.Dangling = append(result.Dangling, backup.DanglingReference{
					Service: e.Service, ID: e.ID, Name: e.Name, Relation: r.Relation, TargetService: r.Service, Target: r.Target,
				})
			}
			counts[r.Relation] = n
		}
	}
	for _, n := range counts {
		result.Relations = append(result.Relations, n)
	}
	slices.SortFunc(result.Relations, func(a, b backup.RelationCount) int { return strings.Compare(a.Relation, b.Relation) })
	slices.SortFunc(result.Dangling, backup.DanglingReference.Compare)
	if len(result.Dangling) > backup.MaxDangling {
		result.Dangling = result.Dangling[:backup.MaxDangling]
	}
	return result
}

// randomCatalog draws names from so few that most of what can go wrong does: targets
// ahead and behind, items captured again and again, the same name in several services.
func randomCatalog(rng *rand.Rand) (captured []backup.Service, entries []backup.CatalogEntry) {
	for _, s := range backup.Services() {
		if rng.IntN(4) > 0 {
			captured = append(captured, s)
		}
	}
	names := 1 + rng.IntN(60)
	name := func() string {
		s := fmt.Sprint("/name/", rng.IntN(names))
		if rng.IntN(2) == 0 {
			return strings.ToUpper(s)
		}
		return s
	}
	type key struct {
		service  backup.Service
		kind, id string
	}
	seen := map[key]bool{}
	for range rng.IntN(400) {
		e := backup.CatalogEntry{Service: backup.Services()[rng.IntN(8)]}
		e.Kind, e.ID, e.Name = fmt.Sprint("kind-", rng.IntN(2)), name(), "n"
		k := key{e.Service, e.Kind, e.ID}
		e.Supersedes, seen[k] = seen[k], true
		for range rng.IntN(3) {
			e.Aliases = append(e.Aliases, "alias:"+name())
		}
		for range rng.IntN(4) {
			r := backup.Reference{Relation: fmt.Sprint("relation-", rng.IntN(5)), Service: backup.Services()[rng.IntN(8)], Target: name()}
			if rng.IntN(2) == 0 {
				r.Target = "alias:" + r.Target
			}
			e.References = append(e.References, r)
		}
		e.ReferencesLeftOut = int64(max(0, rng.IntN(20)-17))
		entries = append(entries, e)
	}
	// The catalog is grouped by service; the order of the services is free.
	order := rng.Perm(8)
	slices.SortStableFunc(entries, func(a, b backup.CatalogEntry) int { return order[a.Service.Order()] - order[b.Service.Order()] })
	return captured, entries
}

func TestAgreesWithTheNaiveCheck(t *testing.T) {
	for seed := range uint64(300) {
		captured, entries := randomCatalog(rand.New(rand.NewPCG(seed, 7)))
		require.Equal(t, naive(captured, entries), check(t, New(captured...), entries), "seed %d", seed)
	}
}

// TestMemoryOfAMillionItems: a directory of a million objects, of which 5,000 are
// referred to by 100,000 others, takes no more memory than the references need.
func TestMemoryOfAMillionItems(t *testing.T) {
	tier.Weighs(t)
	const objects, assignments, principals = 1_000_000, 100_000, 5_000
	each := func(service backup.Service, fn func(backup.CatalogEntry)) error {
		switch service {
		case backup.AD:
			for i := range objects {
				fn(backup.CatalogEntry{Service: backup.AD, Item: backup.Item{Kind: "o", ID: fmt.Sprint("guid-", i), Aliases: []string{fmt.Sprint("sid:s-1-5-21-", i)}}})
			}
		case backup.RBAC:
			for i := range assignments {
				fn(backup.CatalogEntry{Service: backup.RBAC, Item: backup.Item{Kind: "a", ID: fmt.Sprint("assignment-", i), References: []backup.Reference{
					{Relation: "principal", Service: backup.AD, Target: fmt.Sprint("sid:s-1-5-21-", i%principals*(objects/principals))},
				}}})
			}
		}
		return nil
	}
	c := New(backup.AD, backup.RBAC)
	before := heap()
	require.NoError(t, each(backup.AD, c.Note))
	require.NoError(t, each(backup.RBAC, c.Note))
	result, err := c.Check(each)
	require.NoError(t, err)
	grown := heap() - before
	runtime.KeepAlive(c)
	require.Equal(t, []backup.RelationCount{{Relation: "principal", Checked: assignments}}, result.Relations)
	require.Less(t, grown, int64(2<<20))
}

// TestMemoryOfManyTargets holds the promise of about 25 bytes for each.
func TestMemoryOfManyTargets(t *testing.T) {
	c := New(backup.AD)
	before := heap()
	for i := range 250_000 {
		c.Note(backup.CatalogEntry{Service: backup.AD, Item: backup.Item{Kind: "a", ID: fmt.Sprint(i), Supersedes: true, References: []backup.Reference{
			{Relation: "disk", Service: backup.AD, Target: fmt.Sprint("target-", i)},
		}}})
	}
	grown := heap() - before
	runtime.KeepAlive(c)
	require.Less(t, grown, int64(15<<20), "targets and superseded items, 250,000 each")
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
