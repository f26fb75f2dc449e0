package inventory

import (
	"encoding/json"
	"fmt"
)

// providerGroup is a resource group of the provider subscription.
func (b *builder) providerGroup(name string) string {
	return "/subscriptions/" + b.provider + "/resourceGroups/" + name
}

type subscriptionBody struct {
	ID                   string `json:"id"`
	SubscriptionID       string `json:"subscriptionId"`
	DisplayName          string `json:"displayName"`
	State                string `json:"state"`
	SubscriptionPolicies struct {
		LocationPlacementID string `json:"locationPlacementId"`
		QuotaID             string `json:"quotaId"`
		SpendingLimit       string `json:"spendingLimit"`
	} `json:"subscriptionPolicies"`
	AuthorizationSource string `json:"authorizationSource"`
}

// subscriptions makes the tenants' subscriptions and the provider's own.
func (b *builder) subscriptions() {
	for i := range 2 + b.o.Resources/500 {
		s := &subscription{guid: b.guid()}
		s.id = "/subscriptions/" + s.guid
		s.name = fmt.Sprintf("%s subscription %d", pick(b, []string{"Contoso", "Fabrikam", "Größe & Söhne", "東京支店"}), i+1)
		b.subs = append(b.subs, s)
		b.putSubscription(Tenant, s.guid, s.name)
	}
	b.putSubscription(Admin, b.provider, "Default Provider Subscription")
	for _, name := range []string{"system." + b.o.Region, "system.global", "Plans-Offers"} {
		id := b.providerGroup(name)
		b.put(Admin, id, "Microsoft.Resources/resourceGroups", &resource{
			ID: id, Name: name, Type: "Microsoft.Resources/resourceGroups", Location: b.o.Region,
			Properties: state{"Succeeded"},
		})
	}
}

func (b *builder) putSubscription(e Endpoint, guid, name string) {
	v := subscriptionBody{ID: "/subscriptions/" + guid, SubscriptionID: guid, DisplayName: name, State: "Enabled", AuthorizationSource: "RoleBased"}
	v.SubscriptionPolicies.LocationPlacementID = "Internal_2014-09-01"
	v.SubscriptionPolicies.QuotaID = "Internal_2014-09-01"
	v.SubscriptionPolicies.SpendingLimit = "Off"
	b.put(e, v.ID, "Microsoft.Resources/subscriptions", v)
}

type state struct {
	ProvisioningState string `json:"provisioningState"`
}

// group makes a resource group, often with locks, policy and deployments.
func (b *builder) group(s *subscription) *group {
	name := b.name("rg")
	g := &group{sub: s, id: s.id + "/resourceGroups/" + name}
	b.groups = append(b.groups, g)
	b.add("Microsoft.Resources/resourceGroups", &resource{
		ID: g.id, Name: name, Type: "Microsoft.Resources/resourceGroups", Location: b.o.Region, Tags: b.tags(),
		Properties: state{"Succeeded"},
	})
	return g
}

type lockProperties struct {
	Level  string `json:"level"`
	Notes  string `json:"notes,omitempty"`
	Owners []struct {
		ApplicationID string `json:"applicationId"`
	} `json:"owners,omitempty"`
}

// lock locks a subscription, group or resource.
func (b *builder) lock(scope string) {
	name := b.name("lock")
	b.add("Microsoft.Authorization/locks", &resource{
		ID: scope + "/providers/Microsoft.Authorization/locks/" + name, Name: name, Type: "Microsoft.Authorization/locks",
		Properties: lockProperties{Level: pick(b, []string{"CanNotDelete", "ReadOnly"}), Notes: pick(b, tagValues)},
	})
}

type policyDefinition struct {
	PolicyType  string          `json:"policyType"`
	Mode        string          `json:"mode"`
	DisplayName string          `json:"displayName"`
	Description string          `json:"description,omitempty"`
	PolicyRule  json.RawMessage `json:"policyRule"`
	Parameters  json.RawMessage `json:"parameters,omitempty"`
}

type policyAssignment struct {
	DisplayName        string          `json:"displayName"`
	PolicyDefinitionID string          `json:"policyDefinitionId"`
	Scope              string          `json:"scope"`
	Parameters         json.RawMessage `json:"parameters,omitempty"`
	Description        string          `json:"description,omitempty"`
}

