package directory

import (
	"fmt"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/require"

	"infrabackup/internal/restore"
	"infrabackup/internal/restore/restoretest"
	"infrabackup/tests/tier"
)

// TestLabConformance holds the restorer to its contract, with a backup whose identities the
// target does not know.
func TestLabConformance(t *testing.T) {
	d := useDC(t)
	ou := d.build(t, "suite")
	backup := d.capture(t, ou).elsewhere()
	world := func(t *testing.T) restoretest.World {
		return restoretest.World{Source: backup.source(), Restorer: d.restorer(t), State: func() string { return d.dump(t, ou) },
			Spared: func(s restore.Step) bool { return s.Phase == phaseRights && s.Action == restore.Create }}
	}
	restoretest.Run(t, restoretest.Suite{
		MaxCrashes: tier.Size(1, 1, 0),
		Empty: func(t *testing.T) restoretest.World {
			d.remove(t, ou)
			w := world(t)
			w.Move = func() { d.add(t, ou, "objectClass", "organizationalUnit") }
			return w
		},
		Drifted: func(t *testing.T) restoretest.World {
			d.build(t, "suite")
			later := "CN=later," + ou
			d.add(t, later, "objectClass", "user", "sAMAccountName", "suitelater")
			d.modify(t, "CN=Group ü,"+ou, func(m *ldap.ModifyRequest) {
				m.Delete("member", []string{d.user(ou, 2)})
				m.Add("member", []string{later})
			})
			d.modify(t, d.user(ou, 0), func(m *ldap.ModifyRequest) { m.Replace("displayName", []string{"other"}) })
			require.NoError(t, d.conn.Del(ldap.NewDelRequest(d.user(ou, 1), nil)))
			w := world(t)
			w.Move = func() {
				d.modify(t, d.user(ou, 0), func(m *ldap.ModifyRequest) { m.Replace("displayName", []string{"moved"}) })
			}
			w.Kept = func(t *testing.T) {
				t.Helper()
				require.Contains(t, d.dump(t, ou), fmt.Sprintf("%s memberOf %q", later, []string{"CN=Group ü," + ou}))
			}
			return w
		},
	})
}
