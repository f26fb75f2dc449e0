package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
	"infrabackup/internal/restore/mapping"
)

const goodMap = `# from a to b
format: 1
source: {fqdn: local.azs.test, deploymentId: 11111111-2222-4333-8444-555555555555}
target:
  fqdn: south.cloud.example
  deploymentId: 99999999-2222-4333-8444-555555555555
regions:
  local: south
tenants: {}
subscriptions:
  aaaaaaaa-2222-4333-8444-555555555555: bbbbbbbb-2222-4333-8444-555555555555
domains:
  - source: {sid: S-1-5-21-1-2-3, dns: azs.test, netbios: AZS}
    target: {sid: S-1-5-21-4-5-6, dns: corp.example, netbios: CORP}
principals:
  S-1-5-21-1-2-3-1104: S-1-5-21-4-5-6-1104
`

func TestLoadMap(t *testing.T) {
	file := filepath.Join(t.TempDir(), "map.yaml")
	require.NoError(t, os.WriteFile(file, []byte("\ufeff"+strings.ReplaceAll(goodMap, "\n", "\r\n")), 0o600))
	s, err := LoadMap(file)
	require.NoError(t, err)
	require.Equal(t, "south", s.Regions["local"])
	require.Equal(t, "CORP", s.Domains[0].Target.NetBIOS)
	_, err = LoadMap(file + ".none")
	require.ErrorIs(t, err, fault.MapInvalid)
}

// TestMapsThatAreRefused are maps that were changed, cut or mixed up: each is refused with its
// line and key.
func TestMapsThatAreRefused(t *testing.T) {
	for from, want := range map[string][2]string{
		"format: 1":                              {"format: 2", "map.yaml:2: format: the map has format 2"},
		"format: 1\n":                            {"", "map.yaml: format: missing"},
		"tenants: {}\n":                          {"", "map.yaml: tenants: missing"},
		"tenants: {}":                            {"tenants: []", "map.yaml:9: tenants: want a mapping"},
		"  local: south":                         {`  local: ""`, "map.yaml:8: regions.local: it is open"},
		"bbbbbbbb-2222-4333-8444-555555555555\n": {"bbbbbbbb-2222\n", "map.yaml:11: subscriptions.aaaaaaaa-2222-4333-8444-555555555555: want a GUID"},
		"bbbbbbbb-2222-4333-8444-555555555555":   {"&x bbbbbbbb-2222-4333-8444-555555555555", "map.yaml:11: subscriptions: want values without anchors"},
		"deploymentId: 9":                        {"deploymentID: 9", "map.yaml:6: target.deploymentID: unknown key"},
		"netbios: AZS":                           {"netbios: AZS, nebios: X", "map.yaml:13: domains[0].source.nebios: unknown key"},
		"dns: corp.example":                      {"dns: south.cloud.example", "map.yaml:14: domains[0].target.dns: azs.test would become south.cloud.example"},
		"principals:":                            {"principals: {}\nhosts: *x\nothers:", ""},
		"# from a to b":                          {"---\n---", "document follows"},
	} {
		require.Contains(t, goodMap, from)
		_, err := DecodeMap("map.yaml", []byte(strings.Replace(goodMap, from, want[0], 1)))
		if want[1] == "" {
			require.ErrorIs(t, err, fault.MapInvalid, want[0])
			continue
		}
		require.ErrorIs(t, err, fault.MapInvalid, from)
		require.ErrorContains(t, err, want[1])
	}
	_, err := DecodeMap("map.yaml", []byte(goodMap+strings.Repeat("#", maxMapBytes)))
	require.ErrorIs(t, err, fault.MapInvalid)
}