// policy defines a policy in a subscription and assigns it to the scope.
func (b *builder) policy(s *subscription, scope string) {
	name := b.name("policy")
	id := s.id + "/providers/Microsoft.Authorization/policyDefinitions/" + name
	b.add("Microsoft.Authorization/policyDefinitions", &resource{ID: id, Name: name, Properties: policyDefinition{
		PolicyType: "Custom", Mode: pick(b, []string{"All", "Indexed"}), DisplayName: "Allowed sizes & places",
		PolicyRule: json.RawMessage(`{"if":{"not":{"field":"location","in":"[parameters('places')]"}},"then":{"effect":"deny"}}`),
		Parameters: json.RawMessage(`{"places":{"type":"Array","metadata":{"displayName":"Places"}}}`),
	}})
	name = b.name("assignment")
	b.add("Microsoft.Authorization/policyAssignments", &resource{
		ID: scope + "/providers/Microsoft.Authorization/policyAssignments/" + name, Name: name, Type: "Microsoft.Authorization/policyAssignments",
		Properties: policyAssignment{DisplayName: "Only here", PolicyDefinitionID: b.ref(id), Scope: scope,
			Parameters: json.RawMessage(`{"places":{"value":["local"]}}`)},
	})
}

type deployment struct {
	ProvisioningState string               `json:"provisioningState"`
	CorrelationID     string               `json:"correlationId"`
	Timestamp         string               `json:"timestamp"`
	Duration          string               `json:"duration"`
	Mode              string               `json:"mode"`
	TemplateHash      string               `json:"templateHash"`
	Parameters        json.RawMessage      `json:"parameters"`
	Outputs           json.RawMessage      `json:"outputs,omitempty"`
	Providers         []deploymentProvider `json:"providers"`
	Dependencies      []struct{}           `json:"dependencies"`
	OutputResources   []idOnly             `json:"outputResources,omitempty"`
}

type deploymentProvider struct {
	Namespace     string `json:"namespace"`
	ResourceTypes []struct {
		ResourceType string   `json:"resourceType"`
		Locations    []string `json:"locations"`
	} `json:"resourceTypes"`
}

// deployment records a past deployment to a subscription or group. Its secure
// parameter can be read by nobody.
func (b *builder) deployment(scope, location string) {
	name := b.name("deploy")
	p := deploymentProvider{Namespace: "Microsoft.Storage", ResourceTypes: make([]struct {
		ResourceType string   `json:"resourceType"`
		Locations    []string `json:"locations"`
	}, 1)}
	p.ResourceTypes[0].ResourceType, p.ResourceTypes[0].Locations = "storageAccounts", []string{b.o.Region}
	at := b.ago(300)
	b.add("Microsoft.Resources/deployments", &resource{
		ID: scope + "/providers/Microsoft.Resources/deployments/" + name, Name: name, Type: "Microsoft.Resources/deployments", Location: location,
		Properties: deployment{
			ProvisioningState: pick(b, []string{"Succeeded", "Succeeded", "Failed"}), CorrelationID: b.guid(), Timestamp: stamp7(at),
			Duration: fmt.Sprintf("PT%dM%d.%07dS", b.r.IntN(40), b.r.IntN(60), b.r.IntN(10_000_000)), Mode: "Incremental",
			TemplateHash: fmt.Sprint(b.r.Uint64()),
			Parameters:   json.RawMessage(`{"adminPassword":{"type":"SecureString"},"count":{"type":"Int","value":3}}`),
			Providers:    []deploymentProvider{p}, Dependencies: []struct{}{},
		},
	}, "properties.parameters.adminPassword.value", b.secret())
}

type link struct {
	SourceID string `json:"sourceId"`
	TargetID string `json:"targetId"`
	Notes    string `json:"notes,omitempty"`
}

// link links one resource to another.
func (b *builder) link(from, to string) {
	name := b.name("link")
	b.add("Microsoft.Resources/links", &resource{
		ID: from + "/providers/Microsoft.Resources/links/" + name, Name: name,
		Properties: link{SourceID: from, TargetID: b.ref(to), Notes: pick(b, tagValues)},
	})
}
