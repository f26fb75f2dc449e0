package stamp

import (
	"maps"
	"slices"
	"strings"

	"infrabackup/tests/lab/stamp/inventory"
)

// trait says what collections of a type exist and how their lists are made.
type trait uint

const (
	// Where a list exists: …/subscriptions/{s}/providers/<type>, the same of a resource
	// group, the collection below a parent, the tenant's root.
	inSubscription trait = 1 << iota
	inGroup
	belowParent
	atRoot
	// onePage and groupOnePage: the definition has no nextLink, for all lists or for the
	// resource group's only.
	onePage
	groupOnePage
	// single: the collection's path answers one object, not a list.
	single
	// array: the list is a JSON array without an envelope, of the collection's elements or,
	// where it has none, of everything below the path.
	array
	// siblings: the list is of everything below the parent, whatever its type.
	siblings
	// odataLink: the member with the next page's address is @odata.nextLink.
	odataLink
	// extension: exists at any scope; a scope's list also gives what is below it.
	extension
	// withAbove: an extension's list also gives what is assigned above; notBelow takes
	// away what is below.
	withAbove
	notBelow
	// exactScope: the subscription's list does not give what lies in its groups.
	exactScope
	// tracked: stands in ARM's own list of resources.
	tracked
	// virtual: parts of a path that need no document of their own.
	virtual
	// internal: not among the types that the provider names.
	internal
)

// row is one resource type of the stamp.
type row struct {
	name     string // full type with its own case
	versions []string
	traits   trait
	// embedded is the property of the parent that holds the children, for those that no
	// document of their own needs: "properties.probes".
	embedded string
	admin    bool // on the admin endpoint only
	generic  bool // of a provider of which nothing else is known
}

func (r *row) has(t trait) bool { return r.traits&t != 0 }

// both is a list in subscriptions and in their resource groups.
const both = inSubscription | inGroup

// Versions by provider: what the profiles 2020-09-01-hybrid and 2019-03-01-hybrid name.
var (
	resourceVersions     = []string{"2019-10-01", "2018-05-01"}
	subscriptionVersions = []string{"2016-06-01"}
	rbacVersions         = []string{"2015-07-01"}
	lockVersions         = []string{"2016-09-01"}
	policyVersions       = []string{"2016-12-01"}
	computeVersions      = []string{"2020-06-01", "2019-07-01", "2017-12-01"}
	diskVersions         = []string{"2019-07-01", "2017-03-30"}
	galleryVersions      = []string{"2019-07-01"}
	networkVersions      = []string{"2018-11-01", "2017-10-01"}
	dnsVersions          = []string{"2016-04-01"}
	storageVersions      = []string{"2019-06-01", "2017-10-01"}
	vaultVersions        = []string{"2019-09-01", "2016-10-01"}
)

