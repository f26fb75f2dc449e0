package directory

import (
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/mapping"
)

// bring writes a want as a run would, and makes sure that it came about.
func bring(t *testing.T, r *Restorer, want restore.Want, m *mapping.Map) (before, after restore.State) {
	t.Helper()
	before, err := r.Live(t.Context(), want, m)
	require.NoError(t, err)
	v := r.Verdict(want, before, m)
	require.Nil(t, v.Refused)
	require.False(t, v.Same)
	require.NoError(t, r.Write(t.Context(), want, v, before, m))
	after, err = r.Live(t.Context(), want, m)
	require.NoError(t, err)
	for _, pair := range after.Learned {
		require.NoError(t, m.Learn(pair))
	}
	require.True(t, r.Verdict(want, after, m).Same, "%v", r.Verdict(want, after, m).Fields)
	return before, after
}

// back takes a write back, and makes sure that the state that it compares is that of the write.
func back(t *testing.T, r *Restorer, want restore.Want, before, after restore.State) {
	t.Helper()
	inverse, _ := r.Inverse(want, before, after)
	live, err := r.Live(t.Context(), inverse, mapping.Empty())
	require.NoError(t, err)
	require.Equal(t, after.Digest, live.Digest)
	v := r.Verdict(inverse, live, mapping.Empty())
	require.False(t, v.Same)
	require.NoError(t, r.Write(t.Context(), inverse, v, live, mapping.Empty()))
	live, err = r.Live(t.Context(), inverse, mapping.Empty())
	require.NoError(t, err)
	require.True(t, r.Verdict(inverse, live, mapping.Empty()).Same)
}

// TestMadeAgain: an object that is not there at all is made, disabled, with a new identity by
// which its group finds it, and all of it is taken back.
func TestMadeAgain(t *testing.T) {
	f := newFakeDC()
	f.put("OU=People,"+corp, "objectClass", "organizationalUnit")
	f.put("CN=Boss,"+corp, "objectClass", "user")
	groupGUID := f.put("CN=G,"+corp, "objectClass", "group", "objectClass", "group")
	r := f.restorer(t)
	rec := user()
	rec.Attribute("memberOf").Targets[0] = groupGUID
	rec.Attribute("manager").Targets[0], _ = f.find("CN=Boss," + corp)
	wants, _ := wantsOf(t, r, rec)
	m := mapping.Empty()
	noBefore, made := bring(t, r, wants[phaseObject], m)
	_, o := f.find(rec.DN)
	require.Equal(t, []string{"514"}, o.values["useraccountcontrol"])
	_, found := m.Find(guidUser)
	require.True(t, found)
	noLinks, links := bring(t, r, wants[phaseLinks], m)
	disabled, enabled := bring(t, r, wants[phaseState], m)
	require.Equal(t, []string{"512"}, o.values["useraccountcontrol"])
	outside, member := bring(t, r, wants[phaseMember+groupGUID], m)
	back(t, r, wants[phaseMember+groupGUID], outside, member)
	back(t, r, wants[phaseState], disabled, enabled)
	back(t, r, wants[phaseLinks], noLinks, links)
	back(t, r, wants[phaseObject], noBefore, made)
	require.True(t, o.deleted)
	require.Empty(t, f.objects[groupGUID].values["member"])
}

// TestUndeleted: a tombstone comes back in one change, with its GUID, in what its OU is
// called now.
func TestUndeleted(t *testing.T) {
	f := newFakeDC()
	ou := f.put("OU=Renamed,"+corp, "objectClass", "organizationalUnit")
	rec := user()
	f.objects[guidUser] = &fakeObject{dn: "CN=x" + deletedMark + guidUser + ",CN=Deleted Objects," + corp, deleted: true, values: map[string][]string{"objectclass": {"user"}, "samaccountname": {"doe"}, "useraccountcontrol": {"512"}}}
	r := f.restorer(t)
	r.places.Store("ou=people,dc=corp,dc=example", ou)
	wants, _ := wantsOf(t, r, rec)
	f.log = nil
	before, after := bring(t, r, wants[phaseObject], mapping.Empty())
	require.True(t, before.Deleted)
	require.Len(t, f.log, 1)
	require.Equal(t, `CN=Doe\, J,OU=Renamed,`+corp, f.objects[guidUser].dn)
	require.Equal(t, []string{"1", "2"}, f.objects[guidUser].values["othertelephone"])
	back(t, r, wants[phaseObject], before, after)
	require.True(t, f.objects[guidUser].deleted)

	f.put("CN=squatter,"+corp, "sAMAccountName", "DOE")
	live, err := r.Live(t.Context(), wants[phaseObject], mapping.Empty())
	require.NoError(t, err)
	require.Equal(t, refusedNameTaken, r.Verdict(wants[phaseObject], live, mapping.Empty()).Refused.Code)
}

