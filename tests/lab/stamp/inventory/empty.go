package inventory

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Empty makes what a stamp holds right after its installation: the operator's default
// subscription with its groups and the built-in roles, the default quotas, the location,
// the directory tenant and the providers' manifests. There are no tenants. Of the options
// it takes Seed, Domain, Region and Now; its identifiers are its own for each seed.
func Empty(o Options) (*Stamp, error) {
	b, err := newBuilder(o)
	if err != nil {
		return nil, fmt.Errorf("make an empty stamp: %w", err)
	}
	b.directory()
	b.s.DeploymentID = b.guid()
	b.putSubscription(Admin, b.provider, "Default Provider Subscription")
	for _, name := range []string{"system." + b.o.Region, "system.global"} {
		id := b.providerGroup(name)
		b.put(Admin, id, "Microsoft.Resources/resourceGroups", &resource{
			ID: id, Name: name, Type: "Microsoft.Resources/resourceGroups", Location: b.o.Region, Properties: state{"Succeeded"},
		})
	}
	admin := "/subscriptions/" + b.provider
	b.roles(Admin, admin)
	b.assign(Admin, admin, admin+"/providers/"+roleDefinition+"/"+builtin[0].guid, b.principals[0])
	b.defaultQuotas()
	b.userSubscription(b.provider, "Default Provider Subscription", "", "Admin")
	b.places()
	b.updates()
	b.storageSettings()
	b.networkOverview()
	b.storageServices()
	if b.err != nil {
		return nil, fmt.Errorf("make an empty stamp: %w", b.err)
	}
	return b.s, nil
}

// defaultQuotas are those that every stamp has.
func (b *builder) defaultQuotas() {
	b.quotasOf(1)
	id := b.adminPath(subscriptionsAdmin + "/locations/" + b.o.Region + "/quotas/delegatedProviderQuota")
	b.put(Admin, id, subscriptionsAdmin+"/locations/quotas", &resource{ID: id, Name: b.o.Region + "/delegatedProviderQuota", Type: subscriptionsAdmin + "/locations/quotas", Location: b.o.Region,
		Properties: struct {
			Allow bool `json:"allowCustomPortalBranding"`
		}{false}})
}

// Moved gives documents of one stamp as another would have them: with its region, domain
// and identifiers in place of the first one's. What was made on the first stamp keeps its
// own identifiers, those of subscriptions among them.
func (s *Stamp) Moved(domain, region string, to *Stamp, toDomain, toRegion string) []Document {
	replace := strings.NewReplacer(
		s.ProviderSubscription, to.ProviderSubscription, s.TenantID, to.TenantID, domain, toDomain,
		`"location":"`+region+`"`, `"location":"`+toRegion+`"`, `"primaryLocation":"`+region+`"`, `"primaryLocation":"`+toRegion+`"`,
		"/locations/"+region, "/locations/"+toRegion, "/Locations/"+region, "/Locations/"+toRegion, `"`+region+"/", `"`+toRegion+"/", `ame":"`+region+`"`, `ame":"`+toRegion+`"`,
		"system."+region, "system."+toRegion, "."+region+".cloudapp.", "."+toRegion+".cloudapp.", `"value":["`+region+`"]`, `"value":["`+toRegion+`"]`,
	)
	out := make([]Document, len(s.Documents))
	for i, d := range s.Documents {
		d.ID, d.Body = replace.Replace(d.ID), json.RawMessage(replace.Replace(string(d.Body)))
		out[i] = d
	}
	return out
}
