package resource

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/azure"
	"infrabackup/internal/backup"
	"infrabackup/internal/collect/resource/manager"
)

// TestReferencesInEverySpelling writes one reference in every way that stamps write it.
func TestReferencesInEverySpelling(t *testing.T) {
	const target = "/subscriptions/s/resourcegroups/g h/providers/microsoft.compute/disks/d"
	row := Type{References: []Reference{
		{Relation: "disk", Path: "properties.storageProfile.dataDisks.#.managedDisk.id", Resolve: To(backup.CRP)},
		{Relation: "disk", Path: "properties.ids", Resolve: To(backup.CRP)},
	}}
	for _, id := range []string{
		target, "/subscriptions/S/resourceGroups/G H/providers/Microsoft.Compute/disks/D",
		target + "/", " " + target + " ", target[1:], "//subscriptions/s//resourcegroups/g h/providers/microsoft.compute/disks/d",
		"/subscriptions/s/resourceGroups/g%20h/providers/Microsoft.Compute/disks/d", "/subscriptions/s/resourceGroups/%67%20h/providers/Microsoft.Compute/disks/d/",
	} {
		for _, form := range []string{
			`{"properties":{"storageProfile":{"dataDisks":[{"managedDisk":{"id":%q}}]}}}`,
			`{"Properties":{"StorageProfile":{"DataDisks":[{"ManagedDisk":{"Id":%q}}]}}}`,
			`{"properties":{"ids":[%q]}}`, `{"properties":{"IDs":%q}}`,
			"\xef\xbb\xbf {\"properties\":{\"ids\":[%q]}}\n",
		} {
			require.Equal(t, []backup.Reference{{Relation: "disk", Service: backup.CRP, Target: target}}, row.referencesIn(fmt.Appendf(nil, form, id)), "%s in %s", id, form)
		}
	}
	for _, nothing := range []string{"", " ", "/", "x", "https://elsewhere.example/subscriptions/s", "null"} {
		require.Empty(t, row.referencesIn(fmt.Appendf(nil, `{"properties":{"ids":[%q,null,7]}}`, nothing)), nothing)
	}
}

// TestPageWithNothingNew gives the walk a page whose elements were all on an earlier one:
// the pending set keeps it open.
func TestPageWithNothingNew(t *testing.T) {
	w := (&Collector{stamp: &azure.Stamp{}}).newWalk(nil)
	f := fetched{list: list{row: &Type{}, manager: &manager.Manager{Client: &azure.Client{}}, path: "/x"}}
	r := &reading{}
	for _, page := range []struct{ number, elements, new int }{{1, 2, 2}, {1, 1, 0}, {2, 3, 0}, {2, 0, 0}, {3, 0, 0}} {
		r.turnOver(w, f, page.number)
		r.elements, r.new = r.elements+page.elements, r.new+page.new
	}
	require.Empty(t, r.new)
	r.turnOver(w, f, 0)
	require.Len(t, w.pending.Left(), 1)
	require.Contains(t, w.pending.Left()[0], "page 2")
	require.Error(t, w.balance())
}
