package diff_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/azure/resourceid"
	"infrabackup/internal/backup"
	"infrabackup/internal/collect/arm"
	"infrabackup/internal/collect/crp"
	"infrabackup/internal/collect/keyvault"
	"infrabackup/internal/collect/nrp"
	"infrabackup/internal/collect/rbac"
	"infrabackup/internal/collect/resource"
	"infrabackup/internal/collect/srp"
	"infrabackup/internal/diff"
	"infrabackup/tests/lab/stamp/inventory"
)

// seeded is one kind of change: a member of properties before and after, and the details that
// are to be found. Nil is a member that is not there.
type seeded struct {
	before, after any
	want          []string
}

func nested(depth int, value any) any {
	for range depth {
		value = object{"in": value}
	}
	return value
}

const armID = "/subscriptions/3b0b6f4e-0000-4000-8000-000000000001/resourceGroups/g/providers/N.P/things/"

// inProperties are changes of a member that every document may have.
var inProperties = map[string]seeded{
	"a text":                    {object{"x": "a"}, object{"x": "b"}, []string{"changed properties.seeded.x -a +b"}},
	"the case of a text":        {object{"x": "a"}, object{"x": "A"}, []string{"changed properties.seeded.x -a +A"}},
	"a blank behind a text":     {object{"x": "a"}, object{"x": "a "}, []string{"changed properties.seeded.x -a +a "}},
	"how an accent is composed": {object{"x": "\u00e9"}, object{"x": "e\u0301"}, []string{"changed properties.seeded.x -\u00e9 +e\u0301"}},
	"a number":                  {object{"x": 1}, object{"x": 2}, []string{"changed properties.seeded.x -1 +2"}},
	"a large number":            {object{"x": 9007199254740993}, object{"x": 9007199254740992}, []string{"changed properties.seeded.x -9007199254740993 +9007199254740992"}},
	"a truth value":             {object{"x": true}, object{"x": false}, []string{"changed properties.seeded.x -true +false"}},
	"text and number":           {object{"x": "1"}, object{"x": 1}, []string{"changed properties.seeded.x -1 +1"}},
	"a new member":              {object{}, object{"x": "a"}, []string{"added properties.seeded.x +a"}},
	"a member less":             {object{"x": "a"}, object{}, []string{"removed properties.seeded.x -a"}},
	"null instead":              {object{"x": "a"}, object{"x": nil}, []string{"changed properties.seeded.x -a +null"}},
	"null and nothing":          {object{"x": nil}, object{}, []string{"removed properties.seeded.x -null"}},
	"empty and null":            {object{"x": ""}, object{"x": nil}, []string{"changed properties.seeded.x - +null"}},
	"all of it":                 {nil, object{"x": "a"}, []string{`added properties.seeded +{"x":"a"}`}},
	"an object":                 {object{}, object{"x": object{"y": []any{1}}}, []string{`added properties.seeded.x +{"y":[1]}`}},
	"object and list":           {object{"x": object{}}, object{"x": []any{}}, []string{"changed properties.seeded.x -{} +[]"}},
	"an address more":           {object{"addressPrefixes": []any{"1", "2"}}, object{"addressPrefixes": []any{"0", "1", "2"}}, []string{"added properties.seeded.addressPrefixes[0] +0"}},
	"an address less":           {object{"addressPrefixes": []any{"1", "2"}}, object{"addressPrefixes": []any{"1"}}, []string{"removed properties.seeded.addressPrefixes[1] -2"}},
	"the order of addresses":    {object{"dnsServers": []any{"1", "2"}}, object{"dnsServers": []any{"2", "1"}}, []string{"changed properties.seeded.dnsServers[0] -1 +2", "changed properties.seeded.dnsServers[1] -2 +1"}},
	"a list within a list":      {object{"x": []any{[]any{1}}}, object{"x": []any{[]any{2}}}, []string{"changed properties.seeded.x[0][0] -1 +2"}},
	"null in a list":            {object{"x": []any{"a"}}, object{"x": []any{nil}}, []string{"changed properties.seeded.x[0] -a +null"}},
	"an empty list":             {object{"x": []any{}}, object{}, []string{"removed properties.seeded.x -[]"}},
	"a rule more":               {object{"securityRules": []any{object{"name": "b"}}}, object{"securityRules": []any{object{"name": "a", "p": 1}, object{"name": "b"}}}, []string{`added properties.seeded.securityRules[name=a] +{"name":"a","p":1}`}},
	"a rule less":               {object{"securityRules": []any{object{"name": "a"}, object{"name": "b"}}}, object{"securityRules": []any{object{"name": "b"}}}, []string{`removed properties.seeded.securityRules[name=a] -{"name":"a"}`}},
	"a rule's priority":         {object{"securityRules": []any{object{"name": "a", "p": 1}, object{"name": "b"}}}, object{"securityRules": []any{object{"name": "b"}, object{"name": "a", "p": 2}}}, []string{"changed properties.seeded.securityRules[name=a].p -1 +2"}},
	"a rule's name":             {object{"securityRules": []any{object{"name": "a"}}}, object{"securityRules": []any{object{"name": "c"}}}, []string{`added properties.seeded.securityRules[name=c] +{"name":"c"}`, `removed properties.seeded.securityRules[name=a] -{"name":"a"}`}},
	"an action more":            {object{"actions": []any{"a", "b"}}, object{"actions": []any{"c", "b", "a"}}, []string{"added properties.seeded.actions[] +c"}},
	"an action less":            {object{"actions": []any{"a", "b"}}, object{"actions": []any{"b"}}, []string{"removed properties.seeded.actions[] -a"}},
	"a reference":               {object{"x": object{"id": armID + "a"}}, object{"x": object{"id": armID + "b"}}, []string{"changed properties.seeded.x.id -" + armID + "a +" + armID + "b"}},
	"a reference more":          {object{"x": []any{object{"id": armID + "a"}}}, object{"x": []any{object{"id": armID + "b"}, object{"id": strings.ToUpper(armID + "a")}}}, []string{`added properties.seeded.x[] +{"id":"` + armID + `b"}`}},
	"a password":                {object{"adminPassword": "canary"}, object{"adminPassword": "canary2"}, []string{"changed properties.seeded.adminPassword secret"}},
	"a password more":           {object{}, object{"clientSecret": "canary"}, []string{"added properties.seeded.clientSecret secret"}},
	"a password less":           {object{"customData": "canary"}, object{}, []string{"removed properties.seeded.customData secret"}},
	"protected settings":        {object{"protectedSettings": object{"a": "canary"}}, object{"protectedSettings": object{"a": "canary2"}}, []string{"changed properties.seeded.protectedSettings secret"}},
	"a connection string":       {object{"x": "Server=a;Pwd=canary"}, object{"x": "Server=b;Pwd=canary"}, []string{"changed properties.seeded.x secret"}},
	"a signature in an address": {object{"x": "https://a/b?sig=canary"}, object{"x": "https://a/b?sig=canary2"}, []string{"changed properties.seeded.x secret"}},
	"something deep":            {nested(20, "a"), nested(20, "b"), []string{"changed properties.seeded" + strings.Repeat(".in", 20) + " -a +b"}},
	"an odd name":               {object{"a.b c": 1}, object{"a.b c": 2}, []string{`changed properties.seeded["a.b c"] -1 +2`}},
	"data of users":             {object{"metadata": object{"etag": "a"}}, object{"metadata": object{"etag": "b"}}, []string{"changed properties.seeded.metadata.etag -a +b"}},
}

