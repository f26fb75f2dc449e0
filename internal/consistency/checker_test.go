package consistency

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
)

// relations are those that collectors use, with the services between which they lie.
var relations = []struct {
	relation string
	from, to backup.Service
	target   string
}{
	{"principal", backup.RBAC, backup.AD, "sid:s-1-5-21-1-2-3-1104"},
	{"principal", backup.KeyVault, backup.AD, "sid:s-1-5-21-1-2-3-1105"},
	{"role-definition", backup.RBAC, backup.RBAC, "role:8e3af657-a8ff-443c-a75c-2fe8c4bcb635"},
	{"offer", backup.ARM, backup.ARM, "/subscriptions/s/providers/microsoft.subscriptions.admin/offers/o"},
	{"plan", backup.ARM, backup.ARM, "/subscriptions/s/providers/microsoft.subscriptions.admin/plans/p"},
	{"quota", backup.ARM, backup.CRP, "/subscriptions/s/providers/microsoft.compute.admin/quotas/q"},
	{"quota", backup.ARM, backup.KeyVault, "/subscriptions/s/providers/microsoft.keyvault.admin/quotas/q"},
	{"subnet", backup.NRP, backup.NRP, "/subscriptions/s/providers/microsoft.network/virtualnetworks/v/subnets/n"},
	{"disk", backup.CRP, backup.CRP, "/subscriptions/s/providers/microsoft.compute/disks/d"},
	{"network-interface", backup.CRP, backup.NRP, "/subscriptions/s/providers/microsoft.network/networkinterfaces/i"},
	{"issuing-ca", backup.KeyVault, backup.CA, "key-id:0a1b2c"},
}

func item(service backup.Service, id string, aliases ...string) backup.CatalogEntry {
	return backup.CatalogEntry{Service: service, Item: backup.Item{Kind: "thing", ID: id, Name: "name of " + id, Aliases: aliases}}
}

func referring(e backup.CatalogEntry, references ...backup.Reference) backup.CatalogEntry {
	e.References = references
	return e
}

func superseding(e backup.CatalogEntry) backup.CatalogEntry {
	e.Supersedes = true
	return e
}

// check runs a checker over entries, and makes sure that no service is read more often
// than twice.
func check(t testing.TB, c *Checker, entries []backup.CatalogEntry) backup.Consistency {
	t.Helper()
	for _, e := range entries {
		c.Note(e)
	}
	reads := map[backup.Service]int{}
	result, err := c.Check(func(service backup.Service, fn func(backup.CatalogEntry)) error {
		reads[service]++
		require.LessOrEqual(t, reads[service], 2)
		for _, e := range entries {
			if e.Service == service {
				fn(e)
			}
		}
		return nil
	})
	require.NoError(t, err)
	return result
}

func TestEveryRelation(t *testing.T) {
	var whole []backup.CatalogEntry
	for i, r := range relations {
		from := referring(item(r.from, fmt.Sprint("from-", i)), backup.Reference{Relation: r.relation, Service: r.to, Target: r.target})
		to := item(r.to, strings.ToUpper(r.target))
		if strings.Contains(r.target, ":") {
			to = item(r.to, fmt.Sprint("to-", i), r.target)
		}
		whole = append(whole, from, to) // the target lies behind
	}
	sound := check(t, New(backup.Services()...), whole)
	require.Empty(t, sound.Dangling)
	checked, dangling, unchecked := sound.Totals()
	require.Equal(t, []int64{int64(len(relations)), 0, 0}, []int64{checked, dangling, unchecked})

	for i, r := range relations {
		t.Run(fmt.Sprintf("%s of %s in %s", r.relation, r.from, r.to), func(t *testing.T) {
			without := slices.Delete(slices.Clone(whole), 2*i+1, 2*i+2)
			want := backup.DanglingReference{
				Service: r.from, ID: fmt.Sprint("from-", i), Name: fmt.Sprint("name of from-", i),
				Relation: r.relation, TargetService: r.to, Target: r.target,
			}
			got := check(t, New(backup.Services()...), without)
			require.Equal(t, []backup.DanglingReference{want}, got.Dangling)
			_, dangling, unchecked := got.Totals()
			require.Equal(t, []int64{1, 0}, []int64{dangling, unchecked})

			// The same name in another service is another thing.
			elsewhere := slices.Clone(without)
			for _, s := range backup.Services() {
				if s != r.to {
					elsewhere = append(elsewhere, item(s, r.target), item(s, "x", r.target))
				}
			}
			require.Equal(t, []backup.DanglingReference{want}, check(t, New(backup.Services()...), elsewhere).Dangling)

			others := slices.DeleteFunc(backup.Services(), func(s backup.Service) bool { return s == r.to })
			failed := check(t, New(others...), slices.DeleteFunc(slices.Clone(without), func(e backup.CatalogEntry) bool { return e.Service == r.to }))
			require.NotContains(t, failed.Dangling, want, "the target's service failed")
		})
	}
}

