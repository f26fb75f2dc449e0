package provider

import (
	"net/http"
	"slices"
	"strings"
)

func putPlan(w *Write) *Refusal {
	for _, id := range texts(w.Body, "properties.quotaIds") {
		if r := w.Get(id); r == nil || !strings.HasSuffix(r.Type, "/quotas") {
			return bad("QuotaNotFound", "The quota '%s' of plan %s was not found.", id, w.Name())
		}
	}
	fill(w.Body, "properties.quotaIds", []any{})
	fill(w.Body, "properties.externalReferenceId", "")
	set(w.Body, "properties.name", w.Name())
	fill(w.Body, "properties.displayName", w.Name())
	set(w.Body, "properties.subscriptionCount", whole(w.subscriptionsOfPlan()))
	return nil
}

// subscriptionsOfPlan counts the subscriptions that have the plan.
func (w *Write) subscriptionsOfPlan() int {
	holders := map[string]bool{}
	for _, a := range w.OfType(admin + "subscriptions/acquiredplans") {
		if same(text(a.Body, "planId"), w.ID) {
			holders[segment(a.ID, "/providers/microsoft.subscriptions.admin/subscriptions/")] = true
		}
	}
	return len(holders)
}

func removePlan(w *Write) *Refusal {
	if users := w.users(w.ID, admin+"offers", admin+"subscriptions/acquiredplans"); len(users) > 0 {
		return conflict("PlanInUse", "The plan %s is in use by %s and cannot be deleted.", w.Name(), users[0].ID)
	}
	return nil
}

func putOffer(w *Write) *Refusal {
	plans := texts(w.Body, "properties.basePlanIds")
	for _, addon := range objects(w.Body, "properties.addonPlans") {
		plans = append(plans, text(addon, "planId"))
	}
	for _, id := range plans {
		if r := w.Get(id); r == nil || r.Type != admin+"plans" {
			return bad("PlanNotFound", "The plan '%s' of offer %s was not found.", id, w.Name())
		}
	}
	fill(w.Body, "properties.basePlanIds", []any{})
	fill(w.Body, "properties.externalReferenceId", "")
	fill(w.Body, "properties.state", "Private")
	fill(w.Body, "properties.description", "")
	fill(w.Body, "properties.maxSubscriptionsPerAccount", whole(0))
	set(w.Body, "properties.name", w.Name())
	fill(w.Body, "properties.displayName", w.Name())
	set(w.Body, "properties.subscriptionCount", whole(len(w.users(w.ID, admin+"subscriptions"))))
	return nil
}

func removeOffer(w *Write) *Refusal {
	if users := w.users(w.ID, admin+"subscriptions"); len(users) > 0 {
		return conflict("OfferInUse", "The offer %s has subscriptions, such as %s, and cannot be deleted.", w.Name(), users[0].ID)
	}
	return nil
}

func putDelegation(w *Write) *Refusal {
	id := text(w.Body, "properties.subscriptionId")
	if w.subscription(id) == nil {
		return bad("SubscriptionNotFound", "The subscription '%s' of delegation %s was not found.", id, w.Name())
	}
	w.Body["name"] = resourceName(w.Parent) + "/" + w.Name()
	if parent := w.Get(w.Parent); parent != nil {
		w.Body["name"] = parent.ID[strings.LastIndexByte(parent.ID, '/')+1:] + "/" + w.Name()
	}
	return nil
}

// subscription is the operator's view of one, by its GUID.
func (w *Write) subscription(id string) *Resource {
	for _, r := range w.OfType(admin + "subscriptions") {
		if same(resourceName(r.ID), id) {
			return r
		}
	}
	return nil
}

