package restoring

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/mapping"
)

// TestMapsOfOthers: a map is good for one cloud, one target and its domain.
func TestMapsOfOthers(t *testing.T) {
	const id, targetID = "11111111-2222-4333-8444-555555555555", "99999999-2222-4333-8444-555555555555"
	cloud := restore.Fingerprint{FQDN: "local.azs.test", DeploymentID: id}
	target := restore.Fingerprint{Name: "b", FQDN: "south.cloud.example", DeploymentID: targetID, DomainSID: "S-1-5-21-4-5-6"}
	site := func(change func(*mapping.Site)) *mapping.Site {
		s := &mapping.Site{Format: mapping.Format, Source: mapping.Cloud{FQDN: "LOCAL.azs.test", DeploymentID: id}, Target: mapping.Cloud{FQDN: target.FQDN, DeploymentID: targetID},
			Domains: []mapping.Domain{{Source: mapping.DomainNames{SID: "S-1-5-21-1-2-3", DNS: "azs.test"}, Target: mapping.DomainNames{SID: "S-1-5-21-4-5-6", DNS: "corp.example"}}}}
		change(s)
		return s
	}
	m, err := mapOf(site(func(*mapping.Site) {}), cloud, target)
	require.NoError(t, err)
	require.NotNil(t, m.Names())
	m, err = mapOf(nil, cloud, target)
	require.NoError(t, err)
	require.Nil(t, m.Names())
	for code, all := range map[fault.Code][]func(*mapping.Site){
		fault.MapForeign: {
			func(s *mapping.Site) { s.Source.FQDN = "other.azs.test" },
			func(s *mapping.Site) { s.Source.DeploymentID = "22222222-2222-4333-8444-555555555555" },
			func(s *mapping.Site) { s.Source.DeploymentID = "" },
			func(s *mapping.Site) { s.Target.FQDN = "north.cloud.example" },
			func(s *mapping.Site) { s.Target.DeploymentID = "22222222-2222-4333-8444-555555555555" },
			func(s *mapping.Site) { s.Source, s.Target = s.Target, s.Source },
			func(s *mapping.Site) { s.Domains[0].Target.SID = "S-1-5-21-4-5-7" },
		},
		fault.MapInvalid: {
			func(s *mapping.Site) { s.Format = 0 },
			func(s *mapping.Site) { s.Target = s.Source; s.Domains[0].Target.DNS = s.Source.FQDN },
		},
	} {
		for i, change := range all {
			_, err := mapOf(site(change), cloud, target)
			require.ErrorIs(t, err, code, i)
		}
	}
}

// TestNamesThatAreFound: what a template lists of items, be they a cloud's own or a guest's.
func TestNamesThatAreFound(t *testing.T) {
	const sub, own, guest = "aaaaaaaa-2222-4333-8444-555555555555", "bbbbbbbb-2222-4333-8444-555555555555", "cccccccc-2222-4333-8444-555555555555"
	f := &finding{Found: mapping.NewFound(mapping.Cloud{})}
	look := func(service backup.Service, kind, document string) {
		f.look(backup.CatalogEntry{Service: service, Item: backup.Item{Kind: kind, ID: "/x"}}, []byte(fmt.Sprintf(`{"endpoint":"tenant","type":"a/b","apiVersion":"1","document":%s}`, document)))
	}
	look(backup.ARM, "tenant", `{"id":"/tenants/`+own+`","tenantId":"`+own+`"}`)
	look(backup.ARM, "location", `{"name":"local"}`)
	look(backup.ARM, "user-subscription", `{"subscriptionId":"`+sub+`","displayName":"Ünit","routingResourceManagerType":"Admin","tenantId":"`+guest+`"}`)
	look(backup.KeyVault, "vault", `{"location":"Global","properties":{"accessPolicies":[{"objectId":"s-1-5-21-1-2-3-1104","tenantId":"`+own+`"},{"objectId":"S-1-5-21-1-2-3-1105"}]}}`)
	look(backup.CRP, "disk", `{"location":"Else Where","x":"https://h/subscriptions/dddddddd-2222-4333-8444-555555555555/y and /subscriptions/none"}`)
	look(backup.CRP, "disk", `broken`)
	f.accounts = map[string]bool{"S-1-5-21-1-2-3-1105": true}
	f.settle(true)
	require.Equal(t, map[string]bool{"local": true, "elsewhere": true}, f.Regions)
	require.Equal(t, map[string]bool{own: true}, f.Tenants)
	require.Equal(t, map[string]bool{guest: true}, f.Guests)
	require.Equal(t, map[string]bool{"S-1-5-21-1-2-3-1104": true}, f.Principals)
	require.Equal(t, map[string]mapping.Subscription{sub: {Name: "Ünit", Operator: true}, "dddddddd-2222-4333-8444-555555555555": {}}, f.Subscriptions)
	require.True(t, isDomain("DC=azs,DC=test"))
	require.False(t, isDomain("DC=DomainDnsZones,DC=azs,DC=test"))
	require.False(t, isDomain("CN=x,DC=azs,DC=test"))
	require.Equal(t, "azs.test", dnsOf("DC=azs,DC=test"))
}
