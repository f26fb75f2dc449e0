package stamp

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"

	"infrabackup/tests/lab/stamp/inventory"
)

func TestParsePath(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]place{
		"/subscriptions":                                             {typ: "microsoft.resources/subscriptions", collection: true},
		"/subscriptions/S":                                           {typ: "microsoft.resources/subscriptions", sub: "s"},
		"/subscriptions/s/resourceGroups/G/":                         {typ: "microsoft.resources/resourcegroups", sub: "s", group: "g"},
		"/subscriptions/s/providers":                                 {typ: "microsoft.resources/providers", sub: "s", collection: true},
		"/subscriptions/s/providers/Microsoft.Compute":               {typ: "microsoft.resources/providers", sub: "s", scope: "/subscriptions/s"},
		"/subscriptions/s/resourcegroups/g/deployments/d/operations": {typ: "microsoft.resources/deployments/operations", sub: "s", group: "g", scope: "/subscriptions/s/resourcegroups/g", level: 2, collection: true},
		"/providers/A.B/c/d":                                         {typ: "a.b/c", level: 1},
		"/subscriptions/s/resourcegroups/g/providers/A.B/c/providers/providers/X.Y/z": {typ: "x.y/z", sub: "s", group: "g", level: 1, collection: true, scope: "/subscriptions/s/resourcegroups/g/providers/a.b/c/providers"},
		"/subscriptions//x": {}, "": {}, "x": {}, "/a/b/c": {},
	} {
		got := parsePath(path)
		require.Equal(t, want, place{typ: got.typ, sub: got.sub, group: got.group, scope: got.scope, level: got.level, collection: got.collection}, path)
	}
	require.Equal(t, []string{"", "/subscriptions/s", "/subscriptions/s/resourcegroups/g", "/subscriptions/s/resourcegroups/g/providers/a/b/c"},
		scopesAbove("/subscriptions/s/resourcegroups/g/providers/a/b/c"))
}

func FuzzParsePath(f *testing.F) {
	f.Add("/subscriptions/s/resourceGroups/g/providers/A.B/c/d/providers/X.Y/z/w")
	f.Add("/subscriptions/s/resourcegroups/g/deployments/d/operations/o")
	f.Add("/providers//")
	rows := newTypes(nil)
	f.Fuzz(func(t *testing.T, path string) {
		p := parsePath(path)
		require.True(t, strings.HasPrefix(p.path, p.scope))
		require.NotContains(t, p.scope, "//")
		for _, scope := range scopesAbove(p.scope) {
			require.True(t, strings.HasPrefix(p.scope, scope))
		}
		rows.find(p.typ, inventory.Admin)
		_ = parentOf(p)
	})
}

func FuzzResolver(f *testing.F) {
	name := dnsmessage.MustNewName("adfs.local.test.")
	query := dnsmessage.Message{Header: dnsmessage.Header{ID: 7}, Questions: []dnsmessage.Question{{Name: name, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}}}
	packed, err := query.Pack()
	require.NoError(f, err)
	f.Add(packed)
	f.Add([]byte{})
	r := &resolver{domain: ".local.test.", ip: [4]byte(net.IPv4(127, 0, 0, 1).To4())}
	f.Fuzz(func(t *testing.T, query []byte) {
		reply, ok := r.answer(query)
		if !ok {
			return
		}
		var m dnsmessage.Message
		require.NoError(t, m.Unpack(reply))
		require.True(t, m.Response)
	})
}

func FuzzFilters(f *testing.F) {
	f.Add("resourceType eq 'a' or resourceType eq 'b'")
	f.Add("atScope()")
	f.Add("principalId eq 'x'")
	e := (&Stamp{types: newTypes(nil), now: time.Now}).newEntry(inventory.Document{Endpoint: inventory.Tenant, ID: "/subscriptions/s", Body: []byte(`{}`)})
	f.Fuzz(func(t *testing.T, text string) {
		if filter, refusal := parseExtensionFilter(text); refusal == nil && filter.keep != nil {
			filter.keep(e)
		}
		if keep, refusal := parseResourceFilter(text); refusal == nil && keep != nil {
			keep(e)
		}
	})
}
