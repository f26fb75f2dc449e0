package access

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"fmt"
	mathrand "math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/collect/ad/record"
	"infrabackup/internal/diff/identity"
	"infrabackup/internal/diff/jsondiff"
	"infrabackup/internal/diff/redact"
	"infrabackup/internal/diff/result"
)

// world is one side, described in few words.
type world struct {
	t       testing.TB
	picture *Picture
}

func newWorld(t testing.TB) *world { return &world{t, NewPicture(identity.Map{})} }

func guidOf(rid int) string { return fmt.Sprintf("%08x-0000-4000-8000-000000000000", rid) }

func sidOf(rid int) string { return fmt.Sprintf("S-1-5-21-1-2-3-%d", rid) }

func rawSID(rid int) []byte {
	raw := []byte{1, 5, 0, 0, 0, 0, 0, 5}
	for _, part := range []uint32{21, 1, 2, 3, uint32(rid)} {
		raw = binary.LittleEndian.AppendUint32(raw, part)
	}
	return raw
}

func nameOf(rid int) string { return fmt.Sprintf("CN=%d,DC=corp", rid) }

// object adds an object; attributes are name, value, name, value.
func (w *world) object(rid int, class string, attributes ...string) *world {
	r := &record.Record{DN: nameOf(rid), GUID: guidOf(rid), NamingContext: "DC=corp", Attributes: []record.Attribute{
		{Name: "objectClass", Values: [][]byte{[]byte("top"), []byte(class)}}, {Name: "objectSid", Values: [][]byte{rawSID(rid)}},
	}}
	for i := 0; i < len(attributes); i += 2 {
		r.Attributes = append(r.Attributes, record.Attribute{Name: attributes[i], Values: [][]byte{[]byte(attributes[i+1])}})
	}
	o, ok := ObjectOf(r)
	require.True(w.t, ok)
	w.picture.AddObject(o)
	return w
}

func (w *world) user(rid int) *world { return w.object(rid, "user", "userAccountControl", "512") }

func (w *world) group(rid int, members ...int) *world {
	return w.groupOf(rid, "-2147483646", members...)
}

func (w *world) groupOf(rid int, kind string, members ...int) *world {
	w.object(rid, "group", "groupType", kind)
	o := w.picture.objects[len(w.picture.objects)-1]
	for _, m := range members {
		o.members = append(o.members, guidOf(m))
	}
	return w
}

func document(t testing.TB, text string) jsondiff.Value {
	key, err := redact.NewKey(rand.Reader)
	require.NoError(t, err)
	d, err := jsondiff.Parse([]byte(text), jsondiff.Compile(), key)
	require.NoError(t, err)
	return d.Root()
}

func (w *world) assign(scope, role string, rid int) *world {
	return w.assignTo(scope, role, sidOf(rid))
}

func (w *world) assignTo(scope, role, who string) *world {
	w.picture.AddAssignment(document(w.t, fmt.Sprintf(`{"properties":{"scope":%q,"roleDefinitionId":"/x/roleDefinitions/%s","principalId":%q}}`, scope, role, who)))
	return w
}

func (w *world) role(id, name, permissions string) *world {
	w.picture.AddRole("/subscriptions/a/providers/M/roleDefinitions/"+id, document(w.t, `{"properties":{"roleName":"`+name+`","type":"CustomRole","permissions":[`+permissions+`]}}`))
	return w
}

func (w *world) vault(id, policies string) *world {
	w.picture.AddVault(id, document(w.t, `{"properties":{"accessPolicies":[`+policies+`]}}`))
	return w
}

// lines are rows as text.
func lines(a result.Access) []string {
	out := []string{}
	for _, r := range a.Rows {
		line := fmt.Sprintf("%s %s %s %s", r.How, r.Principal.Name, r.Role, r.Scope)
		if len(r.Actions) > 0 {
			line += " " + strings.Join(r.Actions, ",")
		}
		if len(r.Path) > 0 {
			line += " through " + strings.Join(r.Path, ">")
		}
		if r.Covered != "" {
			line += " covered by " + r.Covered
		}
		if r.Principal.Disabled {
			line += " disabled"
		}
		out = append(out, line)
	}
	return out
}

const (
	sub  = "/subscriptions/a"
	rg   = sub + "/resourcegroups/g"
	vm   = rg + "/providers/n.p/machines/m"
	disk = vm + "/disks/d"
)

