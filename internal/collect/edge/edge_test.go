package edge

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/azure/resourceid"
	"infrabackup/internal/backup"
)

// TestReferencesInEverySpelling writes one reference in every way that stamps write it.
func TestReferencesInEverySpelling(t *testing.T) {
	const target = "/subscriptions/s/resourcegroups/g h/providers/microsoft.compute/disks/d"
	const plan = "/subscriptions/s/resourcegroups/g h/providers/microsoft.subscriptions.admin/plans/d"
	for _, id := range []string{
		target, "/subscriptions/S/resourceGroups/G H/providers/Microsoft.Compute/disks/D",
		target + "/", " " + target + " ", target[1:], "//subscriptions/s//resourcegroups/g h/providers/microsoft.compute/disks/d",
		"/subscriptions/s/resourceGroups/g%20h/providers/Microsoft.Compute/disks/d", "/subscriptions/s/resourceGroups/%67%20h/providers/Microsoft.Compute/disks/d/",
	} {
		for _, form := range []string{
			`{"properties":{"storageProfile":{"dataDisks":[{"managedDisk":{"id":%q}}]}}}`,
			`{"Properties":{"StorageProfile":{"DataDisks":[{"ManagedDisk":{"Id":%q}}]}}}`,
			"\xef\xbb\xbf {\"properties\":{\"storageProfile\":{\"dataDisks\":[{\"managedDisk\":{\"id\":%q}}]}}}\n",
		} {
			edges, further := Of(strings.ToUpper(machines), "", fmt.Appendf(nil, form, id))
			require.Equal(t, []backup.Reference{{Relation: "disk", Service: backup.CRP, Target: target}}, References(edges), "%s in %s", id, form)
			require.Zero(t, further)
		}
		id := strings.ReplaceAll(strings.ReplaceAll(id, "Microsoft.Compute/disks", "Microsoft.Subscriptions.Admin/plans"), "microsoft.compute/disks", "microsoft.subscriptions.admin/plans")
		for _, form := range []string{`{"properties":{"basePlanIds":[%q]}}`, `{"properties":{"BasePlanIDs":%q}}`} {
			edges, _ := Of(offers, "", fmt.Appendf(nil, form, id))
			require.Equal(t, []backup.Reference{{Relation: "plan", Service: backup.ARM, Target: plan}}, References(edges), id)
		}
	}
	for _, nothing := range []string{"", " ", "/", "x", "https://elsewhere.example/subscriptions/s", "null"} {
		edges, _ := Of(offers, "", fmt.Appendf(nil, `{"properties":{"basePlanIds":[%q,null,7]}}`, nothing))
		require.Empty(t, edges, nothing)
	}
}

// TestRows holds the table to its form.
func TestRows(t *testing.T) {
	seen, relations := map[string]bool{}, map[string]bool{}
	for _, r := range Rows {
		key := strings.ToLower(r.Type + " " + r.Path)
		require.False(t, seen[key], "%s has two rows", key)
		seen[key] = true
		require.NoError(t, backup.CheckRelation(r.Relation))
		require.NotEmpty(t, r.Path)
		require.NotEqual(t, ParentRelation, r.Relation, "that of what needs no row")
		require.True(t, r.Direction == Need || r.Strength == Hard && !r.Origin, "%s: a back reference is no need", key)
		if r.Direction == Need && !r.Origin {
			relations[r.Relation] = true
		}
	}
	require.LessOrEqual(t, len(relations), backup.MaxRelations, "a manifest tells no more apart")
	for _, e := range Exceptions {
		require.NotEmpty(t, e.Reason)
		require.NotEmpty(t, e.Path)
	}
}