// atTheTop are changes of a document itself.
var atTheTop = map[string]func(o object) (after object, want []string){
	"a tag more": func(o object) (object, []string) {
		return with(o, object{"tags": object{"a": "1", "b": "2"}}), []string{"added tags.b +2"}
	},
	"a tag": func(o object) (object, []string) {
		return with(o, object{"tags": object{"a": "2"}}), []string{"changed tags.a -1 +2"}
	},
	"a tag less": func(o object) (object, []string) {
		return with(o, object{"tags": object{}}), []string{"removed tags.a -1"}
	},
	"the case of a tag": func(o object) (object, []string) {
		return with(o, object{"tags": object{"A": "1"}}), []string{"added tags.A +1", "removed tags.a -1"}
	},
	"where it lies": func(o object) (object, []string) {
		return with(o, object{"location": "east"}), []string{"changed location -local +east"}
	},
	"what it costs": func(o object) (object, []string) {
		return with(o, object{"sku": object{"name": "P"}}), []string{`added sku +{"name":"P"}`}
	},
	"whose identity": func(o object) (object, []string) {
		return with(o, object{"identity": object{"type": "UserAssigned", "principalId": "other"}}), []string{"changed identity.type -SystemAssigned +UserAssigned"}
	},
}

// seedKinds are the kinds of items that are changed, of each service.
var seedKinds = map[backup.Service][]string{
	backup.ARM: {"resource-group", "offer"}, backup.CRP: {"virtual-machine", "image"}, backup.SRP: {"storage-account", "storage-quota"},
	backup.NRP: {"load-balancer", "network-security-group"}, backup.KeyVault: {"vault", "vault-quota"}, backup.RBAC: {"role-definition", "role-definition"},
}

