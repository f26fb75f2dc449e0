package restore_test

import (
	"maps"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/restore/restoretest"
)

// TestConformance: the suite is held to the fake before restorers are held to the suite.
func TestConformance(t *testing.T) {
	things := map[string]thing{
		"net": {Value: "n"}, "subnet": {Value: "s", Within: "net"}, "nic": {Value: "i", Needs: []string{"subnet"}},
		"vm": {Value: "v", Needs: []string{"nic"}, Links: []string{"vm2"}}, "vm2": {Value: "w", Needs: []string{"nic"}, Links: []string{"vm"}, Lost: "its password"},
		"there": {Value: "same"}, "other": {Value: "wanted"},
	}
	open := func(t *testing.T, values map[string]string) restoretest.World {
		w := newWorld(t, maps.Clone(things))
		maps.Copy(w.place.values, values)
		return restoretest.World{Source: w.source(), Restorer: w.restorers()[0], State: w.place.dump,
			Move: func() { w.place.values["other"] = "moved" },
			Kept: func(t *testing.T) {
				t.Helper()
				require.Equal(t, values["later"], w.place.values["later"])
			},
			Log: func() map[string]int { return w.place.writes },
		}
	}
	restoretest.Run(t, restoretest.Suite{
		Empty: func(t *testing.T) restoretest.World { return open(t, nil) },
		Drifted: func(t *testing.T) restoretest.World {
			return open(t, map[string]string{"there": "same", "other": "differs", "later": "stays"})
		},
	})
}