// tenantTypes are the types that both endpoints offer.
var tenantTypes = []row{
	{name: "Microsoft.Resources/subscriptions", versions: subscriptionVersions, traits: atRoot},
	{name: "Microsoft.Resources/tenants", versions: subscriptionVersions, traits: atRoot},
	{name: "Microsoft.Resources/offers", versions: []string{"2015-11-01"}, traits: atRoot | internal},
	{name: "Microsoft.Resources/subscriptions/locations", versions: subscriptionVersions, traits: onePage},
	{name: "Microsoft.Resources/subscriptions/tagNames", versions: resourceVersions},
	{name: "Microsoft.Resources/subscriptions/resourceGroups", versions: resourceVersions},
	{name: "Microsoft.Resources/subscriptions/resources", versions: resourceVersions},
	{name: "Microsoft.Resources/subscriptions/providers", versions: resourceVersions},
	{name: "Microsoft.Resources/resourceGroups", versions: resourceVersions},
	{name: "Microsoft.Resources/resources", versions: resourceVersions},
	{name: "Microsoft.Resources/providers", versions: resourceVersions},
	{name: "Microsoft.Resources/deployments", versions: resourceVersions, traits: both | atRoot | exactScope},
	{name: "Microsoft.Resources/deployments/operations", versions: resourceVersions, traits: belowParent},
	{name: "Microsoft.Resources/tags", versions: resourceVersions, traits: virtual},
	{name: "Microsoft.Resources/links", versions: []string{"2019-10-01", "2016-09-01"}, traits: extension},

	{name: "Microsoft.Authorization/roleAssignments", versions: rbacVersions, traits: extension | withAbove},
	{name: "Microsoft.Authorization/roleDefinitions", versions: rbacVersions, traits: extension | withAbove | notBelow},
	{name: "Microsoft.Authorization/permissions", versions: rbacVersions, traits: virtual},
	{name: "Microsoft.Authorization/classicAdministrators", versions: []string{"2015-06-01"}, traits: inSubscription},
	{name: "Microsoft.Authorization/locks", versions: lockVersions, traits: extension},
	{name: "Microsoft.Authorization/policyAssignments", versions: policyVersions, traits: extension | withAbove},
	{name: "Microsoft.Authorization/policyDefinitions", versions: policyVersions, traits: extension | withAbove | notBelow},

	{name: "Microsoft.Compute/availabilitySets", versions: computeVersions, traits: both | tracked},
	{name: "Microsoft.Compute/images", versions: computeVersions, traits: both | tracked},
	{name: "Microsoft.Compute/virtualMachines", versions: computeVersions, traits: both | tracked},
	{name: "Microsoft.Compute/virtualMachines/extensions", versions: computeVersions, traits: belowParent | onePage},
	{name: "Microsoft.Compute/virtualMachineScaleSets", versions: computeVersions, traits: both | tracked},
	{name: "Microsoft.Compute/virtualMachineScaleSets/extensions", versions: computeVersions, traits: belowParent},
	{name: "Microsoft.Compute/virtualMachineScaleSets/virtualMachines", versions: computeVersions, traits: belowParent},
	{name: "Microsoft.Compute/virtualMachineScaleSets/virtualMachines/extensions", versions: computeVersions, traits: belowParent | onePage},
	{name: "Microsoft.Compute/locations/usages", versions: computeVersions, traits: belowParent},
	{name: "Microsoft.Compute/locations/vmSizes", versions: computeVersions, traits: belowParent | onePage},
	{name: "Microsoft.Compute/locations/operations", versions: computeVersions, traits: virtual},
	{name: "Microsoft.Compute/locations/operationResults", versions: computeVersions, traits: virtual | internal},
	{name: "Microsoft.Compute/disks", versions: diskVersions, traits: both | tracked},
	{name: "Microsoft.Compute/snapshots", versions: diskVersions, traits: both | tracked},
	{name: "Microsoft.Compute/galleries", versions: galleryVersions, traits: both | tracked},
	{name: "Microsoft.Compute/galleries/images", versions: galleryVersions, traits: belowParent},
	{name: "Microsoft.Compute/galleries/images/versions", versions: galleryVersions, traits: belowParent},
	{name: "Microsoft.Compute/galleries/applications", versions: galleryVersions, traits: belowParent},
	{name: "Microsoft.Compute/galleries/applications/versions", versions: galleryVersions, traits: belowParent},

	{name: "Microsoft.Network/virtualNetworks", versions: networkVersions, traits: both | tracked},
	{name: "Microsoft.Network/virtualNetworks/subnets", versions: networkVersions, traits: belowParent, embedded: "subnets"},
	{name: "Microsoft.Network/virtualNetworks/virtualNetworkPeerings", versions: networkVersions, traits: belowParent, embedded: "virtualNetworkPeerings"},
	{name: "Microsoft.Network/networkInterfaces", versions: networkVersions, traits: both | tracked},
	{name: "Microsoft.Network/networkInterfaces/ipConfigurations", versions: networkVersions, traits: belowParent, embedded: "ipConfigurations"},
	{name: "Microsoft.Network/networkSecurityGroups", versions: networkVersions, traits: both | tracked},
	{name: "Microsoft.Network/networkSecurityGroups/securityRules", versions: networkVersions, traits: belowParent, embedded: "securityRules"},
	{name: "Microsoft.Network/networkSecurityGroups/defaultSecurityRules", versions: networkVersions, traits: belowParent, embedded: "defaultSecurityRules"},
	{name: "Microsoft.Network/routeTables", versions: networkVersions, traits: both | tracked},
	{name: "Microsoft.Network/routeTables/routes", versions: networkVersions, traits: belowParent, embedded: "routes"},
	{name: "Microsoft.Network/publicIPAddresses", versions: networkVersions, traits: both | tracked},
	{name: "Microsoft.Network/loadBalancers", versions: networkVersions, traits: both | tracked},
	{name: "Microsoft.Network/loadBalancers/backendAddressPools", versions: networkVersions, traits: belowParent, embedded: "backendAddressPools"},
	{name: "Microsoft.Network/loadBalancers/frontendIPConfigurations", versions: networkVersions, traits: belowParent, embedded: "frontendIPConfigurations"},
	{name: "Microsoft.Network/loadBalancers/inboundNatRules", versions: networkVersions, traits: belowParent, embedded: "inboundNatRules"},
	{name: "Microsoft.Network/loadBalancers/loadBalancingRules", versions: networkVersions, traits: belowParent, embedded: "loadBalancingRules"},
	{name: "Microsoft.Network/loadBalancers/outboundRules", versions: networkVersions, traits: belowParent, embedded: "outboundRules"},
	{name: "Microsoft.Network/loadBalancers/probes", versions: networkVersions, traits: belowParent, embedded: "probes"},
	{name: "Microsoft.Network/virtualNetworkGateways", versions: networkVersions, traits: inGroup | tracked},
	{name: "Microsoft.Network/localNetworkGateways", versions: networkVersions, traits: inGroup | tracked},
	{name: "Microsoft.Network/connections", versions: networkVersions, traits: inGroup | tracked},
	{name: "Microsoft.Network/connections/sharedKey", versions: networkVersions, traits: virtual | internal},
	{name: "Microsoft.Network/locations/usages", versions: networkVersions, traits: belowParent},
	{name: "Microsoft.Network/dnsZones", versions: dnsVersions, traits: both | tracked},
	{name: "Microsoft.Network/dnsZones/recordsets", versions: dnsVersions, traits: siblings},

	{name: "Microsoft.Storage/storageAccounts", versions: storageVersions, traits: both | groupOnePage | tracked},
	{name: "Microsoft.Storage/checkNameAvailability", versions: storageVersions, traits: internal},
	{name: "Microsoft.Storage/storageAccounts/listKeys", versions: storageVersions, traits: internal},
	{name: "Microsoft.Storage/storageAccounts/regenerateKey", versions: storageVersions, traits: internal},
	{name: "Microsoft.Storage/storageAccounts/blobServices", versions: storageVersions, traits: belowParent | onePage | virtual},
	{name: "Microsoft.Storage/storageAccounts/blobServices/containers", versions: storageVersions, traits: belowParent},
	{name: "Microsoft.Storage/storageAccounts/fileServices", versions: storageVersions, traits: belowParent | onePage | virtual},
	{name: "Microsoft.Storage/storageAccounts/queueServices", versions: storageVersions, traits: belowParent | onePage | virtual},
	{name: "Microsoft.Storage/storageAccounts/tableServices", versions: storageVersions, traits: belowParent | onePage | virtual},
	{name: "Microsoft.Storage/locations/usages", versions: storageVersions, traits: belowParent | onePage},

	{name: "Microsoft.KeyVault/vaults", versions: vaultVersions, traits: both | tracked},
	{name: "Microsoft.KeyVault/vaults/secrets", versions: vaultVersions, traits: belowParent},
	{name: "Microsoft.KeyVault/deletedVaults", versions: vaultVersions, traits: inSubscription},
	{name: "Microsoft.KeyVault/locations/deletedVaults", versions: vaultVersions},
	{name: "Microsoft.KeyVault/locations/deletedVaults/purge", versions: vaultVersions, traits: internal},
	{name: "Microsoft.KeyVault/vaults/accessPolicies", versions: vaultVersions, traits: internal},
	{name: "Microsoft.KeyVault/checkNameAvailability", versions: vaultVersions, traits: internal},
}

