package resource

import (
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/azure"
	"infrabackup/internal/collect/resource/manager"
)

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