// TestAMapThatWasCut: no beginning of a map passes for a map with other names.
func TestAMapThatWasCut(t *testing.T) {
	whole, err := DecodeMap("map.yaml", []byte(goodMap))
	require.NoError(t, err)
	for i := range goodMap {
		s, err := DecodeMap("map.yaml", []byte(goodMap[:i]))
		if err != nil {
			require.ErrorIs(t, err, fault.MapInvalid)
			continue
		}
		require.Equal(t, whole.Subscriptions, s.Subscriptions, goodMap[:i]) // what it has not, a plan that needs it refuses
	}
}

func FuzzDecodeMap(f *testing.F) {
	for _, text := range []string{goodMap, "", "format: 1", "regions: {a: b}", "domains: [{}]", "hosts: {a.b: c.d}\nformat: 0x1"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := DecodeMap("map.yaml", data)
		if err != nil {
			require.ErrorIs(t, err, fault.MapInvalid)
			return
		}
		_, err = mapping.NewNames(s)
		require.NoError(t, err)
		_, err = mapping.NewNames(s.Inverse())
		require.NoError(t, err, "it can be mapped back")
	})
}

// TestTemplate: what is written for an operator to complete is a map when nothing is open, and
// names that others chose stay in their lines.
func TestTemplate(t *testing.T) {
	const operatorA, operatorB, tenant, other = "aaaaaaaa-2222-4333-8444-555555555555", "bbbbbbbb-2222-4333-8444-555555555555", "cccccccc-2222-4333-8444-555555555555", "dddddddd-2222-4333-8444-555555555555"
	source := mapping.NewFound(mapping.Cloud{FQDN: "local.azs.test", DeploymentID: "11111111-2222-4333-8444-555555555555"})
	target := mapping.NewFound(mapping.Cloud{FQDN: "south.cloud.example", DeploymentID: "99999999-2222-4333-8444-555555555555"})
	source.Regions["local"], target.Regions["south"] = true, true
	source.Tenants[operatorA], target.Tenants[operatorB] = true, true
	source.Subscriptions[tenant] = mapping.Subscription{Name: "Default", Operator: true}
	target.Subscriptions[other] = mapping.Subscription{Name: "Default", Operator: true}
	source.Domains = []mapping.DomainNames{{DNS: "azs.test", SID: "S-1-5-21-1-2-3"}}
	target.Domains = []mapping.DomainNames{{DNS: "corp.example", SID: "S-1-5-21-4-5-6"}}
	s, err := DecodeMap("map.yaml", mapping.Template(source, target))
	require.NoError(t, err)
	require.Equal(t, map[string]string{"local": "south"}, s.Regions)
	require.Equal(t, map[string]string{operatorA: operatorB}, s.Tenants)
	require.Equal(t, map[string]string{tenant: other}, s.Subscriptions)
	require.Equal(t, "S-1-5-21-4-5-6", s.Domains[0].Target.SID)

	const guest, sub = "eeeeeeee-2222-4333-8444-555555555555", "ffffffff-2222-4333-8444-555555555555"
	source.Guests[guest] = true
	source.Subscriptions[sub] = mapping.Subscription{Name: "x\"\n  evil: \"y\" # \u2028\x00"}
	target.Subscriptions[guest] = mapping.Subscription{Name: "a\nb: c"}
	source.Principals["S-1-5-21-1-2-3-1104"] = true
	text := string(mapping.Template(source, target))
	_, err = DecodeMap("map.yaml", []byte(text))
	require.ErrorIs(t, err, fault.MapInvalid)
	require.ErrorContains(t, err, "it is open")
	for name, to := range map[string]string{guest: guest, sub: operatorA[:35] + "0", "S-1-5-21-1-2-3-1104": "S-1-5-21-4-5-6-1104"} {
		require.Equal(t, 1, strings.Count(text, `  "`+name+`": ""`), text)
		text = strings.Replace(text, `  "`+name+`": ""`, `  "`+name+`": "`+to+`"`, 1)
	}
	s, err = DecodeMap("map.yaml", []byte(text))
	require.NoError(t, err, text)
	require.Len(t, s.Subscriptions, 2)
	require.NotContains(t, s.Subscriptions, "evil")
}
