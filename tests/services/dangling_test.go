package services

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"infrabackup/internal/backup"
	"infrabackup/internal/consistency"
	"infrabackup/tests/lab/stamp/inventory"
)

// TestDanglingReferences puts dangling references of every relation into a stamp and
// checks the catalog of a capture: all are found, and no others.
func TestDanglingReferences(t *testing.T) {
	for _, dangling := range []int{0, 1, 5} {
		w := newWorld(t, options{resources: 400, dangling: dangling})
		entries := w.catalog(t)
		checker := consistency.New(append([]backup.Service{backup.AD, backup.CA}, stampServices...)...)
		for _, service := range backup.Services() {
			for _, e := range entries[service] {
				checker.Note(e)
			}
		}
		result, err := checker.Check(func(service backup.Service, fn func(backup.CatalogEntry)) error {
			for _, e := range entries[service] {
				fn(e)
			}
			return nil
		})
		require.NoError(t, err)
		want := map[string]int64{}
		for _, r := range w.contents.Dangling {
			want[r.Relation]++
		}
		got := map[string]int64{}
		for _, r := range result.Relations {
			require.Zero(t, r.Unchecked, r.Relation)
			require.Positive(t, r.Checked, r.Relation)
			if r.Dangling > 0 {
				got[r.Relation] = r.Dangling
			}
		}
		require.Equal(t, want, got)
		require.Len(t, result.Dangling, len(w.contents.Dangling))
		for _, r := range w.contents.Dangling {
			require.True(t, slices.ContainsFunc(result.Dangling, func(d backup.DanglingReference) bool {
				return d.Relation == r.Relation && strings.HasSuffix(d.Target, targetOf(r))
			}), "%+v was not found", r)
		}
	}
}

// targetOf is what a dangling reference's target ends with in a catalog.
func targetOf(r inventory.Reference) string {
	target := strings.ToLower(r.Target)
	if r.Relation == inventory.RelationRoleDefinition {
		return target[strings.LastIndexByte(target, '/')+1:]
	}
	return target
}

// catalog captures all services, and stands in for AD and CA: every principal of the
// stamp's roles and policies is there, but for the dangling ones, and every CA that
// issued a certificate.
func (w *world) catalog(t *testing.T) map[backup.Service][]backup.CatalogEntry {
	t.Helper()
	dangling := map[string]bool{}
	for _, r := range w.contents.Dangling {
		dangling[strings.ToLower(r.Target)] = true
	}
	entries := map[backup.Service][]backup.CatalogEntry{}
	known := map[string]bool{}
	for _, service := range stampServices {
		r, err := w.capture(t, service)
		require.NoError(t, err)
		for _, c := range r.Calls() {
			if c.Gap != nil {
				continue
			}
			entries[service] = append(entries[service], backup.CatalogEntry{Service: service, Item: c.Item})
			for _, reference := range c.Item.References {
				value := reference.Target[strings.IndexByte(reference.Target, ':')+1:]
				outside := reference.Service == backup.AD || reference.Service == backup.CA
				if outside && !dangling[value] && !known[reference.Target] {
					known[reference.Target] = true
					entries[reference.Service] = append(entries[reference.Service], backup.CatalogEntry{
						Service: reference.Service, Item: backup.Item{Kind: "object", ID: value, Aliases: []string{reference.Target}},
					})
				}
			}
		}
	}
	return entries
}

// TestReferencesAreThoseOfTheDocuments counts by another way: the stand-in's own
// documents.
func TestReferencesAreThoseOfTheDocuments(t *testing.T) {
	w := newWorld(t, options{resources: 400})
	want := map[string]int{}
	for d := range w.stamp.Documents() {
		count := func(relation string, paths ...string) {
			all := map[string]bool{}
			for _, path := range paths {
				for target := range distinct(gjson.GetBytes(d.Body, path)) {
					all[target] = true
				}
			}
			want[relation] += len(all)
		}
		switch strings.ToLower(d.Type) {
		case "microsoft.network/networkinterfaces":
			count("subnet", "properties.ipConfigurations.#.properties.subnet.id")
			count("public-ip-address", "properties.ipConfigurations.#.properties.publicIPAddress.id")
			count("network-security-group", "properties.networkSecurityGroup.id")
		case "microsoft.network/virtualnetworkgateways":
			count("subnet", "properties.ipConfigurations.#.properties.subnet.id")
			count("public-ip-address", "properties.ipConfigurations.#.properties.publicIPAddress.id")
		case "microsoft.network/loadbalancers":
			count("subnet", "properties.frontendIPConfigurations.#.properties.subnet.id")
			count("public-ip-address", "properties.frontendIPConfigurations.#.properties.publicIPAddress.id")
		case "microsoft.network/virtualnetworks":
			count("network-security-group", "properties.subnets.#.properties.networkSecurityGroup.id")
			count("route-table", "properties.subnets.#.properties.routeTable.id")
			count("virtual-network", "properties.virtualNetworkPeerings.#.properties.remoteVirtualNetwork.id")
		case "microsoft.network/virtualnetworks/subnets":
			count("network-security-group", "properties.networkSecurityGroup.id")
			count("route-table", "properties.routeTable.id")
		case "microsoft.network/virtualnetworks/virtualnetworkpeerings":
			count("virtual-network", "properties.remoteVirtualNetwork.id")
		case "microsoft.compute/virtualmachinescalesets":
			count("subnet", "properties.virtualMachineProfile.networkProfile.networkInterfaceConfigurations.#.properties.ipConfigurations.#.properties.subnet.id|@flatten")
		case "microsoft.compute/virtualmachines":
			count("network-interface", "properties.networkProfile.networkInterfaces.#.id")
			count("disk", "properties.storageProfile.osDisk.managedDisk.id", "properties.storageProfile.dataDisks.#.managedDisk.id")
			count("availability-set", "properties.availabilitySet.id")
		case "microsoft.authorization/roleassignments":
			count("role-definition", "properties.roleDefinitionId")
			count("scope", "properties.scope")
		}
	}
	require.Greater(t, len(want), 9)
	got := map[string]int{}
	for _, service := range []backup.Service{backup.NRP, backup.CRP, backup.RBAC} {
		r, err := w.capture(t, service)
		require.NoError(t, err)
		for _, c := range r.Calls() {
			for _, reference := range c.Item.References {
				if _, counted := want[reference.Relation]; counted {
					got[reference.Relation]++
				}
			}
		}
	}
	require.Equal(t, want, got)
}

func distinct(values gjson.Result) map[string]bool {
	all := map[string]bool{}
	for _, v := range values.Array() {
		all[strings.ToLower(v.Str)] = true
	}
	return all
}
