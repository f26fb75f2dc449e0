package conformance_test

import (
	"regexp"

	"infrabackup/tests/lab/stamp/conformance"
)

// outOfScope are the operations that the stand-in does not serve, or that nothing it
// holds can be read with. what is an expression for "<file> <operationId>".
var outOfScope = []struct{ what, why string }{
	{`\S+ Operations_List`, "what a provider can do is no state of a stamp"},
	{`azurestack-admin/backup/\S+ \S+`, "the product's own API, which tests/wire holds to it"},
	{`\S+/2015-06-15/Network\.json (OnPremLocations|LocationsOperations|LocationsOperationResults)_List`, "the provider's own operations, no state of a stamp"},
	{`\S+ (Offers|Plans)_ListMetric(s|Definitions)`, "measurements, no configuration"},
	{`\S+ (AsyncOperations_Get|Locations_GetOperationsStatus)`, "progress of the operator's own changes"},
	{`arm/resources/\S+ Resources_Get(ById)?`, "the generic form of what each type's own operation gives, with the type's api-version"},
	{`arm/resources/\S+ Deployment(s|Operations)_(Get|List)AtManagementGroupScope`, "a stamp has no management groups"},
	{`arm/resources/\S+ Deployments_GetAtTenantScope|arm/resources/\S+ DeploymentOperations_(Get\S*|List|ListAtTenantScope)`, "the generator makes no deployments there, and no steps of deployments"},
	{`azurestack-admin/user-subscriptions/\S+ Subscriptions_(List|Get)`, "tenants' subscriptions are served at 2016-06-01 only"},
	{`azurestack-admin/user-subscriptions/\S+ DelegatedProviderOffers_Get`, "the generator makes no offers in the tenants' view"},
	{`azurestack-admin/\S+ (DiskMigrationJobs_Get|UpdateRuns_GetTopLevel)`, "the generator makes none"},
	{`arm/compute/\S+ (DedicatedHost|ProximityPlacementGroups|DiskEncryptionSets)\S+`, "not on a stamp"},
	{`arm/compute/\S+ Galler(yApplication|yImage)\S+`, "galleries stand for an uncommon type; they are empty"},
	{`arm/compute/\S+ (VirtualMachineExtensionImages|VirtualMachineImages)_\S+`, "the tenants' view of the marketplace, which the operator's side has"},
	{`arm/compute/\S+ (VirtualMachineScaleSetVMs|VirtualMachineScaleSetVMExtensions)_(Get\S*|List)`, "instances of scale sets are run-time state; the list of them is served and empty"},
	{`arm/compute/\S+ \S*(InstanceView|ListAvailableSizes|ListByLocation|GetOSUpgradeHistory|ListSkus|RollingUpgrades_GetLatest)`, "run-time state and capabilities"},
	{`arm/network/\S+ (ApplicationGateways|ApplicationSecurityGroups|InterfaceEndpoints|NetworkProfiles|ServiceEndpointPolic|VirtualNetworkTaps|NetworkInterfaceTapConfigurations)\S+`, "not on a stamp"},
	{`arm/network/\S+ (LoadBalancerNetworkInterfaces|NetworkInterfaceLoadBalancers|VirtualNetworkGateways)_List(Connections)?`, "other views of what has lists of its own"},
	{`arm/network/\S+ VirtualNetworks_(CheckIPAddressAvailability|ListUsage)`, "run-time state"},
	{`arm/network/\S+ (InboundNatRules|LoadBalancerOutboundRules)_Get`, "the generator makes none; the lists are served and empty"},
	{`arm/storage/\S+ (EncryptionScopes|ManagementPolicies|PrivateEndpointConnections|PrivateLinkResources|Skus|BlobContainers_GetImmutabilityPolicy)\S*`, "not on a stamp, or a capability"},
	{`arm/keyvault/\S+ Private\S+`, "not on a stamp"},
	{`arm/keyvault/\S+ Vaults_List`, "the resource manager's own list with another api-version; it is read as Resources_List"},
	{`arm/keyvault/\S+ (Secrets_Get|Vaults_GetDeleted)`, "the generator makes none; the lists are served and empty"},
	{`arm/keyvault-data/\S+ GetStorageAccounts`, "a stamp's vaults manage no storage accounts"},
}

// empty are lists that are served and that a generated stamp has no elements for.
var empty = map[string]bool{
	"InboundNatRules_List": true, "LoadBalancerOutboundRules_List": true, "Offers_List": true, "DelegatedProviderOffers_List": true,
	"DeploymentOperations_ListAtSubscriptionScope": true, "Deployments_ListAtTenantScope": true, "Secrets_List": true,
	"Usage_List": true, "Usages_ListByLocation": true, "Vaults_ListDeleted": true, "VirtualMachineSizes_List": true,
}

// skipped gives the row of outOfScope that an operation falls under, "" for none.
func skipped(o *conformance.Operation) string {
	for _, row := range outOfScope {
		if regexp.MustCompile("^(" + row.what + ")$").MatchString(o.File + " " + o.ID) {
			return row.what
		}
	}
	return ""
}