func TestOnlyTheLastRecordCounts(t *testing.T) {
	ref := backup.Reference{Relation: "principal", Service: backup.AD, Target: "sid:1"}
	other := backup.Reference{Relation: "principal", Service: backup.AD, Target: "sid:2"}
	owner := referring(item(backup.RBAC, "a"), ref)
	for name, tc := range map[string]struct {
		entries           []backup.CatalogEntry
		checked, dangling int64
	}{
		"target deleted meanwhile": {[]backup.CatalogEntry{item(backup.AD, "u", "sid:1"), superseding(item(backup.AD, "u")), owner}, 1, 1},
		"target made meanwhile":    {[]backup.CatalogEntry{item(backup.AD, "u"), superseding(item(backup.AD, "u", "sid:1")), owner}, 1, 0},
		"twice": {[]backup.CatalogEntry{
			item(backup.AD, "u"), superseding(item(backup.AD, "u", "sid:1")), item(backup.AD, "v"), superseding(item(backup.AD, "u")), owner,
		}, 1, 1},
		"owner changed":  {[]backup.CatalogEntry{item(backup.AD, "u", "sid:2"), owner, superseding(referring(item(backup.RBAC, "a"), other))}, 1, 0},
		"owner let go":   {[]backup.CatalogEntry{item(backup.AD, "u"), owner, superseding(item(backup.RBAC, "a"))}, 0, 0},
		"owner took on":  {[]backup.CatalogEntry{item(backup.AD, "u"), item(backup.RBAC, "a"), superseding(owner)}, 1, 1},
		"nothing before": {[]backup.CatalogEntry{superseding(item(backup.AD, "u", "sid:1")), superseding(owner)}, 1, 0},
		"another kind": {[]backup.CatalogEntry{item(backup.AD, "u", "sid:1"), superseding(backup.CatalogEntry{
			Service: backup.AD, Item: backup.Item{Kind: "else", ID: "u"},
		}), owner}, 1, 0},
		"another service": {[]backup.CatalogEntry{item(backup.AD, "a", "sid:1"), superseding(item(backup.CA, "a")), owner}, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			checked, dangling, unchecked := ptr(check(t, New(backup.Services()...), tc.entries)).Totals()
			require.Equal(t, []int64{tc.checked, tc.dangling, 0}, []int64{checked, dangling, unchecked})
		})
	}
}

func ptr[T any](v T) *T { return &v }

func TestUnchecked(t *testing.T) {
	ref := func(n int) backup.Reference {
		return backup.Reference{Relation: "principal", Service: backup.AD, Target: fmt.Sprint("sid:", n)}
	}
	many := item(backup.KeyVault, "v")
	many.ReferencesLeftOut = 7
	entries := []backup.CatalogEntry{
		item(backup.AD, "u", "sid:0"), superseding(item(backup.AD, "u", "sid:0")), item(backup.AD, "w"), superseding(item(backup.AD, "w")),
		referring(item(backup.RBAC, "a"), ref(0), ref(1), ref(2)), referring(many, ref(1)),
	}
	counts := func(c *Checker, entries []backup.CatalogEntry) []int64 {
		checked, dangling, unchecked := ptr(check(t, c, entries)).Totals()
		return []int64{checked, dangling, unchecked}
	}
	require.Equal(t, []int64{4, 3, 7}, counts(New(backup.Services()...), entries))
	require.Equal(t, []int64{0, 0, 11}, counts(New(backup.RBAC, backup.KeyVault), entries), "no part of AD")
	require.Equal(t, []int64{3, 2, 0}, counts(New(backup.RBAC, backup.AD), entries), "no part of KeyVault")
	require.Equal(t, []int64{0, 0, 0}, counts(New(), entries))

	few := New(backup.Services()...)
	few.maxTargets = 2
	require.Equal(t, []int64{3, 2, 8}, counts(few, entries), "more targets than can be remembered")
	few = New(backup.Services()...)
	few.maxSuperseded = 1
	require.Equal(t, []int64{0, 0, 11}, counts(few, entries), "more changes than can be remembered: which records are the last is not known")
}

func TestListIsBoundedAndSorted(t *testing.T) {
	var entries []backup.CatalogEntry
	for i := range 1000 {
		for _, s := range []backup.Service{backup.RBAC, backup.ARM} {
			entries = append(entries, referring(item(s, fmt.Sprintf("%04d\n%s", i, strings.Repeat("ü", 2000))),
				backup.Reference{Relation: fmt.Sprint("relation-", i%100), Service: backup.AD, Target: strings.Repeat("\x1b", 1000)}))
		}
	}
	want := check(t, New(backup.Services()...), entries)
	require.Len(t, want.Dangling, backup.MaxDangling)
	require.True(t, slices.IsSortedFunc(want.Dangling, backup.DanglingReference.Compare))
	require.Equal(t, "0000?", want.Dangling[0].ID[:5])
	require.Equal(t, backup.ARM, want.Dangling[backup.MaxDangling-1].Service)
	require.LessOrEqual(t, len(want.Relations), backup.MaxRelations+1)
	_, dangling, _ := want.Totals()
	require.Equal(t, int64(2000), dangling)
	require.Equal(t, strings.Repeat("?", 1000), want.Dangling[0].Target)

	// Which relations are told apart depends on the order, the rest does not.
	for i := range entries {
		entries[i].References[0].Relation = "principal"
	}
	want = check(t, New(backup.Services()...), entries)
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(entries), func(i, j int) { entries[i], entries[j] = entries[j], entries[i] })
	require.Equal(t, want, check(t, New(backup.Services()...), entries))
}

func TestReadsNothingForNothing(t *testing.T) {
	c := New(backup.Services()...)
	c.Note(item(backup.AD, "u", "sid:1"))
	c.Note(superseding(item(backup.AD, "u", "sid:1")))
	result, err := c.Check(func(backup.Service, func(backup.CatalogEntry)) error { return errors.New("not to be called") })
	require.NoError(t, err)
	require.Empty(t, result.Relations)
}

func TestErrorsOfReadingArePassedOn(t *testing.T) {
	gone := errors.New("gone")
	for failing := range 2 {
		c := New(backup.Services()...)
		c.Note(referring(item(backup.RBAC, "a"), backup.Reference{Relation: "principal", Service: backup.AD, Target: "sid:1"}))
		calls := 0
		_, err := c.Check(func(backup.Service, func(backup.CatalogEntry)) error {
			if calls++; calls > failing {
				return gone
			}
			return nil
		})
		require.Equal(t, gone, err)
	}
}
