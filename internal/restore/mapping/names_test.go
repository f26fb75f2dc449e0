package mapping

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	subA = "11111111-aaaa-4bbb-8ccc-000000000001"
	subB = "22222222-aaaa-4bbb-8ccc-000000000002"
	tenA = "33333333-aaaa-4bbb-8ccc-000000000003"
	tenB = "44444444-aaaa-4bbb-8ccc-000000000004"
	depA = "55555555-aaaa-4bbb-8ccc-000000000005"
	depB = "66666666-aaaa-4bbb-8ccc-000000000006"
	sidA = "S-1-5-21-10-20-30"
	sidB = "S-1-5-21-400-500-600"
)

func site() *Site {
	return &Site{
		Format: Format, Source: Cloud{"local.azs.test", depA}, Target: Cloud{"south.cloud.example", depB},
		Regions: map[string]string{"local": "south"}, Tenants: map[string]string{tenA: tenB}, Subscriptions: map[string]string{subA: subB},
		Domains: []Domain{{DomainNames{sidA, "azs.test", "AZS"}, DomainNames{sidB, "corp.example", "CORP"}}},
		Hosts:   map[string]string{"vaults.other.test": "kv.elsewhere.example"}, Principals: map[string]string{sidA + "-1104": sidB + "-2001"},
	}
}

func names(t *testing.T) *Names {
	n, err := NewNames(site())
	require.NoError(t, err)
	return n
}

func TestText(t *testing.T) {
	n := names(t)
	for from, to := range map[string]string{
		"":                                      "",
		"local":                                 "local",
		"portal.local.azs.test":                 "portal.south.cloud.example",
		"https://v.vault.local.azs.test:8443/x": "https://v.vault.south.cloud.example:8443/x",
		"notlocal.azs.test":                     "notlocal.corp.example", // the longer name does not stand there, the domain does
		"xlocal.azs.testing":                    "xlocal.azs.testing",
		"local-azs.test":                        "local-azs.test",
		"user%40azs.test":                       "user%40corp.example",
		"u@AZS.TEST":                            "u@CORP.EXAMPLE",
		"web.local.cloudapp.local.azs.test":     "web.south.cloudapp.south.cloud.example",
		"a.vaults.other.test":                   "a.kv.elsewhere.example",
		"id " + strings.ToUpper(subA):           "id " + strings.ToUpper(subB),
		strings.ReplaceAll(subA, "-", ""):       strings.ReplaceAll(subB, "-", ""),
		"disk_" + subA + "_1":                   "disk_" + subB + "_1",
		"%2F" + subA + "%2F":                    "%2F" + subB + "%2F",
		subA + "0":                              subA + "0",
		sidA:                                    sidB,
		sidA + "-512":                           sidB + "-512",
		sidA + "-1104":                          sidB + "-2001",
		sidA + "-1105":                          sidA + "-1105", // never guessed
		strings.ToLower(sidA) + "-512":          strings.ToLower(sidB) + "-512",
		"CN=x,DC=azs,DC=test":                   "CN=x,DC=corp,DC=example",
		"dc=ForestDnsZones,dc=azs,dc=test":      "dc=ForestDnsZones,dc=corp,dc=example",
		"DC=azs,DC=test,DC=net":                 "DC=azs,DC=test,DC=net",
		`AZS\svc`:                               `CORP\svc`,
		`azs\svc and XAZS\svc`:                  `CORP\svc and XAZS\svc`,
		`CN=AZS\, Inc`:                          `CN=AZS\, Inc`,
		tenA + "|" + depA:                       tenB + "|" + depB,
	} {
		require.Equal(t, to, n.Text(from), from)
	}
	require.Equal(t, "x", (*Names)(nil).Text("x"))
}