func TestCompare(t *testing.T) {
	base := func() *world { return newWorld(t).user(1).user(2).group(10, 1).group(11, 10).role("r1", "Reader", "") }
	for name, c := range map[string]struct {
		a, b *world
		want []string
	}{
		"nothing":                      {base().assign(sub, "r1", 10), base().assign(sub, "R1", 10), nil},
		"a direct assignment":          {base(), base().assign(sub, "r1", 1), []string{"added CN=1,DC=corp Reader /subscriptions/a"}},
		"an assignment less":           {base().assign(rg, "r1", 1), base(), []string{"removed CN=1,DC=corp Reader " + rg}},
		"a group's assignment":         {base(), base().assign(sub, "r1", 11), []string{"added CN=1,DC=corp Reader /subscriptions/a through CN=11,DC=corp>CN=10,DC=corp", "added CN=10,DC=corp Reader /subscriptions/a through CN=11,DC=corp", "added CN=11,DC=corp Reader /subscriptions/a"}},
		"a new member":                 {base().assign(sub, "r1", 11), newWorld(t).user(1).user(2).group(10, 1, 2).group(11, 10).role("r1", "Reader", "").assign(sub, "r1", 11), []string{"added CN=2,DC=corp Reader /subscriptions/a through CN=11,DC=corp>CN=10,DC=corp"}},
		"a member less, and otherwise": {base().assign(sub, "r1", 11), newWorld(t).user(1).user(2).group(10).group(11, 10, 1).role("r1", "Reader", "").assign(sub, "r1", 11), nil},
		"a member less":                {base().assign(sub, "r1", 11), newWorld(t).user(1).user(2).group(10).group(11, 10).role("r1", "Reader", "").assign(sub, "r1", 11), []string{"removed CN=1,DC=corp Reader /subscriptions/a through CN=11,DC=corp>CN=10,DC=corp"}},
		"a distribution group":         {newWorld(t).user(1).groupOf(10, "2", 1), newWorld(t).user(1).groupOf(10, "2", 1).assign(sub, "r1", 10), []string{"added CN=10,DC=corp r1 /subscriptions/a"}},
		"becomes a security group":     {newWorld(t).user(1).groupOf(10, "2", 1).assign(sub, "r1", 10), newWorld(t).user(1).group(10, 1).assign(sub, "r1", 10), []string{"added CN=1,DC=corp r1 /subscriptions/a through CN=10,DC=corp"}},
		"the primary group":            {newWorld(t).object(1, "user", "primaryGroupID", "513").group(513).group(10).assign(sub, "r1", 513), newWorld(t).object(1, "user", "primaryGroupID", "10").group(513).group(10).assign(sub, "r1", 513), []string{"removed CN=1,DC=corp r1 /subscriptions/a through CN=513,DC=corp"}},
		"a cycle":                      {newWorld(t).user(1).group(10, 11).group(11, 10), newWorld(t).user(1).group(10, 11).group(11, 10, 1).assign(sub, "r1", 10), []string{"added CN=1,DC=corp r1 /subscriptions/a through CN=10,DC=corp>CN=11,DC=corp", "added CN=10,DC=corp r1 /subscriptions/a", "added CN=11,DC=corp r1 /subscriptions/a through CN=10,DC=corp"}},
		"a disabled account":           {newWorld(t).object(1, "user", "userAccountControl", "514"), newWorld(t).object(1, "user", "userAccountControl", "514").assign(sub, "r1", 1), []string{"added CN=1,DC=corp r1 /subscriptions/a disabled"}},
		"another domain's":             {newWorld(t).object(7, "foreignSecurityPrincipal").group(10), newWorld(t).object(7, "foreignSecurityPrincipal").group(10, 7).assign(sub, "r1", 10), []string{"added CN=10,DC=corp r1 /subscriptions/a", "added CN=7,DC=corp r1 /subscriptions/a through CN=10,DC=corp"}},
		"whom no directory has":        {newWorld(t), newWorld(t).assignTo(sub, "r1", "S-1-5-11").assignTo(sub, "r1", "3B0B6F4E-0000-4000-8000-000000000001"), []string{"added  r1 /subscriptions/a", "added Authenticated Users r1 /subscriptions/a"}},
		"a wider scope":                {base().assign(rg, "r1", 1), base().assign(sub, "r1", 1), []string{"added CN=1,DC=corp Reader /subscriptions/a", "removed CN=1,DC=corp Reader " + rg + " covered by /subscriptions/a"}},
		"already above, by a group":    {base().assign(sub, "r1", 11), base().assign(sub, "r1", 11).assign(disk, "r1", 1), []string{"added CN=1,DC=corp Reader " + disk + " covered by /subscriptions/a"}},
		"another role above":           {base().assign(sub, "r2", 1), base().assign(sub, "r2", 1).assign(vm, "r1", 1), []string{"added CN=1,DC=corp Reader " + vm}},
		"an access policy":             {base().vault(vm, `{"objectId":"`+sidOf(10)+`","permissions":{"secrets":["get"]}}`), base().vault(vm, `{"objectId":"`+sidOf(10)+`","permissions":{"secrets":["Get","list"],"keys":["sign"]}}`), []string{"added CN=1,DC=corp access policy " + vm + " keys/sign,secrets/list through CN=10,DC=corp", "added CN=10,DC=corp access policy " + vm + " keys/sign,secrets/list"}},
		"a policy for an application":  {base(), base().vault(vm, `{"objectId":"`+sidOf(1)+`","applicationId":"X","permissions":{"keys":["sign"]}}`), []string{"added CN=1,DC=corp access policy " + vm + " keys/sign by application x"}},
		"a policy for a new member":    {newWorld(t).user(1).group(10).vault(vm, `{"objectId":"`+sidOf(10)+`","permissions":{"secrets":["get"]}}`), newWorld(t).user(1).group(10, 1).vault(vm, `{"objectId":"`+sidOf(10)+`","permissions":{"secrets":["get"]}}`), []string{"added CN=1,DC=corp access policy " + vm + " secrets/get through CN=10,DC=corp"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := Compare(c.a.picture, c.b.picture)
			require.True(t, got.Computed)
			require.Equal(t, append([]string{}, c.want...), lines(got))
			require.EqualValues(t, len(c.want), got.Gained+got.Lost)
			requireMirrored(t, c.a.picture, c.b.picture)
			require.Empty(t, Compare(c.a.picture, c.a.picture).Rows)
		})
	}
}

