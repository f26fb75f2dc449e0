package provider

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
)

var guid = regexp.MustCompile(`(?i)^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

const builtInRole, customRole = "BuiltInRole", "CustomRole"

// covers says whether a scope is another one or lies above it.
func covers(scope, other string) bool {
	scope, other = strings.ToLower(strings.TrimRight(scope, "/")), strings.ToLower(other)
	return scope == "" || scope == other || strings.HasPrefix(other, scope+"/")
}

func putRoleAssignment(w *Write) *Refusal {
	if !guid.MatchString(w.Name()) {
		return bad("InvalidRoleAssignmentId", "The role assignment ID '%s' is not valid. The role assignment ID must be a GUID.", w.Name())
	}
	role, principal := text(w.Body, "properties.roleDefinitionId"), text(w.Body, "properties.principalId")
	if !w.assignable(role) {
		return refuse(http.StatusNotFound, "RoleDefinitionDoesNotExist", "The specified role definition with ID '%s' does not exist.", resourceName(role))
	}
	if w.Old != nil {
		if !same(resourceName(text(w.Old.Body, "properties.roleDefinitionId")), resourceName(role)) || !same(text(w.Old.Body, "properties.principalId"), principal) {
			return conflict("RoleAssignmentUpdateNotPermitted", "Tenant ID, application ID, principal ID, and scope are not allowed to be updated.")
		}
	}
	for _, other := range w.OfType(w.Kind) {
		if !same(other.ID, w.ID) && covers(text(other.Body, "properties.scope"), w.Scope) && covers(w.Scope, text(other.Body, "properties.scope")) &&
			same(text(other.Body, "properties.principalId"), principal) && same(resourceName(text(other.Body, "properties.roleDefinitionId")), resourceName(role)) {
			return conflict("RoleAssignmentExists", "The role assignment already exists.")
		}
	}
	if !w.Stamp.Principal(principal) {
		return bad("PrincipalNotFound", "Principal %s does not exist in the directory %s.", principal, w.Stamp.TenantID())
	}
	set(w.Body, "properties.scope", strings.TrimSuffix(w.ID, w.ID[len(w.Scope):]))
	if w.Scope == "" {
		set(w.Body, "properties.scope", "/")
	}
	return nil
}

// assignable says whether a role definition is there and may be used at the scope.
func (w *Write) assignable(role string) bool {
	for _, r := range w.OfType(access + "roledefinitions") {
		if same(resourceName(r.ID), resourceName(role)) && slices.ContainsFunc(texts(r.Body, "properties.assignableScopes"), func(s string) bool { return covers(s, w.Scope) }) {
			return true
		}
	}
	return false
}

func putRoleDefinition(w *Write) *Refusal {
	if !guid.MatchString(w.Name()) {
		return bad("InvalidRoleDefinitionId", "The role definition ID '%s' is not valid. The role definition ID must be a GUID.", w.Name())
	}
	name := text(w.Body, "properties.roleName")
	scopes := texts(w.Body, "properties.assignableScopes")
	if name == "" || len(scopes) == 0 || len(objects(w.Body, "properties.permissions")) == 0 {
		return bad("InvalidRoleDefinition", "A role definition needs roleName, permissions and assignableScopes.")
	}
	fill(w.Body, "properties.type", customRole)
	if text(w.Body, "properties.type") != customRole {
		return bad("RoleDefinitionTypeNotSupported", "Only role definitions of type %s can be written.", customRole)
	}
	for _, other := range w.OfType(w.Kind) {
		if same(resourceName(other.ID), w.Name()) {
			if text(other.Body, "properties.type") == builtInRole {
				return refuse(http.StatusForbidden, "BuiltInRoleCannotBeModified", "The built-in role %s cannot be modified.", text(other.Body, "properties.roleName"))
			}
			continue
		}
		if same(text(other.Body, "properties.roleName"), name) {
			return conflict("RoleDefinitionWithSameNameExists", "A custom role with the same name already exists in this directory. Use a different name: %s.", name)
		}
	}
	for _, scope := range scopes {
		if sub := subscriptionOf(scope); sub == "" || w.Get("/subscriptions/"+sub) == nil || strings.Count(strings.Trim(scope, "/"), "/") > 1 && w.Get(scope) == nil {
			return bad("InvalidAssignableScope", "The assignable scope '%s' is not valid or does not exist.", scope)
		}
	}
	fill(w.Body, "properties.description", "")
	for _, p := range objects(w.Body, "properties.permissions") {
		fill(p, "actions", []any{})
		fill(p, "notActions", []any{})
	}
	w.listRole(scopes)
	return nil
}

// listRole shows a role definition in every subscription in which it can be assigned.
func (w *Write) listRole(scopes []string) {
	wanted := map[string]bool{}
	for _, scope := range scopes {
		wanted[subscriptionOf(scope)] = true
	}
	own := subscriptionOf(w.ID)
	for _, other := range w.OfType(w.Kind) {
		if same(resourceName(other.ID), w.Name()) && !same(other.ID, w.ID) && !wanted[subscriptionOf(other.ID)] {
			w.Store.Remove(other.ID)
		}
	}
	for sub := range wanted {
		if sub == own {
			continue
		}
		body := Copy(w.Body)
		id := w.Get("/subscriptions/"+sub).ID + "/providers/" + w.Type + "/" + w.Name()
		body["id"] = id
		w.Put(id, w.Type, body)
	}
}

func removeRoleDefinition(w *Write) *Refusal {
	if text(w.Old.Body, "properties.type") == builtInRole {
		return refuse(http.StatusForbidden, "BuiltInRoleCannotBeModified", "The built-in role %s cannot be deleted.", text(w.Old.Body, "properties.roleName"))
	}
	for _, a := range w.OfType(access + "roleassignments") {
		if same(resourceName(text(a.Body, "properties.roleDefinitionId")), w.Name()) {
			return bad("RoleDefinitionHasAssignments", "There are existing role assignments referencing role %s, such as %s.", w.Name(), a.ID)
		}
	}
	for _, other := range w.OfType(w.Kind) {
		if same(resourceName(other.ID), w.Name()) && !same(other.ID, w.ID) {
			w.Store.Remove(other.ID)
		}
	}
	return nil
}

// Locked is the lock that forbids a write, nil for none. Locks themselves, and what is
// above a resource, are not asked for by those that a lock protects. A delete also meets
// the locks of what would go with it.
func Locked(w *Write, deleting bool) *Refusal {
	if w.Kind == access+"locks" {
		return nil
	}
	id := strings.ToLower(w.ID)
	for _, lock := range w.OfType(access + "locks") {
		lower := strings.ToLower(lock.ID)
		scope := lower[:max(strings.LastIndex(lower, "/providers/microsoft.authorization/locks/"), 0)]
		readOnly := text(lock.Body, "properties.level") == "ReadOnly"
		if covers(scope, id) && (deleting || readOnly) || deleting && strings.HasPrefix(scope, id+"/") {
			verb := "write"
			if deleting {
				verb = "delete"
			}
			return conflict("ScopeLocked", "The scope '%s' cannot perform %s operation because following scope(s) are locked: '%s'. Please remove the lock and try again.", w.ID, verb, scope)
		}
	}
	return nil
}

func putPolicyDefinition(w *Write) *Refusal {
	if at(w.Body, "properties.policyRule") == nil {
		return bad("InvalidPolicyRule", "The policy definition '%s' has no rule.", w.Name())
	}
	set(w.Body, "properties.policyType", "Custom")
	fill(w.Body, "properties.mode", "Indexed")
	return nil
}

func removePolicyDefinition(w *Write) *Refusal {
	if users := w.users(w.ID, access+"policyassignments"); len(users) > 0 {
		return conflict("PolicyDefinitionInUse", "The policy definition '%s' is in use by assignment %s.", w.Name(), users[0].ID)
	}
	return nil
}

func putPolicyAssignment(w *Write) *Refusal {
	id := text(w.Body, "properties.policyDefinitionId")
	definition := w.Get(id)
	if definition == nil || definition.Type != access+"policydefinitions" {
		return refuse(http.StatusNotFound, "PolicyDefinitionNotFound", "The policy definition '%s' could not be found.", id)
	}
	declared, _ := at(definition.Body, "properties.parameters").(Object)
	given, _ := at(w.Body, "properties.parameters").(Object)
	for name := range given {
		if declared[name] == nil {
			return bad("UndefinedPolicyParameter", "The policy assignment '%s' has a parameter '%s' that its definition does not.", w.Name(), name)
		}
	}
	for name, p := range declared {
		if p, _ := p.(Object); given[name] == nil && p["defaultValue"] == nil {
			return bad("MissingPolicyParameter", "The policy assignment '%s' lacks the parameter '%s' of its definition.", w.Name(), name)
		}
	}
	set(w.Body, "properties.scope", w.ID[:len(w.Scope)])
	return nil
}

// parameter is the use of a policy's parameter.
var parameter = regexp.MustCompile(`^\[parameters\('([^']+)'\)\]$`)

// denied is the policy that forbids a PUT, nil for none. One simple rule is understood:
// deny what has a location, or a type, that is one of some values, or is none of them.
func denied(w *Write) *Refusal {
	if strings.HasPrefix(w.Kind, access) || w.Body == nil {
		return nil
	}
	for _, a := range w.OfType(access + "policyassignments") {
		if !covers(text(a.Body, "properties.scope"), w.ID) {
			continue
		}
		d := w.Get(text(a.Body, "properties.policyDefinitionId"))
		if d == nil || !same(text(d.Body, "properties.policyRule.then.effect"), "deny") {
			continue
		}
		condition, _ := at(d.Body, "properties.policyRule.if").(Object)
		if applies(condition, w, a, d) {
			return refuse(http.StatusForbidden, "RequestDisallowedByPolicy", "Resource '%s' was disallowed by policy. Policy identifiers: '%s'.", w.Name(), a.ID)
		}
	}
	return nil
}

func applies(condition Object, w *Write, assignment, definition *Resource) bool {
	if inner, ok := condition["not"].(Object); ok {
		return inner["field"] != nil && has(inner, w) && !matches(inner, w, assignment, definition)
	}
	return condition["field"] != nil && has(condition, w) && matches(condition, w, assignment, definition)
}

// has says whether the resource has the field that a condition looks at: what has no
// location is not held to one.
func has(condition Object, w *Write) bool { return fieldOf(condition, w) != "" }

func fieldOf(condition Object, w *Write) string {
	if same(text(condition, "field"), "type") {
		return w.Type
	}
	if same(text(condition, "field"), "location") {
		return text(w.Body, "location")
	}
	return ""
}

func matches(condition Object, w *Write, assignment, definition *Resource) bool {
	resolve := func(v any) any {
		if s, ok := v.(string); ok {
			if m := parameter.FindStringSubmatch(s); m != nil {
				if given := at(assignment.Body, "properties.parameters."+m[1]+".value"); given != nil {
					return given
				}
				return at(definition.Body, "properties.parameters."+m[1]+".defaultValue")
			}
		}
		return v
	}
	field := fieldOf(condition, w)
	if one, ok := resolve(condition["equals"]).(string); ok {
		return same(one, field)
	}
	list, _ := resolve(condition["in"]).([]any)
	return slices.ContainsFunc(list, func(v any) bool {
		s, ok := v.(string)
		return ok && same(s, field)
	})
}