func TestParent(t *testing.T) {
	const group, plans = "/subscriptions/s/resourcegroups/g", "/subscriptions/s/providers/microsoft.subscriptions.admin"
	for id, want := range map[string]string{
		"": "", "/": "", "/subscriptions/S": "", "/tenants/t": "", "/subscriptions": "", "/providers/Microsoft.Authorization/roleDefinitions/r": "",
		"/subscriptions/S/resourceGroups/G":     "/subscriptions/s",
		"/subscriptions/s/tagNames/n":           "/subscriptions/s",
		"/subscriptions/s/locations/local":      "/subscriptions/s",
		"/subscriptions/s/providers/N.P":        "/subscriptions/s",
		group + "/providers/N.P/types/x":        group,
		group + "/providers/N.P/types/x/sub/y/": group + "/providers/n.p/types/x",
		// An extension lies in its scope.
		"/subscriptions/s/providers/Microsoft.Authorization/locks/l":               "/subscriptions/s",
		group + "/providers/N.P/types/x/providers/Microsoft.Authorization/locks/l": group + "/providers/n.p/types/x",
		group + "/providers/N.P/types/x/subs/y/providers/N.Q/of/z/of/w":            group + "/providers/n.p/types/x/subs/y/providers/n.q/of/z",
		// The only ones of their type.
		group + "/providers/Microsoft.Network/connections/c/sharedkey":                group + "/providers/microsoft.network/connections/c",
		group + "/providers/Microsoft.Storage/storageAccounts/a/blobServices/default": group + "/providers/microsoft.storage/storageaccounts/a",
		"/subscriptions/s/providers/Microsoft.Network.Admin/adminOverview":            "/subscriptions/s",
		// Locations are no resources.
		"/subscriptions/s/providers/Microsoft.Compute.Admin/locations/local/quotas/q":                                                            "/subscriptions/s",
		"/subscriptions/s/providers/Microsoft.Storage.Admin/locations/local/settings":                                                            "/subscriptions/s",
		"/subscriptions/s/providers/Microsoft.Compute.Admin/locations/local/artifactTypes/platformImage/publishers/p/offers/o/skus/k/versions/1": "/subscriptions/s",
		plans + "/locations/local":                 plans[:len("/subscriptions/s")],
		plans + "/subscriptions/u/acquiredPlans/a": plans + "/subscriptions/u",
		// What a vault holds.
		group + "/providers/Microsoft.KeyVault/vaults/v":                       group,
		group + "/providers/Microsoft.KeyVault/vaults/v/secrets/n/0123":        group + "/providers/microsoft.keyvault/vaults/v",
		group + "/providers/Microsoft.KeyVault/vaults/v/certificates/contacts": group + "/providers/microsoft.keyvault/vaults/v",
		// A name may be that of a segment.
		group + "/providers/N.P/types/providers": group,
	} {
		parent, ok := Parent(id)
		require.Equal(t, want, parent, id)
		require.Equal(t, want != "", ok, id)
	}
}

func TestWhole(t *testing.T) {
	const network = "/subscriptions/s/resourcegroups/g/providers/microsoft.network/"
	const instance = "/subscriptions/s/resourcegroups/g/providers/microsoft.compute/virtualmachinescalesets/s/virtualmachines/0"
	for id, want := range map[string]string{
		network + "loadbalancers/x":                                           network + "loadbalancers/x",
		network + "loadbalancers/x/backendaddresspools/y":                     network + "loadbalancers/x",
		network + "networkinterfaces/x/ipconfigurations/y":                    network + "networkinterfaces/x",
		network + "virtualnetworks/x/subnets/y":                               network + "virtualnetworks/x/subnets/y",
		network + "networksecuritygroups/x/securityrules/y":                   network + "networksecuritygroups/x/securityrules/y",
		network + "loadbalancers/x/providers/microsoft.authorization/locks/l": network + "loadbalancers/x/providers/microsoft.authorization/locks/l",
		instance: instance,
		instance + "/networkinterfaces/n/ipconfigurations/c": instance,
		"": "", "/subscriptions/s": "/subscriptions/s",
	} {
		require.Equal(t, want, Whole(id), id)
	}
}

