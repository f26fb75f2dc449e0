package stamp

// The operator's api-versions, one for each definition at hand.
var (
	subscriptionsAdminVersions = []string{"2015-11-01"}
	computeAdminQuotaVersions  = []string{"2018-02-09", "2015-12-01-preview"}
	computeAdminImageVersions  = []string{"2015-12-01-preview"}
	computeAdminDiskVersions   = []string{"2018-07-30-preview"}
	networkAdminVersions       = []string{"2015-06-15"}
	storageAdminVersions       = []string{"2019-08-08-preview"}
	vaultAdminVersions         = []string{"2017-02-01-preview"}
	updateAdminVersions        = []string{"2016-05-01"}
)

// adminTypes are the types that only the admin endpoint offers. Microsoft.Backup.Admin
// is not among them: the stand-in's operator has nothing that answers it.
var adminTypes = []row{
	{name: "Microsoft.Subscriptions.Admin/plans", versions: subscriptionsAdminVersions, traits: both},
	{name: "Microsoft.Subscriptions.Admin/offers", versions: subscriptionsAdminVersions, traits: both},
	{name: "Microsoft.Subscriptions.Admin/offers/link", versions: subscriptionsAdminVersions, traits: internal},
	{name: "Microsoft.Subscriptions.Admin/offers/unlink", versions: subscriptionsAdminVersions, traits: internal},
	{name: "Microsoft.Subscriptions.Admin/offers/offerDelegations", versions: subscriptionsAdminVersions, traits: belowParent},
	{name: "Microsoft.Subscriptions.Admin/subscriptions", versions: subscriptionsAdminVersions, traits: inSubscription | onePage},
	{name: "Microsoft.Subscriptions.Admin/subscriptions/acquiredPlans", versions: subscriptionsAdminVersions, traits: belowParent},
	{name: "Microsoft.Subscriptions.Admin/delegatedProviders", versions: subscriptionsAdminVersions, traits: inSubscription | onePage},
	{name: "Microsoft.Subscriptions.Admin/delegatedProviders/offers", versions: subscriptionsAdminVersions, traits: belowParent},
	{name: "Microsoft.Subscriptions.Admin/directoryTenants", versions: subscriptionsAdminVersions, traits: inGroup},
	{name: "Microsoft.Subscriptions.Admin/locations", versions: subscriptionsAdminVersions, traits: inSubscription | virtual},
	{name: "Microsoft.Subscriptions.Admin/locations/quotas", versions: subscriptionsAdminVersions, traits: belowParent | onePage},
	{name: "Microsoft.Subscriptions.Admin/manifests", versions: subscriptionsAdminVersions, traits: inSubscription},

	{name: "Microsoft.Compute.Admin/locations/quotas", versions: computeAdminQuotaVersions, traits: belowParent | onePage},
	{name: "Microsoft.Compute.Admin/locations/artifactTypes", versions: computeAdminImageVersions, traits: array | virtual},
	{name: "Microsoft.Compute.Admin/locations/artifactTypes/publishers/offers/skus/versions", versions: computeAdminImageVersions},
	{name: "Microsoft.Compute.Admin/locations/artifactTypes/publishers/types/versions", versions: computeAdminImageVersions},
	{name: "Microsoft.Compute.Admin/locations/disks", versions: computeAdminDiskVersions, traits: belowParent | onePage},
	{name: "Microsoft.Compute.Admin/locations/diskmigrationjobs", versions: computeAdminDiskVersions, traits: belowParent | onePage},

	{name: "Microsoft.Network.Admin/locations/quotas", versions: networkAdminVersions, traits: belowParent | onePage},
	{name: "Microsoft.Network.Admin/adminVirtualNetworks", versions: networkAdminVersions, traits: inSubscription},
	{name: "Microsoft.Network.Admin/adminPublicIpAddresses", versions: networkAdminVersions, traits: inSubscription},
	{name: "Microsoft.Network.Admin/adminLoadBalancers", versions: networkAdminVersions, traits: inSubscription},
	{name: "Microsoft.Network.Admin/adminOverview", versions: networkAdminVersions, traits: single},

	{name: "Microsoft.Storage.Admin/locations/quotas", versions: storageAdminVersions, traits: belowParent | onePage},
	{name: "Microsoft.Storage.Admin/locations/settings", versions: storageAdminVersions, traits: single},
	{name: "Microsoft.Storage.Admin/locations/acquisitions", versions: storageAdminVersions, traits: belowParent | onePage},
	{name: "Microsoft.Storage.Admin/locations/storageAccounts", versions: storageAdminVersions, traits: belowParent | odataLink},
	{name: "Microsoft.Storage.Admin/storageServices", versions: storageAdminVersions, traits: array},

	{name: "Microsoft.KeyVault.Admin/locations/quotas", versions: vaultAdminVersions, traits: belowParent | onePage},

	{name: "Microsoft.Update.Admin/updateLocations", versions: updateAdminVersions, traits: inGroup | onePage},
	{name: "Microsoft.Update.Admin/updateLocations/updates", versions: updateAdminVersions, traits: belowParent},
	{name: "Microsoft.Update.Admin/updateLocations/updates/updateRuns", versions: updateAdminVersions, traits: belowParent},
	{name: "Microsoft.Update.Admin/updateLocations/updateRuns", versions: updateAdminVersions, traits: belowParent},
}
