package resources

import (
	"infrabackup/internal/backup"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/resources/shape"
)

// kind is what is particular of the items of one kind.
type kind struct {
	fullType string
	stage    restore.Stage
	// within is the kind of the item whose PUT brings this one along, "" for none.
	within string
	// conditional kinds have entity tags that their provider looks at.
	conditional bool
	// immutable are beginnings of paths that no provider changes.
	immutable []string
	// undeletable kinds have no DELETE.
	undeletable bool
	// initial is what the service makes by itself with the item's parent, as JSON. An item
	// that is so counts as not there: nothing has to be restored of it, and taking it
	// back makes it so again.
	initial string
	// contents kinds hold data that is in no backup.
	contents bool
	// ordered says that soft references and origins have to be there first as well.
	ordered bool
	// action kinds are written by other means than PUT.
	action bool
	// prepare changes a wanted body before it is compared and sent.
	prepare func(r *Restorer, body shape.Object)
	// finish changes a body when it is sent.
	finish func(body shape.Object)
	// compared changes projections before they are compared.
	compared func(shape.Object)
}

// never says why a kind is not written.
type never struct{ code, detail string }

const serviceInitial = `{"properties":{"cors":{"corsRules":[]},"deleteRetentionPolicy":{"enabled":false}}}`

// kinds are those that are written, by service.
var kinds = map[backup.Service]map[string]kind{
	backup.ARM: {
		"provider":          {fullType: providerType, stage: restore.StageGroups, action: true},
		"resource-group":    {fullType: "Microsoft.Resources/resourceGroups", stage: restore.StageGroups},
		"link":              {fullType: "Microsoft.Resources/links", stage: restore.StagePolicies},
		"lock":              {fullType: "Microsoft.Authorization/locks", stage: restore.StageLocks},
		"policy-definition": {fullType: "Microsoft.Authorization/policyDefinitions", stage: restore.StagePolicies},
		"policy-assignment": {fullType: "Microsoft.Authorization/policyAssignments", stage: restore.StagePolicies},

		"plan":              {fullType: "Microsoft.Subscriptions.Admin/plans", stage: restore.StageOperator, ordered: true},
		"offer":             {fullType: "Microsoft.Subscriptions.Admin/offers", stage: restore.StageOperator, ordered: true},
		"offer-delegation":  {fullType: "Microsoft.Subscriptions.Admin/offers/offerDelegations", stage: restore.StageOperator},
		"user-subscription": {fullType: "Microsoft.Subscriptions.Admin/subscriptions", stage: restore.StageOperator, immutable: []string{"subscriptionId"}},
		"acquired-plan":     {fullType: "Microsoft.Subscriptions.Admin/subscriptions/acquiredPlans", stage: restore.StageOperator, immutable: []string{"planId"}},
		"directory-tenant":  {fullType: "Microsoft.Subscriptions.Admin/directoryTenants", stage: restore.StageOperator},
		"operator-location": {fullType: "Microsoft.Subscriptions.Admin/locations", stage: restore.StageOperator, undeletable: true},
	},
	backup.CRP: {
		"availability-set": {fullType: "Microsoft.Compute/availabilitySets", stage: restore.StageResources,
			immutable: []string{"properties.platformUpdateDomainCount", "properties.platformFaultDomainCount"}},
		"image":    {fullType: "Microsoft.Compute/images", stage: restore.StageResources, contents: true, ordered: true},
		"disk":     {fullType: "Microsoft.Compute/disks", stage: restore.StageResources, contents: true, prepare: emptied},
		"snapshot": {fullType: "Microsoft.Compute/snapshots", stage: restore.StageResources, contents: true, ordered: true},
		"virtual-machine": {fullType: "Microsoft.Compute/virtualMachines", stage: restore.StageResources, prepare: attached,
			immutable: []string{"properties.availabilitySet", "properties.storageProfile.osDisk.managedDisk.id", "properties.storageProfile.osDisk.vhd", "properties.storageProfile.osDisk.osType"}},
		"virtual-machine-extension": {fullType: "Microsoft.Compute/virtualMachines/extensions", stage: restore.StageResources},
		"compute-quota":             {fullType: "Microsoft.Compute.Admin/locations/quotas", stage: restore.StageOperator},
	},
	backup.NRP: {
		"virtual-network":         {fullType: "Microsoft.Network/virtualNetworks", stage: restore.StageResources, conditional: true},
		"subnet":                  {fullType: "Microsoft.Network/virtualNetworks/subnets", stage: restore.StageResources, within: "virtual-network", conditional: true},
		"virtual-network-peering": {fullType: "Microsoft.Network/virtualNetworks/virtualNetworkPeerings", stage: restore.StageResourceLinks, conditional: true},
		"network-security-group":  {fullType: "Microsoft.Network/networkSecurityGroups", stage: restore.StageResources, conditional: true},
		"security-rule":           {fullType: "Microsoft.Network/networkSecurityGroups/securityRules", stage: restore.StageResources, within: "network-security-group", conditional: true},
		"route-table":             {fullType: "Microsoft.Network/routeTables", stage: restore.StageResources, conditional: true},
		"route":                   {fullType: "Microsoft.Network/routeTables/routes", stage: restore.StageResources, within: "route-table", conditional: true},
		"public-ip-address":       {fullType: "Microsoft.Network/publicIPAddresses", stage: restore.StageResources, conditional: true},
		"network-interface":       {fullType: "Microsoft.Network/networkInterfaces", stage: restore.StageResources, conditional: true},
		"load-balancer":           {fullType: "Microsoft.Network/loadBalancers", stage: restore.StageResources, conditional: true},
		"virtual-network-gateway": {fullType: "Microsoft.Network/virtualNetworkGateways", stage: restore.StageResources, conditional: true, ordered: true},
		"local-network-gateway":   {fullType: "Microsoft.Network/localNetworkGateways", stage: restore.StageResources, conditional: true},
		"connection":              {fullType: "Microsoft.Network/connections", stage: restore.StageResourceLinks, conditional: true, finish: named, immutable: []string{"properties.connectionType"}},
		"connection-shared-key":   {fullType: "Microsoft.Network/connections/sharedkey", stage: restore.StageResourceLinks, within: "connection", undeletable: true},
		"dns-zone":                {fullType: "Microsoft.Network/dnsZones", stage: restore.StageResources, conditional: true},
		"dns-record-set":          {fullType: "Microsoft.Network/dnsZones/recordsets", stage: restore.StageResources, conditional: true},
		"network-quota":           {fullType: "Microsoft.Network.Admin/locations/quotas", stage: restore.StageOperator},
	},
	backup.SRP: {
		"storage-account":  {fullType: accountType, stage: restore.StageResources, immutable: []string{"kind"}},
		"blob-service":     {fullType: "Microsoft.Storage/storageAccounts/blobServices", stage: restore.StageResources, initial: serviceInitial},
		"queue-service":    {fullType: "Microsoft.Storage/storageAccounts/queueServices", stage: restore.StageResources, initial: serviceInitial},
		"table-service":    {fullType: "Microsoft.Storage/storageAccounts/tableServices", stage: restore.StageResources, initial: serviceInitial},
		"blob-container":   {fullType: "Microsoft.Storage/storageAccounts/blobServices/containers", stage: restore.StageResources},
		"storage-quota":    {fullType: "Microsoft.Storage.Admin/locations/quotas", stage: restore.StageOperator},
		"storage-settings": {fullType: "Microsoft.Storage.Admin/locations/settings", stage: restore.StageOperator, undeletable: true},
	},
	backup.KeyVault: {
		"vault": {fullType: vaultType, stage: restore.StageVaults, prepare: withoutOwn},
	},
	backup.RBAC: {
		"role-definition": {fullType: "Microsoft.Authorization/roleDefinitions", stage: restore.StageAccess, ordered: true},
		"role-assignment": {fullType: "Microsoft.Authorization/roleAssignments", stage: restore.StageAccess, compared: byRole, immutable: []string{"properties"}},
	},
}

