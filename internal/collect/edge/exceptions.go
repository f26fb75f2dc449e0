package edge

// Exception is a place where the ID of a resource stands that is no edge.
type Exception struct {
	Type, Path string // as in [Row]
	Reason     string
}

// Exceptions are the places that documents are known to have. A document's own ID, and
// those of what lies below it, are no references and are not among them.
var Exceptions = []Exception{
	{disks, "properties.creationData.imageReference.id", platformImage},
	{snapshots, "properties.creationData.imageReference.id", platformImage},
	{machines, "properties.storageProfile.imageReference.id", platformImage},
	{scaleSets, "properties.virtualMachineProfile.storageProfile.imageReference.id", platformImage},

	{"Microsoft.Network.Admin/adminVirtualNetworks", "properties.tenantResourceUri", mirror},
	{"Microsoft.Network.Admin/adminPublicIpAddresses", "properties.tenantResourceUri", mirror},
	{"Microsoft.Network.Admin/adminLoadBalancers", "properties.tenantResourceUri", mirror},
	{"Microsoft.Compute.Admin/locations/disks", "properties.userResourceId", mirror},
	{"Microsoft.Storage.Admin/locations/storageAccounts", "properties.tenantViewId", mirror},

	{"Microsoft.Resources/deployments", "properties.outputResources.#.id", history},
	{"Microsoft.Resources/deployments", "properties.validatedResources.#.id", history},
	{"Microsoft.Resources/deployments", "properties.dependencies.#.id", history},
	{"Microsoft.Resources/deployments", "properties.dependencies.#.dependsOn.#.id", history},

	{users, "offerId", operatorsOwn},
	{plansNamespace + "/delegatedProviders", "offerId", operatorsOwn},
}

const (
	platformImage = "Platform images are captured by the path of their publishers below Microsoft.Compute.Admin, and have no document of this ID. IDs of images of tenants at the same place are edges."
	mirror        = "The operator's view of a tenant's resource: the provider makes it, and no caller writes it."
	history       = "A deployment is a record of what was done once. It is never done again, and what it made may be gone."
	operatorsOwn  = "Subscriptions of the operator come from an offer that the stamp does not list. Of users' subscriptions the same member is an edge."
)
