package arm

import (
	"strings"

	"infrabackup/internal/azure"
	"infrabackup/internal/azure/jsondoc"
	"infrabackup/internal/azure/resourceid"
	"infrabackup/internal/backup"
	"infrabackup/internal/collect/resource"
)

var (
	core           = []string{"2019-10-01", "2018-05-01", "2016-06-01", "2016-02-01"}
	subscriptions  = []string{"2019-10-01", "2016-06-01"}
	policy         = []string{"2016-12-01", "2016-04-01"}
	operator       = []string{"2015-11-01"}
	updates        = []string{"2016-05-01"}
	adminOnly      = []azure.Endpoint{azure.Admin}
	plansNamespace = "Microsoft.Subscriptions.Admin"
)

// Table returns the service's rows. Elsewhere are the namespaces and types of the
// other services: what they do not own is captured here.
func Table(elsewhere []string) resource.Table {
	return resource.Table{
		Service:    backup.ARM,
		Namespaces: []string{"Microsoft.Resources", plansNamespace, "Microsoft.Update.Admin"},
		Others:     true,
		Elsewhere:  elsewhere,
		Derived: []string{
			// Questions to the resource manager, and other views of what rows capture.
			"Microsoft.Resources/resources", "Microsoft.Resources/tags", "Microsoft.Resources/deployments/operations", "Microsoft.Resources/deploymentScripts/logs",
			"Microsoft.Resources/subscriptions/resourceGroups", "Microsoft.Resources/subscriptions/resources", "Microsoft.Resources/subscriptions/providers", "Microsoft.Resources/subscriptions/locations",
			"Microsoft.Resources/subscriptions/tagNames", "Microsoft.Resources/subscriptions/tagNames/tagValues", "Microsoft.Resources/subscriptions/resourceGroups/resources",
			"Microsoft.Resources/calculateTemplateHash", "Microsoft.Resources/notifyResourceJobs", "Microsoft.Resources/bulkDelete",
			"Microsoft.Authorization/permissions", "Microsoft.Authorization/providerOperations", "Microsoft.Authorization/classicAdministrators", "Microsoft.Authorization/elevateAccess",
			"Microsoft.Update.Admin/updateLocations/updateRuns",
			plansNamespace + "/moveSubscriptions", plansNamespace + "/updateEncryption", plansNamespace + "/restoreData", plansNamespace + "/checkIdentityHealth",
		},
		Types: append(tenantRows(), operatorRows()...),
	}
}

func tenantRows() []resource.Type {
	return []resource.Type{
		{Kind: "subscription", Type: "Microsoft.Resources/subscriptions", Versions: subscriptions, Scope: resource.InRoot, Path: "/subscriptions", Untracked: true, NeverEmpty: true},
		{Kind: "tenant", Type: "Microsoft.Resources/tenants", Versions: subscriptions, Scope: resource.InRoot, Path: "/tenants", Untracked: true, Optional: true},
		{Kind: "location", Type: "Microsoft.Resources/locations", Versions: subscriptions, Path: "/locations", Untracked: true, NeverEmpty: true},
		{Kind: "resource-group", Type: "Microsoft.Resources/resourceGroups", Versions: core, Path: "/resourcegroups", Untracked: true},
		{Kind: "provider", Type: "Microsoft.Resources/providers", Versions: core, Path: "/providers", Untracked: true, NeverEmpty: true},
		{Kind: "tag-name", Type: "Microsoft.Resources/tagNames", Versions: core, Path: "/tagNames", Untracked: true, Optional: true},
		{Kind: "deployment", Type: "Microsoft.Resources/deployments", Versions: core, Untracked: true},
		{Kind: "deployment", Type: "Microsoft.Resources/deployments", Versions: core, Scope: resource.InGroup, Untracked: true},
		{Kind: "link", Type: "Microsoft.Resources/links", Versions: []string{"2016-09-01"}, Untracked: true, Optional: true},
		{Kind: "lock", Type: "Microsoft.Authorization/locks", Versions: []string{"2016-09-01", "2015-01-01"}, Untracked: true},
		{Kind: "policy-definition", Type: "Microsoft.Authorization/policyDefinitions", Versions: policy, Untracked: true},
		{Kind: "policy-assignment", Type: "Microsoft.Authorization/policyAssignments", Versions: policy, Untracked: true},
	}
}

func operatorRows() []resource.Type {
	row := func(kind, name string) resource.Type {
		return resource.Type{Kind: kind, Type: plansNamespace + "/" + name, Versions: operator, Endpoints: adminOnly, Untracked: true}
	}
	delegation := row("offer-delegation", "offers/offerDelegations")
	delegation.Scope, delegation.Parent = resource.InParent, "offer"
	acquired := row("acquired-plan", "subscriptions/acquiredPlans")
	acquired.Scope, acquired.Parent = resource.InParent, "user-subscription"
	delegated := row("delegated-provider", "delegatedProviders")
	delegatedOffer := row("delegated-provider-offer", "delegatedProviders/offers")
	delegatedOffer.Scope, delegatedOffer.Parent, delegatedOffer.Below = resource.InParent, "delegated-provider", delegatedProviderPath
	tenant := row("directory-tenant", "directoryTenants")
	tenant.Scope = resource.InGroup
	quota := row("subscription-quota", "locations/quotas")
	quota.Scope, quota.Path = resource.InLocation, "/quotas"

	version := resource.Type{Kind: "update-location", Type: "Microsoft.Update.Admin/updateLocations", Versions: updates, Endpoints: adminOnly, Scope: resource.InGroup, Untracked: true, Optional: true}
	update := resource.Type{Kind: "update", Type: "Microsoft.Update.Admin/updateLocations/updates", Versions: updates, Endpoints: adminOnly, Scope: resource.InParent, Parent: "update-location", Optional: true}
	run := resource.Type{Kind: "update-run", Type: "Microsoft.Update.Admin/updateLocations/updates/updateRuns", Versions: updates, Endpoints: adminOnly, Scope: resource.InParent, Parent: "update", Optional: true}
	return []resource.Type{
		row("plan", "plans"), row("offer", "offers"), delegation, row("user-subscription", "subscriptions"), acquired, delegated, delegatedOffer, tenant, quota,
		row("operator-location", "locations"), row("manifest", "manifests"), version, update, run,
	}
}

// delegatedProviderPath is where the offers of a delegated provider lie. Its document
// has the ID of the provider's subscription.
func delegatedProviderPath(parent resource.Resource) string {
	base, _, _ := strings.Cut(strings.TrimPrefix(resourceid.Key(parent.ID), "/subscriptions/"), "/")
	provider := jsondoc.Text(parent.Document, "subscriptionId")
	return "/subscriptions/" + base + "/providers/" + plansNamespace + "/delegatedProviders/" + provider
}