func requireMirrored(t testing.TB, a, b *Picture) {
	t.Helper()
	there, back := Compare(a, b), Compare(b, a)
	for i := range back.Rows {
		if r := &back.Rows[i]; r.How == result.Added {
			r.How = result.Removed
		} else {
			r.How = result.Added
		}
	}
	x, y := lines(there), lines(back)
	slices.Sort(x)
	slices.Sort(y)
	require.Equal(t, x, y)
}

func TestRoles(t *testing.T) {
	a := newWorld(t).role("r1", "Ops", `{"actions":["a/read","b/*"],"notActions":["b/delete"]}`).role("r2", "Same", `{"actions":["x"]}`).role("r3", "Gone", `{"actions":["x"]}`)
	b := newWorld(t).role("R1", "Ops", `{"actions":["A/read","c/*"],"notActions":["b/write"],"dataActions":["d"]}`).role("r2", "Same", `{"actions":["X"]}`).role("r4", "New", `{"actions":["x"]}`).
		assign(sub, "r1", 1).assign(rg, "r1", 1).assign(rg, "R1", 1)
	got := Compare(a.picture, b.picture)
	require.Equal(t, []result.RoleChange{{
		RoleID: "r1", Name: "Ops", Type: "CustomRole", Assignments: 2,
		Gained: []string{"actions: c/*", "dataActions: d", "notActions: b/delete"}, Lost: []string{"actions: b/*", "notActions: b/write"},
	}}, got.Roles)
	encoded, err := json.Marshal(Compare(a.picture, a.picture))
	require.NoError(t, err)
	require.NotContains(t, string(encoded), "null")
}

// TestIdentities: the first side's principals have other SIDs and GUIDs since a restore.
func TestIdentities(t *testing.T) {
	a := &world{t, NewPicture(identity.New(map[string]string{sidOf(1): sidOf(101), sidOf(10): sidOf(110)}, nil))}
	a.user(1).group(10, 1).assign(sub, "r1", 10).vault(vm, `{"objectId":"`+sidOf(1)+`","permissions":{"keys":["get"]}}`)
	b := newWorld(t).user(101).group(110, 101).assign(sub, "r1", 110).vault(vm, `{"objectId":"`+sidOf(101)+`","permissions":{"keys":["get"]}}`)
	require.Empty(t, lines(Compare(a.picture, b.picture)))
	c := newWorld(t).user(101).group(110).assign(sub, "r1", 110)
	require.Len(t, lines(Compare(a.picture, c.picture)), 2)
}