func TestID(t *testing.T) {
	n := names(t)
	for from, to := range map[string]string{
		"/subscriptions/" + subA + "/resourceGroups/local":                                     "/subscriptions/" + subB + "/resourceGroups/local",
		"/subscriptions/" + subA + "/resourceGroups/system.local":                              "/subscriptions/" + subB + "/resourceGroups/system.south",
		"/subscriptions/" + subA + "/providers/Microsoft.Compute.Admin/locations/LOCAL/quotas": "/subscriptions/" + subB + "/providers/Microsoft.Compute.Admin/locations/south/quotas",
		"/subscriptions/" + subA + "/resourcegroups/g/providers/x/locations/locals":            "/subscriptions/" + subB + "/resourcegroups/g/providers/x/locations/locals",
		"https://management.local.azs.test/subscriptions/" + subA:                              "https://management.south.cloud.example/subscriptions/" + subB,
		"/tenants/" + tenA: "/tenants/" + tenB,
		"local":            "local",
	} {
		require.Equal(t, to, n.ID(from), from)
	}
}

func TestDocument(t *testing.T) {
	n := names(t)
	group := n.Document(map[string]any{"id": "/subscriptions/" + subA + "/resourceGroups/system.local", "name": "system.local", "displayName": "local"})
	require.Equal(t, map[string]any{"id": "/subscriptions/" + subB + "/resourceGroups/system.south", "name": "system.south", "displayName": "local"}, group)
	before := `{"id":"/subscriptions/` + subA + `/providers/x/locations/local/quotas/q","name":"local/q","location":"Local","tags":{"local.azs.test":"local"},
		"properties":{"locations":["local","other"],"replicaRegion":"local","parameters":{"listOfAllowedLocations":{"value":["local"]}},
		"policyRule":{"if":{"not":{"field":"location","in":["local"]}}},"other":{"field":"name","in":["local"]},"n":1,"b":true,"z":null}}`
	after := `{"id":"/subscriptions/` + subB + `/providers/x/locations/south/quotas/q","name":"south/q","location":"south","tags":{"south.cloud.example":"local"},
		"properties":{"locations":["south","other"],"replicaRegion":"south","parameters":{"listOfAllowedLocations":{"value":["south"]}},
		"policyRule":{"if":{"not":{"field":"location","in":["south"]}}},"other":{"field":"name","in":["local"]},"n":1,"b":true,"z":null}}`
	var document any
	require.NoError(t, json.Unmarshal([]byte(before), &document))
	have, err := json.Marshal(n.Document(document))
	require.NoError(t, err)
	require.JSONEq(t, after, string(have))
	again, err := json.Marshal(document)
	require.NoError(t, err)
	require.JSONEq(t, before, string(again), "it was not changed")
}

// TestThereAndBack: what was given the target's names has its own again on the way back, for
// any text that has no name of the target.
func TestThereAndBack(t *testing.T) {
	s := site()
	there := names(t)
	back, err := NewNames(s.Inverse())
	require.NoError(t, err)
	parts := []string{"local.azs.test", "azs.test", "LOCAL.AZS.TEST", "vaults.other.test", subA, strings.ToUpper(subA), strings.ReplaceAll(tenA, "-", ""), depA, sidA, sidA + "-512", sidA + "-1104", sidA + "-99",
		"DC=azs,DC=test", "dc=azs,dc=test", `AZS\u`, ".", "/", "%2F", "-", "_", "x", ",", " ", "@", "=", "ü", "\x00", "\xff", "locations/local", "/locations/", "local", "resourceGroups/system.local", ".local.cloudapp.local.azs.test", "S-1-", "DC=", "ab12"}
	r := rand.New(rand.NewPCG(7, 7))
	changed := 0
	for range 20_000 {
		var b strings.Builder
		for range 1 + r.IntN(6) {
			b.WriteString(parts[r.IntN(len(parts))])
		}
		text := b.String()
		require.Equal(t, text, back.Text(there.Text(text)), "%q by %q", text, there.Text(text))
		require.Equal(t, text, back.ID(there.ID(text)), "%q by %q", text, there.ID(text))
		if there.ID(text) != text {
			changed++
		}
	}
	require.Greater(t, changed, 8_000)
}

