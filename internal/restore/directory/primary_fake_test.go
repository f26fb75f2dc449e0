package directory

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect/ad/record"
	"infrabackup/internal/fault"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/mapping"
)

// sidIn is a SID of another domain than [sidOf], as bytes.
func sidIn(domain, rid byte) string {
	return strings.Replace(sidOf(rid), "\x03\x00\x00\x00", string([]byte{domain, 0, 0, 0}), 1)
}

const firstGroup = "44444444-4444-4444-8444-444444444444"

// withFirst is a user whose first group is one of its own.
func withFirst() *record.Record {
	r := user()
	r.Attribute(primaryGroupID).Values = bytesOf("4105") // sidOf(9)
	return r
}

// TestFirstGroupMadeAgain: a group that was made again has another relative identifier, which
// the account gets; of the group that a controller gave it, it is no member afterwards.
func TestFirstGroupMadeAgain(t *testing.T) {
	f := newFakeDC()
	users := f.put("CN=Domain Users,"+corp, "objectClass", "group", "objectSid", strings.Replace(sidOf(1), "\x01\x10\x00\x00", "\x01\x02\x00\x00", 1))
	group := f.put("CN=First,"+corp, "objectClass", "group", "objectSid", sidOf(0x77))
	f.objects[guidUser] = &fakeObject{dn: user().DN, values: map[string][]string{"objectclass": {"user"}, "objectsid": {sidOf(4)}, "primarygroupid": {"513"}}}
	r := f.restorer(t)
	r.Names(backup.CatalogEntry{Item: backup.Item{Kind: record.Kind, ID: firstGroup, Name: "CN=First," + corp, Aliases: []string{"sid:s-1-5-21-1-2-3-4105"}}})
	wants, losses := wantsOf(t, r, withFirst())
	for _, l := range losses {
		require.NotContains(t, l.Detail, primaryGroupID)
	}
	want := wants[phasePrimary]
	require.Equal(t, []restore.Need{{Service: backup.AD, Target: "sid:s-1-5-21-1-2-3-4105", Relation: record.RelationPrimaryGroup}}, want.Needs)
	before, after := bring(t, r, want, mapping.Empty())
	o := f.objects[guidUser]
	require.Equal(t, []string{"4215"}, o.values["primarygroupid"])
	require.Empty(t, f.objects[users].values["member"])
	require.Empty(t, f.objects[group].values["member"])
	back(t, r, want, before, after)
	require.Equal(t, []string{"513"}, o.values["primarygroupid"])
	require.Empty(t, f.objects[users].values["member"])
	require.Empty(t, f.objects[group].values["member"])
}

// TestFirstGroupIsNotThere: what is not there yet is no reason to refuse a plan, and no write
// guesses. A SID of the source's domain that the backup has no account of is refused.
func TestFirstGroupIsNotThere(t *testing.T) {
	f := newFakeDC()
	f.objects[fakeHead].values["objectsid"] = []string{"\x01\x04\x00\x00\x00\x00\x00\x05\x15\x00\x00\x00\x07\x00\x00\x00\x08\x00\x00\x00\x09\x00\x00\x00"}
	f.objects[guidUser] = &fakeObject{dn: user().DN, values: map[string][]string{"objectclass": {"user"}, "objectsid": {sidOf(4)}, "primarygroupid": {"513"}}}
	r := f.restorer(t)
	wants, _ := wantsOf(t, r, withFirst())
	want := wants[phasePrimary]
	name := func(guid, dn, sid string) {
		r.Names(backup.CatalogEntry{Item: backup.Item{Kind: record.Kind, ID: guid, Name: dn, Aliases: []string{"sid:" + sid}}})
	}
	name(fakeHead, corp, "s-1-5-21-1-2-3")
	live, err := r.Live(t.Context(), want, mapping.Empty())
	require.NoError(t, err)
	refused := r.Verdict(want, live, mapping.Empty()).Refused
	require.Equal(t, refusedSID, refused.Code)
	require.Contains(t, refused.Detail, "S-1-5-21-1-2-3-4105")

	name(firstGroup, "CN=First,"+corp, "s-1-5-21-1-2-3-4105")
	live, err = r.Live(t.Context(), want, mapping.Empty())
	require.NoError(t, err)
	v := r.Verdict(want, live, mapping.Empty())
	require.Nil(t, v.Refused)
	require.Equal(t, []string{primaryGroupID}, v.Fields)
	require.Equal(t, fault.TargetRefused, fault.CodeOf(r.Write(t.Context(), want, v, live, mapping.Empty())))
}