func TestObjects(t *testing.T) {
	r := &record.Record{DN: nameOf(1), GUID: guidOf(1), Attributes: []record.Attribute{{Name: "cn", Values: [][]byte{[]byte("1")}}}}
	_, ok := ObjectOf(r)
	require.False(t, ok, "no SID")
	r.Attributes = append(r.Attributes, record.Attribute{Name: "objectSid", Values: [][]byte{rawSID(1)}})
	_, ok = ObjectOf(r)
	require.True(t, ok)
	r.Deleted = true
	_, ok = ObjectOf(r)
	require.False(t, ok)

	// A member whose GUID the controller did not say is found by its name.
	r = &record.Record{DN: nameOf(10), GUID: guidOf(10), Attributes: []record.Attribute{
		{Name: "groupType", Values: [][]byte{[]byte("-2147483646")}}, {Name: "member", Values: [][]byte{[]byte("cn=1,dc=CORP")}}, {Name: "objectSid", Values: [][]byte{rawSID(10)}},
	}}
	o, ok := ObjectOf(r)
	require.True(t, ok)
	a, b := newWorld(t).user(1), newWorld(t).user(1).assign(sub, "r1", 10)
	a.picture.AddObject(o)
	b.picture.AddObject(o)
	require.Len(t, lines(Compare(a.picture, b.picture)), 2)
}

func TestAbove(t *testing.T) {
	for scope, want := range map[string]string{
		"/": "", sub: "/", rg: sub, vm: rg, disk: vm, sub + "/providers/n.p/x/y": sub, "/providers/m.m/managementgroups/x": "/providers/m.m", "": "", "/x": "/", "/x/y/z": "/x",
	} {
		require.Equal(t, want, above(scope), scope)
	}
	for scope := range map[string]bool{disk: true, "////": true, "a/b/c/d/e": true} {
		for range 100 {
			scope = above(scope)
		}
		require.Empty(t, scope)
	}
}

// TestAgainstReachability compares with a search that knows nothing of dirty groups and of
// shortest ways.
func TestAgainstReachability(t *testing.T) {
	r := mathrand.New(mathrand.NewPCG(1, 2))
	const n = 12
	type side struct {
		members map[int][]int
		given   map[string]map[int]bool
	}
	build := func() (side, *Picture) {
		s, w := side{map[int][]int{}, map[string]map[int]bool{}}, newWorld(t)
		for i := range n {
			for range r.IntN(4) {
				s.members[i] = append(s.members[i], r.IntN(n))
			}
			w.group(i, s.members[i]...)
		}
		for _, scope := range []string{"/subscriptions/x", "/subscriptions/y"} {
			s.given[scope] = map[int]bool{}
			for range r.IntN(3) {
				who := r.IntN(n)
				s.given[scope][who] = true
				w.assign(scope, "r", who)
			}
		}
		return s, w.picture
	}
	reach := func(s side, scope string) map[int]bool {
		seen := map[int]bool{}
		var visit func(i int)
		visit = func(i int) {
			if !seen[i] {
				seen[i] = true
				for _, m := range s.members[i] {
					visit(m)
				}
			}
		}
		for i := range s.given[scope] {
			visit(i)
		}
		return seen
	}
	for range 300 {
		a, pa := build()
		b, pb := build()
		if r.IntN(3) == 0 {
			b.members, pb.objects = a.members, pa.objects
		}
		want := []string{}
		for scope := range a.given {
			had, has := reach(a, scope), reach(b, scope)
			for i := range n {
				switch {
				case has[i] && !had[i]:
					want = append(want, fmt.Sprintf("added %s %s", nameOf(i), scope))
				case had[i] && !has[i]:
					want = append(want, fmt.Sprintf("removed %s %s", nameOf(i), scope))
				}
			}
		}
		got := []string{}
		for _, row := range Compare(pa, pb).Rows {
			got = append(got, fmt.Sprintf("%s %s %s", row.How, row.Principal.Name, row.Scope))
		}
		require.ElementsMatch(t, want, got)
	}
}

// TestTooMany: a comparison that would take for ever says so.
func TestTooMany(t *testing.T) {
	w := newWorld(t).user(1).group(10, 1).assign(sub, "r1", 10)
	c := &comparison{a: newWorld(t).picture, b: w.picture, numbers: &numbers{of: map[string]int32{}}, cache: map[cached]map[int32]int32{}, steps: maxSteps}
	require.ErrorIs(t, c.run(), errTooMany)
}