// seedDocuments puts every kind of change into documents of a service, each in an item of its
// own, and returns what is to be found.
func seedDocuments(a, b *world, service backup.Service) (want []string, kinds int) {
	n := 0
	body := func(seed any) (id, kind string, o object) {
		kind = seedKinds[service][n%2]
		id = fmt.Sprintf("%sSeeded.%s/things/%s-%d", strings.TrimSuffix(armID, "N.P/things/"), service, kind, n)
		n++
		o = object{"id": id, "location": "local", "etag": "1", "tags": object{"a": "1"}, "identity": object{"type": "SystemAssigned", "principalId": id}, "properties": object{"provisioningState": "Succeeded"}}
		if seed != nil {
			o["properties"].(object)["seeded"] = seed
		}
		return id, kind, o
	}
	expect := func(how, kind, id, more string, details ...string) {
		slices.Sort(details)
		want = append(want, fmt.Sprintf("%s %s %s%s {%s}", how, kind, strings.ToLower(id), more, strings.Join(details, "; ")))
		kinds++
	}
	for _, name := range slices.Sorted(maps.Keys(inProperties)) {
		s := inProperties[name]
		id, kind, o := body(s.before)
		a.put(document(service, kind, id, o))
		after := noisy(o).(object)
		if after["properties"].(object)["seeded"] = s.after; s.after == nil {
			delete(after["properties"].(object), "seeded")
		}
		b.put(document(service, kind, id, after))
		expect("changed", kind, id, "", s.want...)
	}
	for _, name := range slices.Sorted(maps.Keys(atTheTop)) {
		id, kind, o := body(nil)
		after, details := atTheTop[name](o)
		a.put(document(service, kind, id, o))
		b.put(document(service, kind, id, after))
		expect("changed", kind, id, "", details...)
	}
	id, kind, o := body(nil)
	a.put(document(service, kind, id, o))
	one := document(service, kind, id, o)
	one.data = []byte(strings.Replace(string(one.data), `"endpoint":"tenant"`, `"endpoint":"admin"`, 1))
	b.put(one)
	expect("changed", kind, id, "", "changed (endpoint) -tenant +admin")
	id, kind, o = body(nil)
	a.put(document(service, kind, id, o))
	expect("removed", kind, id, "")
	id, kind, o = body(nil)
	b.put(document(service, kind, id, o))
	expect("added", kind, id, "")
	for name, move := range map[string]func(id string) string{
		"renamed": func(id string) string { return id + "-new" },
		"moved":   func(id string) string { return strings.Replace(id, "/resourceGroups/g/", "/resourceGroups/h/", 1) },
	} {
		id, kind, o = body("same")
		o["properties"].(object)["resourceGuid"] = "guid of " + id
		a.put(document(service, kind, id, o))
		to := move(id)
		b.put(document(service, kind, to, with(o, object{"id": to, "location": "east"})))
		more := " from " + strings.ToLower(id)
		if name == "renamed" {
			more += " from name " + id[strings.LastIndexByte(id, '/')+1:]
		}
		expect(name, kind, to, more, "changed location -local +east")
	}
	return want, kinds
}