// TestChangedAndRenamed: single values are replaced, further ones stay, and the name comes
// back.
func TestChangedAndRenamed(t *testing.T) {
	f := newFakeDC()
	f.put("OU=People,"+corp, "objectClass", "organizationalUnit")
	f.objects[guidUser] = &fakeObject{dn: "CN=other," + corp, values: map[string][]string{"objectclass": {"user"}, "samaccountname": {"doe"}, "userprincipalname": {"x"}, "description": {"y"}, "othertelephone": {"2", "3"}}}
	r := f.restorer(t)
	wants, _ := wantsOf(t, r, user())
	before, after := bring(t, r, wants[phaseObject], mapping.Empty())
	o := f.objects[guidUser]
	require.Equal(t, user().DN, o.dn)
	require.ElementsMatch(t, []string{"1", "2", "3"}, o.values["othertelephone"])
	require.Equal(t, []string{"b"}, o.values["description"])
	back(t, r, wants[phaseObject], before, after)
	require.Equal(t, "CN=other,"+corp, o.dn)
	require.ElementsMatch(t, []string{"2", "3"}, o.values["othertelephone"])
	require.Equal(t, []string{"y"}, o.values["description"])
}

// TestMissingMembersCostNoOthers: a member that is not in the target leaves the others.
func TestMissingMembersCostNoOthers(t *testing.T) {
	f := newFakeDC()
	var pairs []string
	pairs = append(pairs, "objectClass", "group", "member", guidUser+"|CN=gone,"+corp)
	for range 5 {
		pairs = append(pairs, "member", f.put("CN="+string(rune('a'+f.made))+","+corp, "objectClass", "user")+"|CN=m,"+corp)
	}
	group := newRecord("CN=G,"+corp, guidGroup, pairs...)
	f.objects[guidGroup] = &fakeObject{dn: group.DN, values: map[string][]string{"objectclass": {"group"}, "member": {linkTarget(link(group.Attribute("member").Targets[1], ""))}}}
	r := f.restorer(t)
	wants, _ := wantsOf(t, r, group)
	live, err := r.Live(t.Context(), wants[phaseLinks], mapping.Empty())
	require.NoError(t, err)
	v := r.Verdict(wants[phaseLinks], live, mapping.Empty())
	require.NoError(t, r.Write(t.Context(), wants[phaseLinks], v, live, mapping.Empty()))
	require.ElementsMatch(t, group.Attribute("member").Targets[1:], f.objects[guidGroup].values["member"])
	live, err = r.Live(t.Context(), wants[phaseLinks], mapping.Empty())
	require.NoError(t, err)
	require.False(t, r.Verdict(wants[phaseLinks], live, mapping.Empty()).Same, "what is missing is seen")
}

// TestRefusedByTheController: what is final and what may pass have different codes.
func TestRefusedByTheController(t *testing.T) {
	for code, want := range map[uint16]fault.Code{ldap.LDAPResultUnwillingToPerform: fault.TargetRefused, ldap.LDAPResultInsufficientAccessRights: fault.TargetAccessDenied, ldap.LDAPResultBusy: fault.TargetThrottled} {
		f := newFakeDC()
		f.put("OU=People,"+corp, "objectClass", "organizationalUnit")
		f.answer = func(string) uint16 { return code }
		r := f.restorer(t)
		wants, _ := wantsOf(t, r, user())
		live, err := r.Live(t.Context(), wants[phaseObject], mapping.Empty())
		require.NoError(t, err)
		require.Equal(t, restore.AbsentDigest, live.Digest)
		err = r.Write(t.Context(), wants[phaseObject], r.Verdict(wants[phaseObject], live, mapping.Empty()), live, mapping.Empty())
		require.Equal(t, want, fault.CodeOf(err))
	}
}

// TestBlindAccount: an account that sees no deleted objects would make them again.
func TestBlindAccount(t *testing.T) {
	f := newFakeDC()
	guid, _ := f.find("CN=Deleted Objects," + corp)
	delete(f.objects, guid)
	_, _, err := f.restorer(t).Domain(t.Context())
	require.ErrorIs(t, err, fault.TargetAccessDenied)
}

// TestKnownByName: what was made again and not looked at yet is found by its name, so that a
// plan does not say that links to it are missing.
func TestKnownByName(t *testing.T) {
	f := newFakeDC()
	boss := f.put("CN=Boss,"+corp, "objectClass", "user")
	f.put("OU=People,"+corp, "objectClass", "organizationalUnit")
	made := f.put(user().DN, "objectClass", "user", "manager", boss)
	group := f.put("CN=G,"+corp, "objectClass", "group", "member", made)
	r := f.restorer(t)
	wants, _ := wantsOf(t, r, user())
	for _, phase := range []string{phaseLinks, phaseMember + guidGroup} {
		live, err := r.Live(t.Context(), wants[phase], mapping.Empty())
		require.NoError(t, err)
		require.True(t, r.Verdict(wants[phase], live, mapping.Empty()).Same, phase)
	}
	// A target that is known is compared by what it is.
	m, err := mapping.New(mapping.Pair{Old: guidBoss, New: group, How: mapping.Created})
	require.NoError(t, err)
	live, err := r.Live(t.Context(), wants[phaseLinks], m)
	require.NoError(t, err)
	require.Equal(t, []string{"manager"}, r.Verdict(wants[phaseLinks], live, m).Fields)
	// Rights in a group that is not there cannot be asked for.
	delete(f.objects, group)
	want := wants[phaseMember+guidGroup]
	live, err = r.Live(t.Context(), want, mapping.Empty())
	require.NoError(t, err)
	refusals, err := r.Check(t.Context(), []restore.Checked{{Want: want, Live: live, Action: restore.Update}}, mapping.Empty())
	require.NoError(t, err)
	require.Empty(t, refusals)
	require.Equal(t, fault.TargetRefused, fault.CodeOf(r.Write(t.Context(), want, restore.Verdict{Action: restore.Update}, live, mapping.Empty())))
}