// TestParts leads edges to the document in which their targets stand.
func TestParts(t *testing.T) {
	const balancer = "/subscriptions/s/resourcegroups/g/providers/microsoft.network/loadbalancers/lb"
	document := fmt.Appendf(nil, `{"properties":{"ipConfigurations":[{"properties":{"loadBalancerBackendAddressPools":[{"id":"%s/backendAddressPools/A"},{"id":"%[1]s/backendAddressPools/b"}]}}]}}`, balancer)
	edges, _ := Of(interfaces, "", document)
	require.Len(t, edges, 2)
	require.Equal(t, balancer, edges[0].Target)
	require.Equal(t, balancer+"/backendaddresspools/a", edges[0].Part)
	require.Len(t, References(edges), 1, "one load balancer")

	body := []byte(`{"properties":{"BackendAddressPools":[{"id":"x","name":"other"},{"name":"a","properties":{}}],"loadBalancingRules":[{"name":"b"}]}}`)
	require.True(t, Names(body, edges[0].Part))
	require.False(t, Names(body, edges[1].Part))
	for _, no := range []string{"", balancer, balancer + "/backendAddressPools", balancer + "/backendAddressPools/a/more", balancer + "/properties/a"} {
		require.False(t, Names(body, no), no)
	}
	require.False(t, Names([]byte(`{"properties":{"backendAddressPools":{"name":"a"}}}`), edges[0].Part))
	require.False(t, Names([]byte(`[`), edges[0].Part))
}

// TestDirections: what the stamp computes is no need, and a document needs not itself.
func TestDirections(t *testing.T) {
	const group = "/subscriptions/s/resourcegroups/g"
	const disk, machine = group + "/providers/microsoft.compute/disks/d", group + "/providers/microsoft.compute/virtualmachines/m"
	edges, _ := Of(disks, disk, fmt.Appendf(nil, `{"managedBy":%q,"properties":{"creationData":{"sourceResourceId":%q}}}`, machine, group+"/providers/Microsoft.Compute/snapshots/s"))
	require.Equal(t, []Edge{
		{Relation: ParentRelation, Service: backup.ARM, Target: group},
		{Relation: "virtual-machine", Service: backup.CRP, Target: machine, Direction: Back, Path: "managedBy"},
		{Relation: "source", Service: backup.CRP, Target: group + "/providers/microsoft.compute/snapshots/s", Origin: true, Path: "properties.creationData.sourceResourceId"},
	}, edges)
	require.Empty(t, References(edges), "the machine may be out of sight, and the snapshot deleted")

	edges, _ = Of(disks, disk, fmt.Appendf(nil, `{"properties":{"creationData":{"sourceResourceId":%q}}}`, strings.ToUpper(disk)))
	require.Len(t, edges, 1)
}

// TestServices finds the owner of what an ID names.
func TestServices(t *testing.T) {
	for id, want := range map[string]backup.Service{
		"/subscriptions/s": backup.ARM, "/subscriptions/s/resourceGroups/g": backup.ARM, "": backup.ARM, "/subscriptions/s/providers/Contoso.Widgets/gadgets/g": backup.ARM,
		"/subscriptions/s/providers/Microsoft.Compute/virtualMachines/m":                                                     backup.CRP,
		"/subscriptions/s/providers/Microsoft.Network.Admin/locations/local/quotas/q":                                        backup.NRP,
		"/subscriptions/s/providers/Microsoft.Compute/virtualMachines/m/providers/Microsoft.Authorization/locks/l":           backup.ARM,
		"/subscriptions/s/providers/Microsoft.Compute/virtualMachines/m/providers/Microsoft.Authorization/roleAssignments/a": backup.RBAC,
		"/providers/Microsoft.Authorization/roleDefinitions/r":                                                               backup.RBAC,
		"/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/v/secrets/n/1":                                backup.KeyVault,
	} {
		require.Equal(t, want, ServiceOf(id), id)
	}
}

