package directory

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/require"

	"infrabackup/internal/collect/ad/record"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/restoretest"
)

// TestLabPrimaryGroup: an account gets its first group back, and is in no more groups than it
// was; what an undo leaves is what was there.
func TestLabPrimaryGroup(t *testing.T) {
	d := useDC(t)
	ou := d.build(t, "primary")
	three, first := d.user(ou, 3), "CN=First,"+ou
	backup := d.capture(t, ou)
	was := d.dump(t, ou)
	r := d.restorer(t)
	require.Empty(t, writes(labPlan(t, r, backup.source(), restore.Selection{})), "nothing moved yet")

	users := func() (in bool) {
		found, err := d.conn.Search(ldap.NewSearchRequest(d.domainUsers(), ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 0, false, "(member="+ldap.EscapeFilter(three)+")", []string{"cn"}, nil))
		require.NoError(t, err)
		return len(found.Entries) > 0
	}
	round := func(name string, want map[string]restore.Action) {
		t.Run(name, func(t *testing.T) {
			before := d.dump(t, ou)
			p, j := labPlan(t, r, backup.source(), restore.Selection{}), &restoretest.Journal{}
			require.Empty(t, p.Refusals)
			require.Equal(t, want, writes(p))
			labApply(t, r, backup.source(), p, j, nil)
			require.Equal(t, was, d.dump(t, ou))
			require.False(t, users(), "it was no member of these")
			require.Empty(t, writes(labPlan(t, r, backup.source(), restore.Selection{})))
			undo, err := restore.UndoPlan(t.Context(), p, j, "test", time.Now())
			require.NoError(t, err)
			labApply(t, r, backup.source(), undo, &restoretest.Journal{}, j)
			require.Equal(t, before, d.dump(t, ou))
		})
	}
	d.modify(t, d.domainUsers(), func(m *ldap.ModifyRequest) { m.Add("member", []string{three}) })
	d.first(t, three, "513")
	moved := map[string]restore.Action{`CN=User\, 3 primary group`: restore.Update}
	round("moved", moved)
	d.modify(t, first, func(m *ldap.ModifyRequest) { m.Delete("member", []string{three}) })
	round("no member", moved)
	require.NoError(t, d.conn.Del(ldap.NewDelRequest(three, nil)))
	require.NoError(t, d.conn.Del(ldap.NewDelRequest(first, nil)))
	require.NoError(t, d.conn.Del(ldap.NewDelRequest("CN=host,"+ou, nil)))
	round("both deleted", map[string]restore.Action{
		`CN=User\, 3 `: restore.Undelete, `CN=User\, 3 state`: restore.Create, `CN=User\, 3 primary group`: restore.Create, "CN=First ": restore.Undelete,
		"CN=host ": restore.Undelete, "CN=host state": restore.Create,
	})
}

// TestLabStillMember: who is a member of the group besides that was its first, as a controller
// makes it by itself, is so again.
func TestLabStillMember(t *testing.T) {
	d := useDC(t)
	ou := d.build(t, "still")
	zero, first := d.user(ou, 0), "CN=First,"+ou
	d.modify(t, first, func(m *ldap.ModifyRequest) { m.Add("member", []string{zero}) })
	d.first(t, zero, d.rid(t, first))
	backup := d.capture(t, ou)
	was := d.dump(t, ou)
	require.Contains(t, was, zero+` memberOf ["CN=Domain Users`)
	other := backup.elsewhere()
	r := d.restorer(t)
	d.remove(t, ou)
	p := labPlan(t, r, other.source(), restore.Selection{})
	require.Empty(t, p.Refusals)
	labApply(t, r, other.source(), p, &restoretest.Journal{}, nil)
	is := d.dump(t, ou)
	require.Equal(t, was, is)
	require.Empty(t, writes(labPlan(t, r, other.source(), restore.Selection{})))

	// The group's own links bring no member whose first group it is: that is one already.
	users := d.capture(t, d.domainUsers())
	at := slices.IndexFunc(users.records, func(r *record.Record) bool { return strings.HasPrefix(r.DN, "CN=Domain Users,") })
	require.GreaterOrEqual(t, at, 0)
	d.modify(t, zero, func(m *ldap.ModifyRequest) { m.Replace(primaryGroupID, []string{"513"}) })
	require.Empty(t, writes(labPlan(t, r, users.source(), restore.Selection{})))
}
