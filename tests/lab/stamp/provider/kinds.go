package provider

// kind is what is particular of a type.
type kind struct {
	// put checks and completes the body; refusing leaves everything as it was.
	put func(*Write) *Refusal
	// remove refuses a DELETE.
	remove func(*Write) *Refusal
	// after changes other resources once the write is stored, or the resource is gone;
	// then the body is nil.
	after func(*Write)
	// tagged types have entity tags, and honour If-Match and If-None-Match.
	tagged bool
	// stateful types have properties.provisioningState.
	stateful bool
	// working is the state while work goes on, "" for Updating. fragile types have no state
	// for work that failed: what was to be made is gone.
	working string
	fragile bool
	// guided types have properties.resourceGuid.
	guided bool
	// global types may have no location but "global".
	global bool
	// arrays are the members of properties that hold children or parts with IDs below the
	// resource's own: their names are the segments of the IDs.
	arrays []string
	// array is the parent's member of properties that holds this type's resources.
	array string
	// lists are members of properties that a provider gives as empty lists.
	lists []string
	// defaults are filled in where a client says nothing, by dotted path.
	defaults Object
	// carried are members that other resources or the service own: a PUT leaves them.
	carried []string
	// immutable are members that may not change once they are set.
	immutable []string
	// anySubscription types may name resources of other subscriptions.
	anySubscription bool
}

const (
	network = "microsoft.network/"
	compute = "microsoft.compute/"
	storage = "microsoft.storage/"
	access  = "microsoft.authorization/"
	admin   = "microsoft.subscriptions.admin/"
)

// kinds are the types that have something of their own, by lower-case type.
var kinds map[string]*kind

