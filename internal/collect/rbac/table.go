package rbac

import (
	"infrabackup/internal/azure/jsondoc"
	"infrabackup/internal/backup"
	"infrabackup/internal/collect/edge"
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

func definitionAlias(document []byte) []string {
	if _, alias, ok := edge.ToRoleDefinition("", jsondoc.Text(document, "id")); ok {
		return []string{alias}
	}
	return nil
}