// TestFirstGroupOfAnotherDomain: a map that has a group of another domain, or of every computer, is
// refused before the account is made a member of it.
func TestFirstGroupOfAnotherDomain(t *testing.T) {
	f := newFakeDC()
	f.objects[guidUser] = &fakeObject{dn: user().DN, values: map[string][]string{"objectclass": {"user"}, "objectsid": {sidOf(4)}, "primarygroupid": {"513"}}}
	r := f.restorer(t)
	wants, _ := wantsOf(t, r, withFirst())
	want := wants[phasePrimary]
	for _, sid := range []string{"S-1-5-32-544", "S-1-5-21-7-8-9-512"} {
		m, err := mapping.New(mapping.Pair{Old: "s-1-5-21-1-2-3-4105", New: sid, How: mapping.Given})
		require.NoError(t, err)
		live, err := r.Live(t.Context(), want, m)
		require.NoError(t, err)
		refused := r.Verdict(want, live, m).Refused
		require.NotNil(t, refused, sid)
		require.Equal(t, refusedSID, refused.Code)
		require.Contains(t, refused.Detail, sid)
	}
}

// TestResolve: which SID of the source is which in the target.
func TestResolve(t *testing.T) {
	f := newFakeDC()
	f.objects[fakeHead].values["objectsid"] = []string{"\x01\x04\x00\x00\x00\x00\x00\x05\x15\x00\x00\x00\x07\x00\x00\x00\x08\x00\x00\x00\x09\x00\x00\x00"}
	f.put("CN=a,"+corp, "objectClass", "user", "objectSid", sidIn(9, 5))
	r := f.restorer(t)
	for _, e := range []struct{ guid, dn, sid string }{{fakeHead, corp, "s-1-5-21-1-2-3"}, {guidBoss, "CN=a," + corp, "s-1-5-21-1-2-3-4101"}, {guidGroup, "CN=gone," + corp, "s-1-5-21-1-2-3-4102"}} {
		r.Names(backup.CatalogEntry{Item: backup.Item{Kind: record.Kind, ID: e.guid, Name: e.dn, Aliases: []string{"sid:" + e.sid}}})
	}
	m, err := mapping.New(mapping.Pair{Old: "s-1-5-21-1-2-3-4103", New: "S-1-5-21-7-8-9-2000", How: mapping.Created})
	require.NoError(t, err)
	for sid, want := range map[string]struct {
		to    string
		known bool
	}{
		"s-1-5-11": {"s-1-5-11", true}, "s-1-5-32-544": {"s-1-5-32-544", true}, "s-1-5-21-1-2-3-512": {"s-1-5-21-7-8-9-512", true}, "s-1-5-21-7-8-9-512": {"s-1-5-21-7-8-9-512", true},
		"s-1-5-21-1-2-3-4101": {"s-1-5-21-1-2-9-4101", true}, "s-1-5-21-1-2-3-4102": {"", true}, "s-1-5-21-1-2-3-4103": {"s-1-5-21-7-8-9-2000", true},
		"s-1-5-21-1-2-3-9999": {"s-1-5-21-1-2-3-9999", false}, "s-1-5-21-7-8-9-9999": {"s-1-5-21-7-8-9-9999", true}, "s-1-5-21-5-5-5-9999": {"s-1-5-21-5-5-5-9999", true},
	} {
		require.NoError(t, r.talk(t.Context(), func() error {
			to, known, err := r.inTarget(t.Context(), sid, m)
			require.Equal(t, want.to, to, sid)
			require.Equal(t, want.known, known, sid)
			return err
		}))
	}
}

// TestResolveWithoutTheSource: where the backup does not say which SID its domain has, those of other
// domains than the target's are taken for its own, and never written.
func TestResolveWithoutTheSource(t *testing.T) {
	f := newFakeDC()
	f.objects[fakeHead].values["objectsid"] = []string{"\x01\x04\x00\x00\x00\x00\x00\x05\x15\x00\x00\x00\x07\x00\x00\x00\x08\x00\x00\x00\x09\x00\x00\x00"}
	r := f.restorer(t)
	for sid, known := range map[string]bool{"s-1-5-11": true, "s-1-5-21-7-8-9-512": true, "s-1-5-21-7-8-9-1234": true, "s-1-5-21-1-2-3-512": false, "s-1-5-21-1-2-3-1234": false} {
		require.NoError(t, r.talk(t.Context(), func() error {
			to, is, err := r.inTarget(t.Context(), sid, mapping.Empty())
			require.Equal(t, sid, to)
			require.Equal(t, known, is, sid)
			return err
		}))
	}
}