func init() { // the rules look at the table themselves
	kinds = map[string]*kind{
		"microsoft.resources/resourcegroups": {stateful: true},
		"microsoft.resources/subscriptions":  {put: putTenantSubscription, remove: removeTenantSubscription},
		"microsoft.resources/deployments":    {put: putDeployment},
		"microsoft.resources/links":          {put: putLink, anySubscription: true},

		access + "roleassignments":   {put: putRoleAssignment},
		access + "roledefinitions":   {put: putRoleDefinition, remove: removeRoleDefinition},
		access + "locks":             {},
		access + "policydefinitions": {put: putPolicyDefinition, remove: removePolicyDefinition},
		access + "policyassignments": {put: putPolicyAssignment},

		network + "virtualnetworks": {put: putNetwork, remove: removeNetwork, after: afterNetwork, tagged: true, stateful: true, guided: true,
			arrays: []string{"subnets", "virtualNetworkPeerings"}, defaults: Object{"properties.enableDdosProtection": false, "properties.enableVmProtection": false},
			lists: []string{"subnets", "virtualNetworkPeerings"}, anySubscription: true},
		network + "virtualnetworks/subnets":                {put: putSubnet, remove: removeSubnet, tagged: true, stateful: true, array: "subnets", carried: []string{"properties.ipConfigurations"}},
		network + "virtualnetworks/virtualnetworkpeerings": {put: putPeering, tagged: true, stateful: true, array: "virtualNetworkPeerings", anySubscription: true},
		network + "networksecuritygroups":                  {put: putSecurityGroup, remove: removeSecurityGroup, tagged: true, stateful: true, guided: true, arrays: []string{"securityRules", "defaultSecurityRules"}, lists: []string{"securityRules"}, carried: []string{"properties.networkInterfaces", "properties.subnets"}},
		network + "networksecuritygroups/securityrules":    {put: putSecurityRule, tagged: true, stateful: true, array: "securityRules"},
		network + "routetables":                            {remove: removeRouteTable, tagged: true, stateful: true, arrays: []string{"routes"}, lists: []string{"routes"}, defaults: Object{"properties.disableBgpRoutePropagation": false}, carried: []string{"properties.subnets"}},
		network + "routetables/routes":                     {tagged: true, stateful: true, array: "routes"},
		network + "networkinterfaces":                      {put: putInterface, remove: removeInterface, tagged: true, stateful: true, guided: true, arrays: []string{"ipConfigurations"}, lists: []string{"hostedWorkloads", "tapConfigurations"}, defaults: Object{"properties.primary": true, "properties.enableAcceleratedNetworking": false, "properties.enableIPForwarding": false}, carried: []string{"properties.virtualMachine"}},
		network + "publicipaddresses":                      {put: putPublicAddress, remove: removePublicAddress, tagged: true, stateful: true, guided: true, defaults: Object{"properties.publicIPAddressVersion": "IPv4", "properties.publicIPAllocationMethod": "Dynamic", "sku": Object{"name": "Basic"}}, carried: []string{"properties.ipConfiguration"}},
		network + "loadbalancers":                          {put: putBalancer, remove: removeBalancer, tagged: true, stateful: true, guided: true, arrays: []string{"frontendIPConfigurations", "backendAddressPools", "loadBalancingRules", "probes", "inboundNatRules", "outboundRules", "inboundNatPools"}, lists: []string{"frontendIPConfigurations", "backendAddressPools", "loadBalancingRules", "probes", "inboundNatRules", "outboundRules", "inboundNatPools"}, defaults: Object{"sku": Object{"name": "Basic"}}},
		network + "loadbalancers/inboundnatrules":          {tagged: true, stateful: true, array: "inboundNatRules"},
		network + "virtualnetworkgateways":                 {put: putGateway, remove: removeGateway, tagged: true, stateful: true, guided: true, arrays: []string{"ipConfigurations"}, defaults: Object{"properties.enableBgp": false, "properties.activeActive": false}},
		network + "localnetworkgateways":                   {remove: removeGateway, tagged: true, stateful: true, guided: true},
		network + "connections":                            {put: putConnection, tagged: true, stateful: true, guided: true, defaults: Object{"properties.routingWeight": whole(0), "properties.enableBgp": false, "properties.usePolicyBasedTrafficSelectors": false}, immutable: []string{"properties.connectionType"}},
		network + "dnszones":                               {put: putZone, after: afterZone, tagged: true, global: true},

		compute + "availabilitysets":                   {put: putAvailabilitySet, remove: removeAvailabilitySet, carried: []string{"properties.virtualMachines"}, defaults: Object{"properties.platformUpdateDomainCount": whole(5), "properties.platformFaultDomainCount": whole(1), "sku": Object{"name": "Classic"}}, immutable: []string{"properties.platformUpdateDomainCount", "properties.platformFaultDomainCount"}},
		compute + "disks":                              {put: putDisk, remove: removeDisk, stateful: true, carried: []string{"managedBy", "properties.diskState"}, immutable: []string{"properties.creationData.createOption", "properties.creationData.sourceResourceId"}, anySubscription: true},
		compute + "snapshots":                          {put: putSnapshot, stateful: true, immutable: []string{"properties.creationData.createOption", "properties.creationData.sourceResourceId"}},
		compute + "images":                             {put: putImage, stateful: true, immutable: []string{"properties.storageProfile"}},
		compute + "virtualmachines":                    {put: putMachine, after: afterMachine, stateful: true},
		compute + "virtualmachines/extensions":         {stateful: true},
		compute + "virtualmachinescalesets":            {put: putScaleSet, stateful: true},
		compute + "virtualmachinescalesets/extensions": {after: afterScaleSetExtension, stateful: true},
		compute + "galleries":                          {put: putGallery, stateful: true},
		compute + "galleries/images":                   {stateful: true},
		compute + "galleries/images/versions":          {stateful: true},
		compute + "galleries/applications":             {stateful: true},
		compute + "galleries/applications/versions":    {stateful: true},

		storage + "storageaccounts":                         {put: putAccount, after: afterAccount, stateful: true, working: "Creating", fragile: true},
		storage + "storageaccounts/blobservices":            {put: putService},
		storage + "storageaccounts/queueservices":           {put: putService},
		storage + "storageaccounts/tableservices":           {put: putService},
		storage + "storageaccounts/blobservices/containers": {put: putContainer},

		"microsoft.keyvault/vaults":                {put: putVault},
		"microsoft.keyvault/vaults/accesspolicies": {},
		"microsoft.keyvault/vaults/secrets":        {put: putVaultSecret},

		"microsoft.compute.admin/locations/quotas":                                        {put: putQuota, remove: removeQuota},
		"microsoft.network.admin/locations/quotas":                                        {put: putQuota, remove: removeQuota, stateful: true},
		"microsoft.storage.admin/locations/quotas":                                        {put: putQuota, remove: removeQuota},
		"microsoft.compute.admin/locations/artifacttypes/publishers/offers/skus/versions": {put: putArtifact, stateful: true, working: "Creating"},
		"microsoft.compute.admin/locations/artifacttypes/publishers/types/versions":       {put: putArtifact, stateful: true},
		"microsoft.storage.admin/locations/settings":                                      {put: putSettings},
		admin + "plans":                       {put: putPlan, remove: removePlan},
		admin + "offers":                      {put: putOffer, remove: removeOffer},
		admin + "offers/offerdelegations":     {put: putDelegation},
		admin + "subscriptions":               {put: putSubscription, remove: removeSubscription, after: afterSubscription},
		admin + "subscriptions/acquiredplans": {put: putAcquiredPlan},
		admin + "directorytenants":            {put: putDirectoryTenant},
		admin + "locations":                   {put: putLocation},
	}
	for _, record := range []string{"a", "aaaa", "cname", "mx", "ns", "ptr", "soa", "srv", "txt"} {
		kinds[network+"dnszones/"+record] = &kind{put: putRecords, remove: removeRecords, after: afterRecords, tagged: true}
	}
}

// plain is the kind of types that have nothing of their own.
var plain = &kind{stateful: true}

func kindOf(typ string) *kind {
	if k := kinds[typ]; k != nil {
		return k
	}
	return plain
}

// Known says whether there are rules for a lower-case type.
func Known(typ string) bool { return kinds[typ] != nil }

// Conditional says whether a type honours If-Match and If-None-Match. No definition
// names those headers; the network provider is known to look at them, and others ignore
// them.
func Conditional(typ string) bool { return kindOf(typ).tagged }
