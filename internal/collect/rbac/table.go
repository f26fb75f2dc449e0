package rbac

import (
	"strings"

	"infrabackup/internal/azure/jsondoc"
	"infrabackup/internal/azure/resourceid"
	"infrabackup/internal/backup"
	"infrabackup/internal/collect/resource"
)

var versions = []string{"2015-07-01"}

// The types that belong to this service.
const (
	definitions = "Microsoft.Authorization/roleDefinitions"
	assignments = "Microsoft.Authorization/roleAssignments"
)

// Types are what this service owns of a namespace that it shares.
func Types() []string { return []string{definitions, assignments} }

// Table returns the service's rows.
func Table() resource.Table {
	assignment := resource.Type{
		Kind: "role-assignment", Type: assignments, Versions: versions, Untracked: true,
		References: []resource.Reference{
			{Relation: "principal", Path: "properties.principalId", Resolve: resource.ToPrincipal},
			{Relation: "role-definition", Path: "properties.roleDefinitionId", Resolve: toDefinition},
		},
	}
	inGroups := assignment
	inGroups.Scope = resource.InGroup
	assignment.AtResources = true
	return resource.Table{
		Service: backup.RBAC,
		Types: []resource.Type{
			{Kind: "role-definition", Type: definitions, Versions: versions, Untracked: true, Aliases: definitionAlias},
			assignment,
			inGroups,
		},
	}
}

// toDefinition resolves the ID of a role definition: its scope differs between
// subscriptions, its GUID does not.
func toDefinition(id string) (backup.Service, string, bool) {
	id = resourceid.Key(id)
	guid := id[strings.LastIndexByte(id, '/')+1:]
	return backup.RBAC, "role:" + guid, guid != ""
}

func definitionAlias(document []byte) []string {
	if _, alias, ok := toDefinition(jsondoc.Text(document, "id")); ok {
		return []string{alias}
	}
	return nil
}