func putSubscription(w *Write) *Refusal {
	if !guid.MatchString(w.Name()) {
		return bad("InvalidSubscriptionId", "The subscription ID '%s' is not a GUID.", w.Name())
	}
	if given := text(w.Body, "subscriptionId"); given != "" && !same(given, w.Name()) {
		return bad("SubscriptionIdMismatch", "The subscription ID '%s' in the body is not that of the request, '%s'.", given, w.Name())
	}
	w.Body["id"], w.Body["subscriptionId"] = w.ID, w.Name()
	fill(w.Body, "routingResourceManagerType", "Default")
	fill(w.Body, "state", "Enabled")
	fill(w.Body, "tenantId", w.Stamp.TenantID())
	fill(w.Body, "delegatedProviderSubscriptionId", w.Subscription)
	offer := w.Get(text(w.Body, "offerId"))
	switch {
	case text(w.Body, "owner") == "":
		return bad("SubscriptionOwnerMissing", "The subscription %s has no owner.", w.Name())
	case text(w.Body, "displayName") == "":
		return bad("SubscriptionNameMissing", "The subscription %s has no display name.", w.Name())
	case text(w.Body, "routingResourceManagerType") == "Admin" && w.Old == nil:
		return refuse(http.StatusForbidden, "SubscriptionNotAllowed", "A subscription of the operator cannot be made: %s.", w.Name())
	case text(w.Body, "routingResourceManagerType") != "Admin" && (offer == nil || offer.Type != admin+"offers"):
		return bad("OfferNotFound", "The offer '%s' of subscription %s was not found.", text(w.Body, "offerId"), w.Name())
	case !w.knownTenant(text(w.Body, "tenantId")):
		return bad("TenantNotFound", "The directory tenant '%s' is not known to this stamp.", text(w.Body, "tenantId"))
	}
	return nil
}

// knownTenant says whether a directory tenant is the stamp's own or one that was added.
func (w *Write) knownTenant(id string) bool {
	return same(id, w.Stamp.TenantID()) || slices.ContainsFunc(w.Stamp.Admin().OfType(admin+"directorytenants"), func(r *Resource) bool {
		return same(text(r.Body, "properties.tenantId"), id)
	})
}

// afterSubscription makes the tenants' view of a subscription, and counts at its offers.
func afterSubscription(w *Write) {
	for _, r := range []*Resource{w.Old, {Body: w.Body}} {
		if r != nil && r.Body != nil {
			if offer := w.Get(text(r.Body, "offerId")); offer != nil {
				w.change(offer.ID, func(o Object) {
					n := slices.DeleteFunc(w.Naming(offer.ID), func(r *Resource) bool { return r.Type != admin+"subscriptions" })
					set(o, "properties.subscriptionCount", whole(len(n)))
				})
			}
		}
	}
	if w.Body != nil && text(w.Body, "routingResourceManagerType") == "Admin" {
		return
	}
	tenants, id := w.Stamp.Tenant(), "/subscriptions/"+strings.ToLower(w.Name())
	if w.Body == nil {
		for _, r := range tenants.Below(id + "/") {
			tenants.Remove(r.ID)
		}
		tenants.Remove(id)
		return
	}
	if r := tenants.Get(id); r != nil {
		id = r.ID
	}
	tenants.Put(id, "Microsoft.Resources/subscriptions", Object{
		"id": id, "subscriptionId": strings.TrimPrefix(id, "/subscriptions/"), "displayName": text(w.Body, "displayName"), "state": text(w.Body, "state"), "authorizationSource": "RoleBased",
		"subscriptionPolicies": Object{"locationPlacementId": "Internal_2014-09-01", "quotaId": "Internal_2014-09-01", "spendingLimit": "Off"},
	})
	for _, role := range w.Stamp.Admin().OfType(access + "roledefinitions") {
		at := id + "/providers/Microsoft.Authorization/roleDefinitions/" + resourceName(role.ID)
		if text(role.Body, "properties.type") == builtInRole && tenants.Get(at) == nil {
			body := Copy(role.Body)
			body["id"] = at
			tenants.Put(at, "Microsoft.Authorization/roleDefinitions", body)
		}
	}
}