// noisy is a document in which everything that does not count is another: IDs in capitals,
// times, tags of versions, states, and lists of what has names in another order.
func noisy(v any) any {
	switch v := v.(type) {
	case object:
		out := object{}
		for name, below := range v {
			switch name {
			case "tags", "metadata", "parameters", "settings":
				out[name] = below
			case "etag", "creationTime", "timeCreated", "createdTime", "changedTime", "resourceGuid", "vmId", "uniqueId":
				out[name] = "another"
			case "provisioningState":
				out[name] = "Updating"
			default:
				out[name] = noisy(below)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = noisy(v[i])
		}
		if len(v) > 1 {
			if first, ok := v[0].(object); ok && first["name"] != nil && first["id"] != nil {
				slices.Reverse(out)
			}
		}
		return out
	case string:
		if strings.HasPrefix(v, "/subscriptions/") {
			return strings.ToUpper(v)
		}
	}
	return v
}

// rows are all rows of the collectors' tables, by type in small letters.
func rows() map[string]struct {
	service backup.Service
	kind    string
} {
	all := map[string]struct {
		service backup.Service
		kind    string
	}{}
	for _, table := range []resource.Table{arm.Table(nil), crp.Table(), srp.Table(), nrp.Table(), keyvault.Table(), rbac.Table()} {
		for _, row := range table.Types {
			all[strings.ToLower(row.Type)] = struct {
				service backup.Service
				kind    string
			}{table.Service, row.Kind}
		}
	}
	return all
}

// stampWorlds is a generated stamp twice: as it is, and with everything other that does not
// count.
func stampWorlds(t *testing.T) (a, b *world) {
	t.Helper()
	contents, err := inventory.Generate(inventory.Options{
		Seed: 7, Resources: 800, Domain: "local.azurestack.test", Now: time.Unix(1.75e9, 0), Principals: []string{"S-1-5-21-1-2-3-1101", "S-1-5-21-1-2-3-1102"},
	})
	require.NoError(t, err)
	a, b = &world{name: "A"}, &world{name: "B"}
	types, seen := rows(), map[string]bool{}
	for _, d := range contents.Documents {
		row, ok := types[strings.ToLower(d.Type)]
		if !ok {
			continue
		}
		id := resourceid.Key(d.ID)
		if seen[row.kind+id] {
			id = "/admin" + id
		}
		seen[row.kind+id] = true
		one := thing{service: row.service, kind: row.kind, id: id, name: id, data: enveloped("2018-11-01", d.Body)}
		a.put(one)
		one.data = enveloped("2019-12-01", encode(noisy(decode(t, d.Body))))
		b.put(one)
	}
	for _, o := range contents.VaultObjects {
		for _, v := range o.Versions {
			id := strings.ToLower("/vaults/" + o.Vault + "/" + o.Kind + "/" + o.Name + "/" + v.Version)
			one := thing{service: backup.KeyVault, kind: "vault-" + strings.TrimSuffix(o.Kind, "s") + "-version", id: id, name: id, data: enveloped("2016-10-01", v.Body)}
			a.put(one)
			body := decode(t, v.Body).(object)
			attributes := body["attributes"].(object)
			attributes["updated"], attributes["recoveryLevel"] = 1, "Recoverable"
			for _, name := range []string{"id", "kid"} {
				if text, ok := body[name].(string); ok {
					body[name] = strings.Replace(text, ".local.azurestack.test", ".other.test:1234", 1)
				}
			}
			one.data = enveloped("2016-10-01", encode(body))
			b.put(one)
		}
	}
	require.Greater(t, len(a.things), 1000)
	return a, b
}

// TestNothingIsInvented: a whole stamp that differs only in what does not count.
func TestNothingIsInvented(t *testing.T) {
	a, b := stampWorlds(t)
	r := compare(t, a, b, diff.Options{})
	require.Empty(t, changes(r))
	require.Empty(t, r.Access.Rows)
	require.Empty(t, r.Access.Roles)
	for _, s := range r.Services {
		if s.ItemsA > 20 {
			require.Positive(t, s.Alike, s.Service)
			require.NotEmpty(t, s.Ignored, s.Service)
		}
	}
}

// TestSeededDocuments puts fifty kinds of changes into each of the six services of a stamp:
// every one is found, with its details, and nothing else.
func TestSeededDocuments(t *testing.T) {
	a, b := stampWorlds(t)
	var want []string
	for _, service := range []backup.Service{backup.ARM, backup.CRP, backup.SRP, backup.NRP, backup.KeyVault, backup.RBAC} {
		seeds, kinds := seedDocuments(a, b, service)
		require.GreaterOrEqual(t, kinds, 50, service)
		want = append(want, seeds...)
	}
	require.GreaterOrEqual(t, len(want), 300)
	requireExactly(t, want, changes(compare(t, a, b, diff.Options{})))
	require.Empty(t, changes(compare(t, b, b, diff.Options{})))
}
