package controlplane

import (
	"slices"

	"infrabackup/internal/azure"
	"infrabackup/internal/collect"
	"infrabackup/internal/collect/arm"
	"infrabackup/internal/collect/crp"
	"infrabackup/internal/collect/keyvault"
	"infrabackup/internal/collect/nrp"
	"infrabackup/internal/collect/rbac"
	"infrabackup/internal/collect/resource"
	"infrabackup/internal/collect/srp"
)

// Collectors are the collectors of ARM, CRP, SRP, NRP, KeyVault and RBAC, in capture
// order. They share the stamp's connections and tokens.
func Collectors(stamp *azure.Stamp, o resource.Options) []collect.Collector {
	others := []resource.Table{crp.Table(), srp.Table(), nrp.Table(), keyvault.Table()}
	owned := rbac.Types()
	for _, table := range others {
		owned = append(owned, table.Namespaces...)
	}
	var all []collect.Collector
	for _, table := range slices.Concat([]resource.Table{arm.Table(owned)}, others, []resource.Table{rbac.Table()}) {
		all = append(all, resource.New(stamp, table, o))
	}
	return all
}
