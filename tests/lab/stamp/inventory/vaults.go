package inventory

import "fmt"

// vault is a key vault with its contents' place.
type vault struct {
	name, id, uri string
}

type vaultProperties struct {
	SKU struct {
		Family string `json:"family"`
		Name   string `json:"name"`
	} `json:"sku"`
	TenantID                     string         `json:"tenantId"`
	AccessPolicies               []accessPolicy `json:"accessPolicies"`
	EnabledForDeployment         bool           `json:"enabledForDeployment"`
	EnabledForDiskEncryption     bool           `json:"enabledForDiskEncryption"`
	EnabledForTemplateDeployment bool           `json:"enabledForTemplateDeployment"`
	VaultURI                     string         `json:"vaultUri"`
}

type accessPolicy struct {
	TenantID    string `json:"tenantId"`
	ObjectID    string `json:"objectId"`
	Permissions struct {
		Keys         []string `json:"keys"`
		Secrets      []string `json:"secrets"`
		Certificates []string `json:"certificates"`
	} `json:"permissions"`
}

// newVault makes a vault; its contents come with it, but only for as many vaults
// as keeps them growing slowly.
func (b *builder) newVault(g *group) {
	policies := []string{}
	for range b.between(1, 3) {
		policies = append(policies, pick(b, b.principals))
	}
	v := b.putVault(g, policies)
	if len(b.vaultOf) < 2+b.o.Resources/400 {
		b.vaultOf = append(b.vaultOf, v)
		b.contents(v)
	}
}

// putVault makes an empty vault whose access policies name the principals.
func (b *builder) putVault(g *group, who []string) *vault {
	name := b.name("kv")
	const kind = "Microsoft.KeyVault/vaults"
	v := &vault{name: name, id: g.in(kind, name)}
	v.uri = fmt.Sprintf("https://%s.vault.%s/", name, b.o.Domain)
	if b.o.VaultPort != 0 {
		v.uri = fmt.Sprintf("https://%s.vault.%s:%d/", name, b.o.Domain, b.o.VaultPort)
	}
	p := vaultProperties{TenantID: b.directoryT, AccessPolicies: []accessPolicy{}, EnabledForDeployment: b.chance(2), EnabledForDiskEncryption: b.chance(3), VaultURI: v.uri}
	p.SKU.Family, p.SKU.Name = "A", pick(b, []string{"standard", "premium"})
	for _, sid := range who {
		a := accessPolicy{TenantID: b.directoryT, ObjectID: sid}
		a.Permissions.Keys = []string{"get", "list", "backup"}
		a.Permissions.Secrets = pick(b, [][]string{{"get", "list"}, {"list", "set", "delete"}, {}})
		a.Permissions.Certificates = []string{"get", "list"}
		p.AccessPolicies = append(p.AccessPolicies, a)
	}
	b.add(kind, &resource{ID: v.id, Name: name, Type: kind, Location: b.o.Region, Tags: b.tags(), Properties: p})
	g.some = append(g.some, v.id)
	return v
}
