package inventory

import "fmt"

const subscriptionsAdmin = "Microsoft.Subscriptions.Admin"

// adminPath is the ID of something of the provider subscription.
func (b *builder) adminPath(rest string) string {
	return "/subscriptions/" + b.provider + "/providers/" + rest
}

type planProperties struct {
	Name                string   `json:"name"`
	DisplayName         string   `json:"displayName"`
	Description         string   `json:"description,omitempty"`
	ExternalReferenceID string   `json:"externalReferenceId"`
	QuotaIDs            []string `json:"quotaIds"`
	SKUIDs              []string `json:"skuIds,omitempty"`
	SubscriptionCount   int      `json:"subscriptionCount"`
}

type offerProperties struct {
	Name                       string      `json:"name"`
	DisplayName                string      `json:"displayName"`
	Description                string      `json:"description"`
	ExternalReferenceID        string      `json:"externalReferenceId"`
	State                      string      `json:"state"`
	SubscriptionCount          int         `json:"subscriptionCount"`
	MaxSubscriptionsPerAccount int         `json:"maxSubscriptionsPerAccount"`
	BasePlanIDs                []string    `json:"basePlanIds"`
	AddonPlans                 []addonPlan `json:"addonPlans,omitempty"`
}

type addonPlan struct {
	PlanID              string `json:"planId"`
	MaxAcquisitionCount int    `json:"maxAcquisitionCount"`
}

type quota struct {
	id, provider string
}

type computeQuota struct {
	AvailabilitySetCount int `json:"availabilitySetCount"`
	CoresLimit           int `json:"coresLimit"`
	VirtualMachineCount  int `json:"virtualMachineCount"`
	VMScaleSetCount      int `json:"vmScaleSetCount"`
	Standard             int `json:"maxAllocationStandardManagedDisksAndSnapshots"`
	Premium              int `json:"maxAllocationPremiumManagedDisksAndSnapshots"`
}

type networkQuota struct {
	ProvisioningState string `json:"provisioningState"`
	PublicIPs         int64  `json:"maxPublicIpsPerSubscription"`
	Vnets             int64  `json:"maxVnetsPerSubscription"`
	Gateways          int64  `json:"maxVirtualNetworkGatewaysPerSubscription"`
	Connections       int64  `json:"maxVirtualNetworkGatewayConnectionsPerSubscription"`
	Balancers         int64  `json:"maxLoadBalancersPerSubscription"`
	Nics              int64  `json:"maxNicsPerSubscription"`
	SecurityGroups    int64  `json:"maxSecurityGroupsPerSubscription"`
	MigrationPhase    string `json:"migrationPhase"`
}

type storageQuota struct {
	Accounts int `json:"numberOfStorageAccounts"`
	Capacity int `json:"capacityInGb"`
}

// quotas makes the quotas of every provider. Names may hold spaces, as the
// default ones do.
func (b *builder) quotas() []quota { return b.quotasOf(2 + min(b.o.Resources/5000, 20)) }

// quotasOf makes some quotas of each provider.
func (b *builder) quotasOf(n int) []quota {
	var all []quota
	put := func(provider, kind, name, full string, p any) {
		id := b.adminPath(provider + "/locations/" + b.o.Region + "/quotas/" + name)
		b.put(Admin, id, provider+"/locations/quotas", &resource{ID: id, Name: full, Type: kind, Location: b.o.Region, Properties: p})
		all = append(all, quota{id, provider})
	}
	for i := range n {
		name := "Default Quota"
		if i > 0 {
			name = fmt.Sprintf("quota%d", i)
		}
		put("Microsoft.Compute.Admin", "Microsoft.Compute.Admin/quotas", name, name, computeQuota{10 * (i + 1), 100, 50 + i, 20, 2048, 2048})
		put("Microsoft.Network.Admin", "Microsoft.Network.Admin/quotas", name, name, networkQuota{"Succeeded", 50, 50, 1, 2, 50, int64(100 + i), 50, "None"})
		put("Microsoft.Storage.Admin", "Microsoft.Storage.Admin/locations/quotas", name, b.o.Region+"/"+name, storageQuota{20 + i, 2048})
	}
	put("Microsoft.KeyVault.Admin", "Microsoft.KeyVault.Admin/locations/quotas", "Unlimited", b.o.Region+"/Unlimited", struct{}{})
	return all
}