func removeSubscription(w *Write) *Refusal {
	for _, r := range w.Stamp.Tenant().Below("/subscriptions/" + w.Name() + "/") {
		if r.Type == "microsoft.resources/resourcegroups" {
			return conflict("SubscriptionHasResources", "The subscription %s has resource groups and cannot be deleted.", w.Name())
		}
	}
	if text(w.Old.Body, "routingResourceManagerType") == "Admin" {
		return refuse(http.StatusForbidden, "SubscriptionNotAllowed", "The operator's subscription %s cannot be deleted.", w.Name())
	}
	for _, r := range w.Below(w.ID + "/") {
		w.Remove(r.ID)
	}
	return nil
}

func putAcquiredPlan(w *Write) *Refusal {
	holder, plan := w.Get(w.Parent), text(w.Body, "planId")
	if r := w.Get(plan); r == nil || r.Type != admin+"plans" {
		return bad("PlanNotFound", "The plan '%s' was not found.", plan)
	}
	if holder == nil {
		return nil
	}
	most := 0
	if offer := w.Get(text(holder.Body, "offerId")); offer != nil {
		if slices.ContainsFunc(texts(offer.Body, "properties.basePlanIds"), func(id string) bool { return same(id, plan) }) {
			most++
		}
		for _, addon := range objects(offer.Body, "properties.addonPlans") {
			if same(text(addon, "planId"), plan) {
				most += max(1, int(number(addon, "maxAcquisitionCount")))
			}
		}
	}
	if most == 0 {
		return bad("PlanNotInOffer", "The plan '%s' is not one of the offer of subscription %s.", plan, resourceName(holder.ID))
	}
	has := 0
	for _, other := range w.Below(holder.ID + "/acquiredPlans/") {
		if !same(other.ID, w.ID) && same(text(other.Body, "planId"), plan) {
			has++
		}
	}
	if has >= most {
		return conflict("PlanAcquisitionLimitReached", "The subscription %s has the plan '%s' as often as its offer allows.", resourceName(holder.ID), plan)
	}
	w.Body["id"], w.Body["acquisitionId"], w.Body["provisioningState"] = w.ID, w.Name(), "Succeeded"
	fill(w.Body, "externalReferenceId", "")
	w.keep("acquisitionTime", func() any { return w.Stamp.Now().UTC().Format("2006-01-02T15:04:05.00Z") })
	return nil
}

func putDirectoryTenant(w *Write) *Refusal {
	if !guid.MatchString(text(w.Body, "properties.tenantId")) {
		return bad("InvalidTenantId", "The directory tenant %s has no tenant ID that is a GUID.", w.Name())
	}
	return nil
}

func putLocation(w *Write) *Refusal {
	if !same(w.Name(), w.Stamp.Location()) {
		return bad("LocationNotFound", "There is no location '%s'; the only one is '%s'.", w.Name(), w.Stamp.Location())
	}
	return nil
}

// Link adds a plan to an offer, or takes it away: the actions link and unlink.
func Link(w *Write, action Object, unlink bool) *Refusal {
	name := text(action, "planName")
	id := w.Old.ID[:strings.LastIndex(strings.ToLower(w.Old.ID), "/offers/")] + "/plans/" + name
	plan := w.Get(id)
	if plan == nil {
		return bad("PlanNotFound", "The plan '%s' was not found.", name)
	}
	is := func(v any) bool {
		s, _ := v.(string)
		if o, ok := v.(Object); ok {
			s = text(o, "planId")
		}
		return same(s, plan.ID)
	}
	w.change(w.Old.ID, func(o Object) {
		base, _ := at(o, "properties.basePlanIds").([]any)
		addons, _ := at(o, "properties.addonPlans").([]any)
		base, addons = slices.DeleteFunc(slices.Clone(base), is), slices.DeleteFunc(slices.Clone(addons), is)
		switch {
		case unlink:
		case same(text(action, "planLinkType"), "Addon"):
			addons = append(addons, Object{"planId": plan.ID, "maxAcquisitionCount": whole(max(1, int(number(action, "maxAcquisitionCount"))))})
		default:
			base = append(base, plan.ID)
		}
		if base == nil {
			base = []any{}
		}
		set(o, "properties.basePlanIds", base)
		if unset(o, "properties.addonPlans"); len(addons) > 0 {
			set(o, "properties.addonPlans", addons)
		}
	})
	return nil
}