// TestSitesThatCannotBe are maps that were changed or mixed up.
func TestSitesThatCannotBe(t *testing.T) {
	other := func(n int) string { return fmt.Sprintf("77777777-aaaa-4bbb-8ccc-%012d", n) }
	for key, change := range map[string]func(*Site){
		"format":                       func(s *Site) { s.Format = 2 },
		"source.fqdn":                  func(s *Site) { s.Source.FQDN = "local" },
		"target.fqdn":                  func(s *Site) { s.Target.FQDN = "" },
		"source.deploymentId":          func(s *Site) { s.Source.DeploymentID = "x" },
		"target.deploymentId":          func(s *Site) { s.Target.DeploymentID = "" },
		"regions.lo cal":               func(s *Site) { s.Regions["lo cal"] = "x" },
		"regions.local":                func(s *Site) { s.Regions["local"] = "" },
		"subscriptions." + subA[:30]:   func(s *Site) { s.Subscriptions[subA[:30]] = subB },
		"subscriptions." + other(1):    func(s *Site) { s.Subscriptions[other(1)] = subB },                                   // two become one
		"subscriptions." + subA:        func(s *Site) { s.Subscriptions[subA] = other(2); s.Subscriptions[other(2)] = subB }, // a chain
		"tenants." + tenA:              func(s *Site) { s.Tenants[tenA] = subA },                                             // a source's
		"tenants." + other(3):          func(s *Site) { s.Tenants[other(3)] = tenB },
		"hosts.a b":                    func(s *Site) { s.Hosts["a b"] = "c.d" },
		"hosts.x.test":                 func(s *Site) { s.Hosts["x.test"] = "corp.example" },
		"principals.root":              func(s *Site) { s.Principals["root"] = sidB },
		"principals." + sidA + "-1104": func(s *Site) { s.Principals[sidA+"-1000"] = sidB + "-2001" },
		"domains[0].target.sid":        func(s *Site) { s.Domains[0].Target.SID = "" },
		"domains[0].source.sid":        func(s *Site) { s.Domains[0].Source.SID = sidA + "-1104" },
		"domains[0].source.dns":        func(s *Site) { s.Domains[0].Source.DNS = "" },
		"domains[0].target.netbios":    func(s *Site) { s.Domains[0].Target.NetBIOS = "" },
		"domains[0].source.netbios":    func(s *Site) { s.Domains[0].Source.NetBIOS = "A.B" },
		"domains[0].target.dns":        func(s *Site) { s.Domains[0].Target.DNS = "south.cloud.example" },
		"domains[1].target.dns": func(s *Site) {
			s.Domains = append(s.Domains, Domain{DomainNames{DNS: "two.test"}, DomainNames{DNS: "azs.test"}})
		},
	} {
		s := site()
		change(s)
		_, err := NewNames(s)
		var m *Mistake
		require.ErrorAs(t, err, &m, key)
		require.Equal(t, key, m.Key, m.Text)
	}
	swapped := site()
	swapped.Regions = map[string]string{"a": "b", "b": "a"}
	require.Error(t, swapped.Validate(), "two names cannot change places")
	twice := site()
	twice.Subscriptions[strings.ToUpper(subA)] = other(4)
	require.Error(t, twice.Validate(), "letters have no case")
	kept := site()
	kept.Regions = map[string]string{"local": "local"}
	require.NoError(t, kept.Validate())
}

func FuzzText(f *testing.F) {
	for _, text := range []string{"", "S-1-", `\`, "AZS\\", "DC=azs,DC=test", subA, "a.local.azs.test", "%2F" + subA, "s-1-5-21-10-20-30-", "system.local/"} {
		f.Add(text)
	}
	n, err := NewNames(site())
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, text string) {
		once := n.ID(n.Text(text))
		require.Equal(t, once, n.Text(once), "what has the target's names keeps them")
	})
}
