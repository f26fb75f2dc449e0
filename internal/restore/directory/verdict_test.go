package directory

import (
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/collect/ad/record"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/mapping"
)

func stateOf(t *testing.T, d *document, phase string) restore.State {
	t.Helper()
	s, err := d.state(phase)
	require.NoError(t, err)
	return s
}

func bytesOf(values ...string) (out [][]byte) {
	for _, v := range values {
		out = append(out, []byte(v))
	}
	return out
}

// liveUser is what the target holds of [user].
func liveUser(more ...attribute) *document {
	return &document{GUID: guidUser, DN: user().DN, Parent: guidBoss, Placed: true, Multi: []string{"othertelephone", "member", "description"}, Attributes: append([]attribute{
		{Name: "description", Values: bytesOf("b")}, {Name: "otherTelephone", Values: bytesOf("1", "2")},
		{Name: "sAMAccountName", Values: bytesOf("doe")}, {Name: "userPrincipalName", Values: bytesOf("doe@corp.example")},
	}, more...)}
}

func TestVerdictOfObjects(t *testing.T) {
	r := offline()
	wants, _ := wantsOf(t, r, user())
	want := wants[phaseObject]
	for name, row := range map[string]struct {
		change  func(*document)
		action  restore.Action
		fields  []string
		same    bool
		refused string
	}{
		"same":                   {func(*document) {}, restore.Update, nil, true, ""},
		"further values":         {func(d *document) { d.Attributes[1].Values = bytesOf("1", "2", "3") }, restore.Update, nil, true, ""},
		"missing value":          {func(d *document) { d.Attributes[1].Values = bytesOf("2") }, restore.Update, []string{"otherTelephone"}, false, ""},
		"changed":                {func(d *document) { d.Attributes[3].Values = bytesOf("x") }, restore.Update, []string{"userPrincipalName"}, false, ""},
		"moved":                  {func(d *document) { d.Placed = false }, restore.Update, []string{"distinguishedName"}, false, ""},
		"deleted":                {func(d *document) { d.Deleted = true }, restore.Undelete, nil, false, ""},
		"deleted, would be open": {func(d *document) { d.Deleted, d.Control = true, "544" }, "", nil, false, refusedNoPassword},
		"problem":                {func(d *document) { d.Problem = &problem{refusedNameTaken, "x"} }, "", nil, false, refusedNameTaken},
		"unknown":                {func(d *document) { d.Unknown, d.Attributes[1].Values = []string{"othertelephone"}, nil }, "", nil, false, refusedSchema},
		"closed":                 {func(d *document) { d.Closed, d.Attributes[1].Values = []string{"othertelephone"}, nil }, restore.Update, nil, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			d := liveUser()
			row.change(d)
			v := r.Verdict(want, stateOf(t, d, phaseObject), mapping.Empty())
			if row.refused != "" {
				require.NotNil(t, v.Refused)
				require.Equal(t, row.refused, v.Refused.Code)
				return
			}
			require.Nil(t, v.Refused)
			require.Equal(t, row.same, v.Same)
			require.Equal(t, row.action, v.Action)
			require.Equal(t, row.fields, v.Fields)
		})
	}
}

// TestLinksAreMapped: a group that came back with another identity is that group, and values
// that are there do not cost the others.
func TestLinksAreMapped(t *testing.T) {
	r := offline()
	group := newRecord("CN=G,"+corp, guidGroup, "objectClass", "top", "objectClass", "group", "member", guidUser+"|CN=a,"+corp, "member", guidBoss+"|CN=b,"+corp)
	wants, _ := wantsOf(t, r, group)
	const made = "99999999-9999-4999-8999-999999999999"
	m, err := mapping.New(mapping.Pair{Old: guidBoss, New: made, How: mapping.Created})
	require.NoError(t, err)
	d := &document{GUID: guidGroup, DN: group.DN, Multi: []string{"member"}, Attributes: []attribute{{Name: "member", Link: true, Values: [][]byte{link(guidUser, ""), link("88888888-8888-4888-8888-888888888888", "")}}}}
	b, err := decodeBody(wants[phaseLinks].Body)
	require.NoError(t, err)
	require.Equal(t, []change{{Name: "member", Link: true, Add: [][]byte{link(made, "")}}}, b.diff(d, m))
	d.Attributes[0].Values = sorted(append(d.Attributes[0].Values, link(made, "")))
	require.True(t, r.Verdict(wants[phaseLinks], stateOf(t, d, phaseLinks), m).Same)
}

func TestNoPasswordIsNotOpened(t *testing.T) {
	r := offline()
	rec := user()
	rec.Attribute(userAccountControl).Values = bytesOf("544") // enabled, needs no password
	wants, _ := wantsOf(t, r, rec)
	d := &document{GUID: guidUser, DN: rec.DN, Passwordless: true, Attributes: []attribute{{Name: userAccountControl, Values: bytesOf("546")}}}
	require.Equal(t, refusedNoPassword, r.Verdict(wants[phaseState], stateOf(t, d, phaseState), mapping.Empty()).Refused.Code)
	require.Equal(t, refusedNoPassword, r.Verdict(wants[phaseState], restore.State{Digest: restore.AbsentDigest}, mapping.Empty()).Refused.Code)
	d.Passwordless = false
	v := r.Verdict(wants[phaseState], stateOf(t, d, phaseState), mapping.Empty())
	require.Nil(t, v.Refused)
	require.Equal(t, []string{userAccountControl}, v.Fields)
}

