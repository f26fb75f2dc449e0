package inventory

import "strings"

// builtin are the role definitions that every subscription has under fixed GUIDs
// (https://learn.microsoft.com/azure/role-based-access-control/built-in-roles).
var builtin = []struct{ guid, name, description, action string }{
	{"8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "Owner", "Lets you manage everything, including access to resources.", "*"},
	{"b24988ac-6180-42a0-ab88-20f7382d24c8", "Contributor", "Lets you manage everything except access to resources.", "*"},
	{"acdd72a7-3385-48ef-bd42-f606fba81ae7", "Reader", "Lets you view everything, but not make any changes.", "*/read"},
	{"18d7d88d-d35e-4fb5-a5c3-7773c20a72d9", "User Access Administrator", "Lets you manage user access to resources.", "Microsoft.Authorization/*"},
	{"9980e02c-c2be-4d73-94e8-173b1dc7cf3c", "Virtual Machine Contributor", "Lets you manage virtual machines.", "Microsoft.Compute/virtualMachines/*"},
	{"4d97b98b-1d4f-4787-a291-c67834d212e7", "Network Contributor", "Lets you manage networks.", "Microsoft.Network/*"},
	{"17d1049b-9a84-46fb-8f53-869881c3d3ab", "Storage Account Contributor", "Lets you manage storage accounts.", "Microsoft.Storage/storageAccounts/*"},
	{"f25e0fa2-a7c8-4377-a976-54943a77a395", "Key Vault Contributor", "Lets you manage key vaults.", "Microsoft.KeyVault/*"},
}

type roleProperties struct {
	RoleName         string       `json:"roleName"`
	Type             string       `json:"type"`
	Description      string       `json:"description"`
	AssignableScopes []string     `json:"assignableScopes"`
	Permissions      []permission `json:"permissions"`
}

type permission struct {
	Actions    []string `json:"actions"`
	NotActions []string `json:"notActions"`
}

type assignmentProperties struct {
	RoleDefinitionID string `json:"roleDefinitionId"`
	PrincipalID      string `json:"principalId"`
	Scope            string `json:"scope"`
}

const (
	roleDefinition = "Microsoft.Authorization/roleDefinitions"
	roleAssignment = "Microsoft.Authorization/roleAssignments"
)

// rbac makes role definitions and assignments on both endpoints and at every
// scope. IDs of built-in roles begin with the subscription that lists them, as
// ARM gives them.
func (b *builder) rbac() {
	for _, s := range b.subs {
		b.roles(Tenant, s.id)
		for range b.between(0, 2) {
			guid := b.guid()
			scopes := []string{s.id}
			s.roles = append(s.roles, b.role(Tenant, s.id, guid, roleProperties{
				RoleName: "Custom " + guid[:8] + " für R&D", Type: "CustomRole", Description: pick(b, tagValues), AssignableScopes: scopes,
				Permissions: []permission{{Actions: []string{"Microsoft.Compute/*/read", "Microsoft.Network/*"}, NotActions: []string{"Microsoft.Network/*/delete"}}},
			}))
		}
		for range b.between(1, 3) {
			b.assign(Tenant, s.id, b.ref(b.roleOf(s)), pick(b, b.principals))
		}
	}
	b.extras(b.sharedRoles)
	for _, g := range b.groups {
		if b.chance(2) {
			b.assign(Tenant, g.id, b.ref(b.roleOf(g.sub)), pick(b, b.principals))
		}
		if len(g.some) > 0 && b.chance(3) {
			b.assign(Tenant, pick(b, g.some), b.ref(b.roleOf(g.sub)), pick(b, b.principals))
		}
	}
	admin := "/subscriptions/" + b.provider
	b.roles(Admin, admin)
	for _, scope := range []string{admin, b.providerGroup("system." + b.o.Region), b.providerGroup("Plans-Offers")} {
		b.assign(Admin, scope, admin+"/providers/"+roleDefinition+"/"+builtin[b.r.IntN(3)].guid, pick(b, b.principals))
	}
}

// roles puts the built-in roles of a subscription into the stamp.
func (b *builder) roles(e Endpoint, subscription string) {
	for _, r := range builtin {
		p := permission{Actions: []string{r.action}, NotActions: []string{}}
		if r.name == "Contributor" {
			p.NotActions = []string{"Microsoft.Authorization/*/Delete", "Microsoft.Authorization/*/Write"}
		}
		b.role(e, subscription, r.guid, roleProperties{RoleName: r.name, Type: "BuiltInRole", Description: r.description, AssignableScopes: []string{"/"}, Permissions: []permission{p}})
	}
}

func (b *builder) role(e Endpoint, subscription, guid string, p roleProperties) string {
	id := subscription + "/providers/" + roleDefinition + "/" + guid
	b.put(e, id, roleDefinition, &resource{ID: id, Name: guid, Type: roleDefinition, Properties: p})
	return id
}

// roleOf is some role that can be assigned in a subscription.
func (b *builder) roleOf(s *subscription) string {
	if len(s.roles) > 0 && b.chance(3) {
		return pick(b, s.roles)
	}
	return s.id + "/providers/" + roleDefinition + "/" + builtin[b.r.IntN(len(builtin))].guid
}

// assign gives a role to a principal and returns the assignment's ID.
func (b *builder) assign(e Endpoint, scope, role, principal string) string {
	guid := b.guid()
	id := strings.TrimSuffix(scope, "/") + "/providers/" + roleAssignment + "/" + guid
	b.put(e, id, roleAssignment, &resource{ID: id, Name: guid, Type: roleAssignment, Properties: assignmentProperties{role, principal, scope}})
	return id
}