func TestResolvers(t *testing.T) {
	const guid, own = "00000000-0000-4000-8000-000000000001", "/subscriptions/P/resourceGroups/g/providers/Microsoft.Subscriptions.Admin/offers/o/offerDelegations/d"
	for _, test := range []struct {
		fullType, document, relation, target string
	}{
		{assignments, `{"properties":{"principalId":"S-1-5-21-1-2-3-1104"}}`, "principal", "sid:s-1-5-21-1-2-3-1104"},
		{assignments, `{"properties":{"principalId":"S-1-5-11"}}`, "", ""},
		{assignments, `{"properties":{"principalId":"` + guid + `"}}`, "", ""},
		{assignments, `{"properties":{"roleDefinitionId":"/subscriptions/x/providers/Microsoft.Authorization/roleDefinitions/ABC"}}`, "role-definition", "role:abc"},
		{assignments, `{"properties":{"scope":"/"}}`, "", ""},
		{plansNamespace + "/plans", `{"properties":{"quotaIds":["/subscriptions/p/providers/Contoso.Admin/locations/l/quotas/q"]}}`, "", ""},
		{plansNamespace + "/plans", `{"properties":{"quotaIds":["/subscriptions/p/providers/Microsoft.Subscriptions.Admin/locations/l/quotas/q"]}}`, "quota", "/subscriptions/p/providers/microsoft.subscriptions.admin/locations/l/quotas/q"},
		{offers + "/offerDelegations", `{"properties":{"subscriptionId":"` + strings.ToUpper(guid) + `"}}`, "user-subscription", "/subscriptions/p/providers/microsoft.subscriptions.admin/subscriptions/" + guid},
		{offers + "/offerDelegations", `{"properties":{"subscriptionId":"../../x"}}`, "", ""},
		{users, `{"offerId":"/subscriptions/p/o","routingResourceManagerType":"Default"}`, "offer", "/subscriptions/p/o"},
		{users, `{"offerId":"/subscriptions/p/o","routingResourceManagerType":"Admin"}`, "", ""},
		{machines, `{"properties":{"storageProfile":{"imageReference":{"id":"/subscriptions/s/providers/Microsoft.Compute/locations/l/publishers/p"}}}}`, "", ""},
		{zones + "/A", `{"properties":{"targetResource":{"id":"/subscriptions/s/x"}}}`, "alias-target", "/subscriptions/s/x"},
		{vaults + "/certificates/versions", `{"cer":"AAAA"}`, "", ""},
		{"Contoso.Widgets/gadgets", `{"properties":{"subnet":{"id":"/subscriptions/s"}}}`, "", ""},
	} {
		edges, _ := Of(test.fullType, own, []byte(test.document))
		edges = edges[1:] // the parent
		if test.target == "" {
			require.Empty(t, edges, "%+v", test)
			continue
		}
		require.Len(t, edges, 1, "%+v", test)
		require.Equal(t, test.relation, edges[0].Relation)
		require.Equal(t, test.target, edges[0].Target)
	}
}

// TestManyEdges counts what goes beyond the bound.
func TestManyEdges(t *testing.T) {
	var b strings.Builder
	for i := range maxEdges + 10 {
		fmt.Fprintf(&b, `%s"/subscriptions/%d"`, strings.Repeat(",", min(i, 1)), i)
	}
	edges, further := Of(offers, "", []byte(`{"properties":{"basePlanIds":[`+b.String()+`]}}`))
	require.Len(t, edges, maxEdges)
	require.Equal(t, 10, further)
}

// FuzzOf: no document ends the program or gives an edge that no catalog could be asked for.
func FuzzOf(f *testing.F) {
	for _, r := range Rows {
		document := `"/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/loadBalancers/l/probes/p"`
		for i := len(strings.Split(r.Path, ".")) - 1; i >= 0; i-- {
			if member := strings.Split(r.Path, ".")[i]; member == "#" {
				document = "[" + document + "]"
			} else {
				document = fmt.Sprintf("{%q:%s}", member, document)
			}
		}
		f.Add(r.Type, "/subscriptions/s/providers/"+r.Type+"/x", []byte(document))
	}
	f.Add(users, "/providers//", []byte("\xef\xbb\xbf{\"offerId\":[[["))
	f.Fuzz(func(t *testing.T, fullType, id string, document []byte) {
		edges, further := Of(fullType, id, document)
		require.LessOrEqual(t, len(edges), maxEdges)
		require.True(t, further == 0 || len(edges) == maxEdges)
		seen := map[Edge]bool{}
		for _, e := range edges {
			require.False(t, seen[e])
			seen[e] = true
			require.NotEmpty(t, e.Target)
			require.NotEmpty(t, e.Service)
			require.NotEqual(t, resourceid.Key(id), e.Target)
			require.Equal(t, strings.ToLower(e.Target), e.Target)
			if e.Part != "" {
				require.True(t, strings.HasPrefix(e.Part, e.Target+"/"))
			}
			Names(document, e.Part)
		}
		for parent, ok := Parent(id); ok; parent, ok = Parent(parent) {
			require.Less(t, len(parent), len(resourceid.Key(id)))
			id = parent
		}
	})
}