// dnsRecordTypes have a list each, beside the one of all records.
var dnsRecordTypes = []string{"A", "AAAA", "CNAME", "MX", "NS", "PTR", "SOA", "SRV", "TXT"}

// types is the table with overrides, by lower-case full type.
type types struct{ rows map[string]*row }

func newTypes(overrides map[string][]string) *types {
	t := &types{rows: map[string]*row{}}
	for _, r := range tenantTypes {
		t.rows[strings.ToLower(r.name)] = &r
	}
	for _, name := range dnsRecordTypes {
		r := &row{name: "Microsoft.Network/dnsZones/" + name, versions: dnsVersions, traits: belowParent}
		t.rows[strings.ToLower(r.name)] = r
	}
	for _, r := range adminTypes {
		r.admin = true
		t.rows[strings.ToLower(r.name)] = &r
	}
	for name, versions := range overrides {
		t.offer(name).versions = slices.Clone(versions)
	}
	return t
}

// genericVersions are the api-versions of a type that only the contents know.
var genericVersions = []string{"2020-01-01"}

// offer gives the row of a full type, and makes a generic one for a new type.
func (t *types) offer(name string) *row {
	key := strings.ToLower(name)
	r := t.rows[key]
	if r == nil {
		namespace, rest, _ := strings.Cut(name, "/")
		r = &row{name: name, versions: genericVersions, traits: both | tracked, generic: true, admin: strings.HasSuffix(strings.ToLower(namespace), ".admin")}
		if strings.Contains(rest, "/") {
			r.traits = belowParent
		}
		t.rows[key] = r
	}
	return r
}

// find gives the row of a lower-case type on an endpoint, nil when it is not offered.
func (t *types) find(typ string, endpoint inventory.Endpoint) *row {
	r := t.rows[typ]
	if r == nil || r.admin && endpoint != inventory.Admin {
		return nil
	}
	return r
}

// offered are the rows that an endpoint's providers name, by name.
func (t *types) offered(endpoint inventory.Endpoint) []*row {
	rows := make([]*row, 0, len(t.rows))
	for _, key := range slices.Sorted(maps.Keys(t.rows)) {
		if r := t.rows[key]; !r.has(internal) && (!r.admin || endpoint == inventory.Admin) {
			rows = append(rows, r)
		}
	}
	return rows
}