// TestInverse: what a write changed is put back and nothing else, and the states that the
// undo compares have the digest of those of the restore.
func TestInverse(t *testing.T) {
	r := offline()
	wants, _ := wantsOf(t, r, user())
	want := wants[phaseObject]
	before := liveUser()
	before.DN, before.Parent, before.Placed = "CN=Other,OU=X,"+corp, guidGroup, false
	before.Attributes[1].Values, before.Attributes[3].Values = bytesOf("2", "3"), bytesOf("x")
	after := liveUser()
	after.Attributes[1].Values = bytesOf("1", "2", "3")
	inverse, reversible := r.Inverse(want, stateOf(t, before, phaseObject), stateOf(t, after, phaseObject))
	require.Equal(t, restore.Reversible, reversible.Grade)
	b, err := decodeBody(inverse.Body)
	require.NoError(t, err)
	require.Equal(t, []change{{Name: "otherTelephone", Delete: bytesOf("1")}, {Name: "userPrincipalName", Delete: bytesOf("doe@corp.example"), Add: bytesOf("x")}}, b.Changes)
	require.Equal(t, &place{RDN: "CN=Other", Parent: guidGroup}, b.Place)
	forward, err := decodeBody(want.Body)
	require.NoError(t, err)
	require.Equal(t, forward.names(), b.names())
	after.Placed = false
	require.False(t, r.Verdict(inverse, stateOf(t, after, phaseObject), mapping.Empty()).Same)
	before.Placed = true
	require.True(t, r.Verdict(inverse, stateOf(t, before, phaseObject), mapping.Empty()).Same)

	for _, gone := range []*document{{}, {GUID: guidUser, DN: "x", Deleted: true}} {
		inverse, reversible = r.Inverse(want, stateOf(t, gone, phaseObject), stateOf(t, after, phaseObject))
		require.True(t, inverse.Absent)
		require.Equal(t, restore.PartlyReversible, reversible.Grade)
		require.False(t, r.Verdict(inverse, stateOf(t, after, phaseObject), mapping.Empty()).Same)
		require.True(t, r.Verdict(inverse, stateOf(t, gone, phaseObject), mapping.Empty()).Same)
	}
}

// TestDigests: states of links and accounts do not move when the object is renamed, and the
// object's does.
func TestDigests(t *testing.T) {
	one, other := liveUser(), liveUser()
	other.DN, other.Parent = "CN=Other,OU=X,"+corp, guidGroup
	require.Equal(t, stateOf(t, one, phaseLinks).Digest, stateOf(t, other, phaseLinks).Digest)
	require.NotEqual(t, stateOf(t, one, phaseObject).Digest, stateOf(t, other, phaseObject).Digest)
	other = liveUser()
	other.DN = `cn=doe\, j,OU=Renamed,` + corp
	require.Equal(t, stateOf(t, one, phaseObject).Digest, stateOf(t, other, phaseObject).Digest, "its container has another name")
	require.Equal(t, restore.AbsentDigest, stateOf(t, &document{}, phaseObject).Digest)
	require.Equal(t, restore.AbsentDigest, stateOf(t, &document{GUID: guidUser, Deleted: true}, phaseLinks).Digest)
}

// TestOneDescription: a controller refuses a second description of an account.
func TestOneDescription(t *testing.T) {
	wants, _ := wantsOf(t, offline(), user())
	b, err := decodeBody(wants[phaseObject].Body)
	require.NoError(t, err)
	d := liveUser()
	d.Attributes[0].Values = bytesOf("other")
	require.Equal(t, []change{{Name: "description", Delete: bytesOf("other"), Add: bytesOf("b")}}, b.diff(d, mapping.Empty()))
	d.Attributes[0].Values = bytesOf("other", "third")
	require.Equal(t, []change{{Name: "description", Add: bytesOf("b")}}, b.diff(d, mapping.Empty()))
}

func TestNames(t *testing.T) {
	for text, want := range map[string][2]string{
		"<GUID=" + guidUser + ">;<SID=S-1-5>;CN=a;b,DC=c": {guidUser, "CN=a;b,DC=c"}, "CN=a": {"", "CN=a"}, "<GUID=x>;CN=a": {"", "<GUID=x>;CN=a"},
		"<GUID=" + guidUser + ">;<SID=S-1-5": {"", "<GUID=" + guidUser + ">;<SID=S-1-5"},
	} {
		guid, dn := splitName(text)
		require.Equal(t, want, [2]string{guid, dn}, text)
	}
	for text, want := range map[string][3]any{"member;range=0-1499": {0, 1499, true}, "Member;Range=1500-*": {1500, -1, true}, "member;range=5-1": {5, 1, false}, "member": {0, 0, false}, "member;range=-1-2": {0, 0, false}} {
		low, high, ok := rangeOf(text, "member")
		require.Equal(t, want, [3]any{low, high, ok}, text)
	}
	require.Equal(t, `(objectGUID=\11\11\11\11\11\11\11\41\81\11\11\11\11\11\11\11)`, guidFilter(guidUser))
	require.Empty(t, guidFilter("x"))
	first, rest := record.SplitDN(`CN=a\,b,OU=c`)
	require.Equal(t, [2]string{`CN=a\,b`, "OU=c"}, [2]string{first, rest})
}