// operatorBefore makes what tenants' subscriptions rest on: quotas, plans and offers.
func (b *builder) operatorBefore() {
	quotas := b.quotas()
	id := b.adminPath(subscriptionsAdmin + "/locations/" + b.o.Region + "/quotas/delegatedProviderQuota")
	b.put(Admin, id, subscriptionsAdmin+"/locations/quotas", &resource{ID: id, Name: b.o.Region + "/delegatedProviderQuota", Type: subscriptionsAdmin + "/locations/quotas", Location: b.o.Region,
		Properties: struct {
			Allow bool `json:"allowCustomPortalBranding"`
		}{false}})
	b.offerPlans = map[string][]string{}
	var plans []string
	n := 2 + len(b.subs)/10
	for range n {
		ids := []string{}
		seen := map[string]bool{}
		for range 4 {
			q := pick(b, quotas)
			if !seen[q.provider] {
				seen[q.provider] = true
				ids = append(ids, b.ref(q.id))
			}
		}
		plans = append(plans, b.plan(ids))
	}
	for range n {
		base := []string{pick(b, plans)}
		p := offerProperties{BasePlanIDs: []string{b.ref(base[0])}, State: pick(b, []string{"Public", "Private"}), SubscriptionCount: 1}
		if b.chance(2) {
			p.AddonPlans = []addonPlan{{b.ref(pick(b, plans)), b.between(1, 3)}}
		}
		o := b.offer(p)
		b.offers = append(b.offers, o)
		b.offerPlans[o] = base
	}
	offer := b.offers[0]
	label := b.name("delegation")
	b.put(Admin, offer+"/offerDelegations/"+label, subscriptionsAdmin+"/offers/offerDelegations", &resource{
		ID: offer + "/offerDelegations/" + label, Name: "offer/" + label, Type: subscriptionsAdmin + "/offers/offerDelegations", Location: b.o.Region,
		Properties: struct {
			ID string `json:"subscriptionId"`
		}{b.subs[0].guid},
	})
}

func (b *builder) plan(quotas []string) string {
	name := b.name("plan")
	id := b.providerGroup("Plans-Offers") + "/providers/" + subscriptionsAdmin + "/plans/" + name
	b.put(Admin, id, subscriptionsAdmin+"/plans", &resource{ID: id, Name: name, Type: subscriptionsAdmin + "/plans", Location: b.o.Region,
		Properties: planProperties{Name: name, DisplayName: "Plan „" + name + "“", QuotaIDs: quotas, SubscriptionCount: b.r.IntN(9)}})
	return id
}

func (b *builder) offer(p offerProperties) string {
	p.Name = b.name("offer")
	p.DisplayName = "Offer <" + p.Name + ">"
	id := b.providerGroup("Plans-Offers") + "/providers/" + subscriptionsAdmin + "/offers/" + p.Name
	b.put(Admin, id, subscriptionsAdmin+"/offers", &resource{ID: id, Name: p.Name, Type: subscriptionsAdmin + "/offers", Location: b.o.Region, Properties: p})
	return id
}

type subscriptionDefinition struct {
	ID                              string `json:"id"`
	SubscriptionID                  string `json:"subscriptionId"`
	DelegatedProviderSubscriptionID string `json:"delegatedProviderSubscriptionId"`
	DisplayName                     string `json:"displayName"`
	Owner                           string `json:"owner"`
	TenantID                        string `json:"tenantId"`
	RoutingResourceManagerType      string `json:"routingResourceManagerType"`
	OfferID                         string `json:"offerId,omitempty"`
	State                           string `json:"state"`
}

type acquiredPlan struct {
	ID                  string `json:"id"`
	AcquisitionID       string `json:"acquisitionId"`
	PlanID              string `json:"planId"`
	ExternalReferenceID string `json:"externalReferenceId"`
	ProvisioningState   string `json:"provisioningState"`
	AcquisitionTime     string `json:"acquisitionTime"`
}

// userSubscription is the operator's view of a subscription.
func (b *builder) userSubscription(guid, name, offer, routing string) string {
	id := b.adminPath(subscriptionsAdmin + "/subscriptions/" + guid)
	b.put(Admin, id, subscriptionsAdmin+"/subscriptions", subscriptionDefinition{
		ID: id, SubscriptionID: guid, DelegatedProviderSubscriptionID: b.provider, DisplayName: name,
		Owner: pick(b, principals) + "@" + b.o.Domain, TenantID: b.directoryT, RoutingResourceManagerType: routing, OfferID: offer, State: "Enabled",
	})
	return id
}

// acquire records that a subscription has a plan.
func (b *builder) acquire(subscription, plan string) {
	guid := b.guid()
	id := subscription + "/acquiredPlans/" + guid
	b.put(Admin, id, subscriptionsAdmin+"/subscriptions/acquiredPlans", acquiredPlan{id, guid, b.ref(plan), "", "Succeeded", b.ago(800).Format("2006-01-02T15:04:05.00Z")})
}
