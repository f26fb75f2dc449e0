package vault_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/restore/restoretest"
)

// TestConformance: into the stamp that was backed up, by blobs, and into another one, by values;
// and into a vault that moved on.
func TestConformance(t *testing.T) {
	for name, foreign := range map[string]bool{"home": false, "elsewhere": true} {
		t.Run(name, func(t *testing.T) {
			source := theSource(t)
			c := source.backup
			if foreign { // keys are refused there
				c = c.without("/keys/signing/")
			}
			world := func(t *testing.T, s *site) restoretest.World {
				return restoretest.World{Source: c.source(), Restorer: oneLane{s.restorer(foreign)}, State: s.state, Log: s.made,
					Move: func() { s.send("PUT", "/secrets/single", `{"value":"moved"}`) }}
			}
			deployment := map[bool]string{false: home, true: elsewhere}[foreign]
			restoretest.Run(t, restoretest.Suite{
				Empty: func(t *testing.T) restoretest.World { return world(t, open(t, deployment, `,"enableSoftDelete":true`)) },
				Drifted: func(t *testing.T) restoretest.World {
					s := open(t, home, `,"enableSoftDelete":true`, source.objects...)
					s.drift()
					w := world(t, s)
					w.Kept = func(t *testing.T) {
						require.Contains(t, s.state(), `"value":"came later"`)
						require.Contains(t, s.state(), `"email":"later@b.c"`)
					}
					w.Undone = func(t *testing.T, before, after string) { s.undone(t, before, after) }
					return w
				},
			})
		})
	}
}
