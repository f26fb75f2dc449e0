package restore_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/restore"
)

// called is a restorer whose items go by names that the catalog does not have.
type called struct{ restore.Restorer }

func (called) Names(e backup.CatalogEntry) []string { return []string{"Called:" + e.ID} }

// TestNamesOfARestorer: a need by a name that only the restorer knows brings the item along,
// before what needs it. Without the names nothing is found.
func TestNamesOfARestorer(t *testing.T) {
	w := newWorld(t, map[string]thing{"top": {Value: "t"}, "child": {Value: "c", Needs: []string{"called:TOP"}}})
	steps := func(r restore.Restorer) (ids []string) {
		planner := w.planner()
		planner.Restorers, planner.Selection = []restore.Restorer{r}, restore.Selection{Items: []string{"child"}}
		p, err := planner.Plan(t.Context())
		require.NoError(t, err)
		for _, s := range p.Steps {
			ids = append(ids, s.ID)
		}
		return ids
	}
	require.Equal(t, []string{"top", "child"}, steps(called{w.restorers()[0]}))
	require.Equal(t, []string{"child"}, steps(w.restorers()[0]))
}
