package controlplane

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/collect/arm"
	"infrabackup/internal/collect/crp"
	"infrabackup/internal/collect/edge"
	"infrabackup/internal/collect/keyvault"
	"infrabackup/internal/collect/nrp"
	"infrabackup/internal/collect/rbac"
	"infrabackup/internal/collect/resource"
	"infrabackup/internal/collect/srp"
)

// TestTablesAndEdgesAgree holds the two tables about types to each other: an edge leads to
// the service that captures its target, what is captured by itself is no part of another
// document, and rows are about types that are captured.
func TestTablesAndEdgesAgree(t *testing.T) {
	known := map[string]bool{"microsoft.keyvault/vaults/certificates/versions": true} // of the vaults themselves
	for _, table := range []resource.Table{arm.Table(nil), crp.Table(), srp.Table(), nrp.Table(), keyvault.Table(), rbac.Table()} {
		for _, row := range table.Types {
			known[strings.ToLower(row.Type)] = true
			id := idOf(row.Type)
			require.Equal(t, table.Service, edge.ServiceOf(id), row.Type)
			require.Equal(t, id, edge.Whole(id), row.Type)
		}
	}
	for _, row := range edge.Rows {
		require.True(t, known[strings.ToLower(row.Type)], "%s is captured by no row", row.Type)
	}
	for _, exception := range edge.Exceptions {
		require.True(t, known[strings.ToLower(exception.Type)], "%s is captured by no row", exception.Type)
	}
	// Parts of documents are said by both tables.
	derived := slices.Concat(nrp.Table().Derived, crp.Table().Derived)
	for _, part := range []string{"Microsoft.Network/loadBalancers/backendAddressPools", "Microsoft.Network/networkInterfaces/ipConfigurations", "Microsoft.Compute/virtualMachineScaleSets/virtualMachines/networkInterfaces"} {
		require.Contains(t, derived, part)
		id := strings.ToLower(idOf(part))
		require.Less(t, len(edge.Whole(id)), len(id))
	}
}

// idOf is the ID of some resource of a type.
func idOf(fullType string) string {
	segments := strings.Split(strings.ToLower(fullType), "/")
	return "/subscriptions/s/resourcegroups/g/providers/" + segments[0] + "/" + strings.Join(segments[1:], "/x/") + "/x"
}