const (
	providerType = "Microsoft.Resources/providers"
	accountType  = "Microsoft.Storage/storageAccounts"
	vaultType    = "Microsoft.KeyVault/vaults"
)

var (
	derived = never{"DERIVED", "the target makes it by itself; nothing has to be done"}
	history = never{"HISTORY", "it is a record of what was done, and is not done again; read it from the backup"}
	noWrite = never{"NO_WRITE", "its definition has no way to write it; the operator sets it up in the portal, as the backup's document says"}
	notYet  = never{"NOT_YET", "this version cannot bring it back; its document in the backup says what to make by hand"}
	bits    = never{"NO_CONTENTS", "the backup has its description only; the operator adds it from the marketplace or its file again"}
)

// nevers are the kinds that are not written, by service.
var nevers = map[backup.Service]map[string]never{
	backup.ARM: {
		"subscription": {"DERIVED", "the operator's document of the subscription makes it"}, "tenant": derived, "location": derived, "tag-name": {"DERIVED", "it follows from the tags of resources"}, "manifest": derived,
		"deployment": history, "update": history, "update-run": history, "update-location": derived,
		"delegated-provider": {"DERIVED", "it follows from delegations of offers"}, "delegated-provider-offer": {"DERIVED", "it follows from delegations of offers"}, "subscription-quota": noWrite,
	},
	backup.CRP: {
		"scale-set": notYet, "scale-set-extension": notYet, "scale-set-instance": {"DERIVED", "its scale set makes it"},
		"platform-image": bits, "platform-extension": bits, "disk-migration": history, "operator-disk": derived,
	},
	backup.NRP:      {"network-overview": derived, "operator-virtual-network": derived, "operator-public-ip-address": derived, "operator-load-balancer": derived},
	backup.SRP:      {"file-service": notYet, "storage-acquisition": derived, "storage-service": derived, "operator-storage-account": derived},
	backup.KeyVault: {"deleted-vault": {"HISTORY", "it was deleted when the backup was taken"}, "vault-quota": noWrite},
	backup.RBAC:     {},
}

// kindOf is what is known of a kind that is written.
func kindOf(service backup.Service, name string) (kind, bool) {
	k, ok := kinds[service][name]
	return k, ok
}

// neverOf says why a kind is not written.
func neverOf(service backup.Service, name string) never {
	if n, ok := nevers[service][name]; ok {
		return n
	}
	if service == backup.KeyVault {
		return never{"NOT_YET", "contents of vaults are not brought back into a cloud with other names by this version; the values are in the backup"}
	}
	return never{"UNKNOWN_TYPE", "there is no definition of its type in this version; its document in the backup says what to make by hand"}
}
