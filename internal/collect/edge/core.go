package edge

const (
	plansNamespace = "Microsoft.Subscriptions.Admin"
	accounts       = "Microsoft.Storage/storageAccounts"
	vaults         = "Microsoft.KeyVault/vaults"
	assignments    = "Microsoft.Authorization/roleAssignments"
	policies       = "Microsoft.Authorization/policyAssignments"
	users          = plansNamespace + "/subscriptions"
	offers         = plansNamespace + "/offers"
)

// storageRows are from Microsoft's definitions for Microsoft.Storage, 2019-06-01.
var storageRows = []Row{
	{Type: accounts, Relation: "subnet", Path: "properties.networkAcls.virtualNetworkRules.#.id"},
}

// accessRows say who may do what where. They are from Microsoft's definitions for
// Microsoft.KeyVault, 2019-09-01, its data plane, 2016-10-01, and Microsoft.Authorization,
// 2015-07-01.
var accessRows = []Row{
	{Type: vaults, Relation: "principal", Path: "properties.accessPolicies.#.objectId", Resolve: ToPrincipal, Strength: Soft},
	{Type: vaults, Relation: "subnet", Path: "properties.networkAcls.virtualNetworkRules.#.id"},
	{Type: vaults + "/certificates/versions", Relation: "issuing-ca", Path: "cer", Resolve: toIssuer, Strength: Soft},

	{Type: assignments, Relation: "principal", Path: "properties.principalId", Resolve: ToPrincipal},
	{Type: assignments, Relation: "role-definition", Path: "properties.roleDefinitionId", Resolve: ToRoleDefinition},
	{Type: assignments, Relation: "scope", Path: "properties.scope"},
	// A role that can be assigned in several places stays when one of them goes.
	{Type: "Microsoft.Authorization/roleDefinitions", Relation: "scope", Path: "properties.assignableScopes", Origin: true},
}

// coreRows are of the resource manager's own types: Microsoft.Resources, 2019-10-01, links,
// 2016-09-01, and policy, 2016-12-01.
var coreRows = []Row{
	{Type: policies, Relation: "policy-definition", Path: "properties.policyDefinitionId"},
	{Type: policies, Relation: "scope", Path: "properties.scope"},
	{Type: policies, Relation: "scope", Path: "properties.notScopes", Origin: true},
	{Type: "Microsoft.Resources/links", Relation: "link-source", Path: "properties.sourceId"},
	{Type: "Microsoft.Resources/links", Relation: "link-target", Path: "properties.targetId"},
	// A group that a service made for a resource goes with it.
	{Type: "Microsoft.Resources/resourceGroups", Relation: "managed-by", Path: "managedBy", Strength: Soft, Origin: true},
}

// operatorRows are from Microsoft's definitions for Microsoft.Subscriptions.Admin,
// 2015-11-01.
var operatorRows = []Row{
	{Type: plansNamespace + "/plans", Relation: "quota", Path: "properties.quotaIds", Resolve: toQuota},
	{Type: offers, Relation: "plan", Path: "properties.basePlanIds"},
	// An offer exists before further plans are linked to it.
	{Type: offers, Relation: "plan", Path: "properties.addonPlans.#.planId", Strength: Soft},
	{Type: offers + "/offerDelegations", Relation: "user-subscription", Path: "properties.subscriptionId", Resolve: toUserSubscription},
	{Type: users, Relation: "offer", Path: "offerId", If: isUsers},
	{Type: users, Relation: "user-subscription", Path: "delegatedProviderSubscriptionId", Resolve: toUserSubscription},
	// The resource manager of tenants shows what this document makes.
	{Type: users, Relation: "subscription", Path: "subscriptionId", Resolve: toSubscription, Direction: Back, If: isUsers},
	{Type: users + "/acquiredPlans", Relation: "plan", Path: "planId"},
	{Type: plansNamespace + "/delegatedProviders", Relation: "offer", Path: "offerId", If: isUsers},
	{Type: plansNamespace + "/delegatedProviders", Relation: "user-subscription", Path: "subscriptionId", Resolve: toUserSubscription},
	{Type: plansNamespace + "/delegatedProviders/offers", Relation: "offer", Path: "properties.delegatedOfferId"},
}
