package shape

import (
	"bytes"
	"flag"
	"fmt"
	"go/format"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/tests/lab/stamp/definition"
	"infrabackup/tests/spec"
)

var update = flag.Bool("update", false, "write the tables")

// sources are the types of each table, with the version of the definition.
var sources = map[string]map[string]string{
	"core": {
		"Microsoft.Resources/resourceGroups": "2019-10-01", "Microsoft.Resources/links": "2016-09-01", "Microsoft.Authorization/locks": "2016-09-01",
		"Microsoft.Authorization/policyDefinitions": "2016-12-01", "Microsoft.Authorization/policyAssignments": "2016-12-01",
		"Microsoft.Subscriptions.Admin/plans": "2015-11-01", "Microsoft.Subscriptions.Admin/offers": "2015-11-01", "Microsoft.Subscriptions.Admin/offers/offerDelegations": "2015-11-01",
		"Microsoft.Subscriptions.Admin/subscriptions": "2015-11-01", "Microsoft.Subscriptions.Admin/subscriptions/acquiredPlans": "2015-11-01",
		"Microsoft.Subscriptions.Admin/directoryTenants": "2015-11-01", "Microsoft.Subscriptions.Admin/locations": "2015-11-01",
	},
	"compute": {
		"Microsoft.Compute/availabilitySets": "2019-07-01", "Microsoft.Compute/images": "2019-07-01", "Microsoft.Compute/disks": "2019-07-01", "Microsoft.Compute/snapshots": "2019-07-01",
		"Microsoft.Compute/virtualMachines": "2019-07-01", "Microsoft.Compute/virtualMachines/extensions": "2019-07-01", "Microsoft.Compute.Admin/locations/quotas": "2018-02-09",
	},
	"network": {
		"Microsoft.Network/virtualNetworks": "2018-11-01", "Microsoft.Network/virtualNetworks/subnets": "2018-11-01", "Microsoft.Network/virtualNetworks/virtualNetworkPeerings": "2018-11-01",
		"Microsoft.Network/networkSecurityGroups": "2018-11-01", "Microsoft.Network/networkSecurityGroups/securityRules": "2018-11-01",
		"Microsoft.Network/routeTables": "2018-11-01", "Microsoft.Network/routeTables/routes": "2018-11-01", "Microsoft.Network/publicIPAddresses": "2018-11-01",
		"Microsoft.Network/networkInterfaces": "2018-11-01", "Microsoft.Network/loadBalancers": "2018-11-01", "Microsoft.Network/virtualNetworkGateways": "2018-11-01",
		"Microsoft.Network/localNetworkGateways": "2018-11-01", "Microsoft.Network/connections": "2018-11-01", "Microsoft.Network/connections/sharedkey": "2018-11-01",
		"Microsoft.Network/dnsZones": "2018-05-01", "Microsoft.Network/dnsZones/recordsets": "2018-05-01", "Microsoft.Network.Admin/locations/quotas": "2015-06-15",
	},
	"storage": {
		"Microsoft.Storage/storageAccounts": "2019-06-01", "Microsoft.Storage/storageAccounts/blobServices": "2019-06-01", "Microsoft.Storage/storageAccounts/blobServices/containers": "2019-06-01",
		"Microsoft.Storage/storageAccounts/queueServices": "2019-06-01", "Microsoft.Storage/storageAccounts/tableServices": "2019-06-01",
		"Microsoft.Storage.Admin/locations/quotas": "2019-08-08", "Microsoft.Storage.Admin/locations/settings": "2019-08-08",
	},
	"vault":  {"Microsoft.KeyVault/vaults": "2019-09-01"},
	"access": {"Microsoft.Authorization/roleDefinitions": "2015-07-01", "Microsoft.Authorization/roleAssignments": "2015-07-01"},
}

const (
	serverSets = "the service sets it"
	back       = "computed from what refers to the resource"
	state      = "what the service says of its work"
)

// owned are members that definitions let a client write and that are the service's, by name,
// or by type and path.
var owned = map[string]string{
	"etag": serverSets, "provisioningState": state, "resourceGuid": serverSets, "macAddress": serverSets, "vaultUri": serverSets,
	"defaultSecurityRules": "every group has the same", "instanceView": state, "appliedDnsServers": serverSets, "internalDomainNameSuffix": serverSets, "internalFqdn": serverSets,
	"peeringState": state, "remoteAddressSpace": "that of the other network", "subscriptionCount": back,
	"acquisitionTime":         serverSets,
	"resourceNavigationLinks": back, "serviceAssociationLinks": back, "tapConfigurations": back,
	"createMode": "says how, not what",

	"Microsoft.Network/networkInterfaces properties.primary":                                        "the machine's document says so",
	"Microsoft.Network/publicIPAddresses properties.ipAddress":                                      serverSets,
	"Microsoft.Network/publicIPAddresses properties.dnsSettings.fqdn":                               serverSets,
	"Microsoft.Compute/availabilitySets properties.virtualMachines":                                 back,
	"Microsoft.Subscriptions.Admin/subscriptions/acquiredPlans id":                                  serverSets,
	"Microsoft.Network/virtualNetworkGateways properties.bgpSettings.bgpPeeringAddress":             serverSets,
	"Microsoft.Network/networkInterfaces properties.ipConfigurations.properties.virtualNetworkTaps": back,
}

// fixed are members that count when the resource is made.
var fixed = []string{
	"Microsoft.Compute/disks properties.creationData", "Microsoft.Compute/disks properties.hyperVGeneration", "Microsoft.Compute/snapshots properties.creationData", "Microsoft.Compute/snapshots properties.hyperVGeneration",
	"Microsoft.Compute/images properties.storageProfile", "Microsoft.Compute/images properties.sourceVirtualMachine",
	"Microsoft.Compute/virtualMachines properties.osProfile", "Microsoft.Compute/virtualMachines properties.storageProfile.imageReference",
	"Microsoft.Compute/virtualMachines properties.storageProfile.osDisk.createOption", "Microsoft.Compute/virtualMachines properties.storageProfile.osDisk.name",
	"Microsoft.Compute/virtualMachines properties.storageProfile.osDisk.diskSizeGB", "Microsoft.Compute/virtualMachines properties.storageProfile.osDisk.managedDisk.storageAccountType",
	"Microsoft.Compute/virtualMachines properties.storageProfile.osDisk.image", "Microsoft.Compute/virtualMachines properties.storageProfile.dataDisks.image",
	"Microsoft.Compute/virtualMachines properties.storageProfile.dataDisks.createOption", "Microsoft.Compute/virtualMachines properties.storageProfile.dataDisks.name",
	"Microsoft.Compute/virtualMachines properties.storageProfile.dataDisks.diskSizeGB", "Microsoft.Compute/virtualMachines properties.storageProfile.dataDisks.managedDisk.storageAccountType",
	"Microsoft.Compute/virtualMachines plan", "Microsoft.Compute/virtualMachines/extensions properties.protectedSettings",
	"Microsoft.Network/connections properties.sharedKey", "Microsoft.Network/connections properties.authorizationKey",
}

// carried are members that are resources with items of their own.
var carried = []string{"Microsoft.Network/virtualNetworks properties.virtualNetworkPeerings"}

// references are arrays of whole resources that are named by their IDs.
var references = []string{"loadBalancerBackendAddressPools", "loadBalancerInboundNatRules", "applicationGatewayBackendAddressPools"}

// sets are arrays whose order does not count.
var sets = []string{"keys", "secrets", "certificates", "storage", "actions", "notActions", "dataActions", "notDataActions", "assignableScopes", "quotaIds", "basePlanIds", "notScopes", "zones"}

// maker writes the table of one type.
type maker struct {
	fullType string
	unused   map[string]bool // rules above that have done nothing yet
}

func (m *maker) has(list []string, path string) bool {
	at := m.fullType + " " + path
	delete(m.unused, at)
	return slices.Contains(list, at)
}

func (m *maker) owned(name, path string) bool {
	if path == "name" || path == "type" || path == "id" || owned[name] != "" {
		delete(m.unused, name)
		delete(m.unused, m.fullType+" "+path)
		return true
	}
	delete(m.unused, m.fullType+" "+path)
	return owned[m.fullType+" "+path] != ""
}

// refers reports whether an object is another resource's document, of which the ID counts.
func refers(s *definition.Shape) bool {
	has := func(name string) bool { return s.Members[name] != nil }
	return has("id") && (has("location") || has("properties") && (has("name") || has("etag")))
}

func (m *maker) members(s *definition.Shape, path string, part bool, depth int) string {
	if depth > 14 {
		panic(m.fullType + " is without end at " + path)
	}
	var out []string
	for _, key := range slices.Sorted(maps.Keys(s.Members)) {
		member := s.Members[key]
		at := strings.TrimPrefix(path+"."+member.Name, ".")
		name := member.Name
		if member.ReadOnly || m.owned(name, at) || part && name == "id" {
			out = append(out, name+"-")
			continue
		}
		if m.has(fixed, at) {
			name += "!"
		}
		if m.has(carried, at) {
			name += "^"
		}
		out = append(out, name+m.value(member, at, depth))
	}
	joiner := " "
	if depth < 2 {
		joiner = "\n" + strings.Repeat("\t", depth)
	}
	return strings.Join(out, joiner)
}

func (m *maker) value(member *definition.Member, at string, depth int) string {
	s := member.Shape
	switch {
	case s.Type == "object" && refers(s):
		return "{id}"
	case s.Type == "object" && len(s.Members) > 0:
		return "{" + m.members(s, at, false, depth+1) + "}"
	case s.Type == "array" && s.Items != nil && s.Items.Type == "object" && len(s.Items.Members) > 0:
		items := s.Items
		has := func(name string) bool { return items.Members[name] != nil }
		switch {
		case items.Members["location"] != nil && has("id"), slices.Contains(references, member.Name):
			return "[id]{id}"
		case has("lun"):
			return "[lun]{" + m.members(items, at, false, depth+1) + "}"
		case has("name"):
			return "[name]{" + m.members(items, at, has("properties"), depth+1) + "}"
		case has("objectid"):
			return "[objectId+applicationId]{" + m.members(items, at, false, depth+1) + "}"
		case has("planid"):
			return "[planId]{" + m.members(items, at, false, depth+1) + "}"
		case has("id"):
			return "[id]{" + m.members(items, at, false, depth+1) + "}"
		}
		return "[]{" + m.members(items, at, false, depth+1) + "}"
	case s.Type == "array" && slices.Contains(sets, member.Name):
		return "~"
	}
	return ""
}

// defined is the type as definitions call it.
func defined(fullType string) string {
	lower := strings.ToLower(fullType)
	if lower == "microsoft.network/dnszones/recordsets" {
		return "microsoft.network/dnszones/{}"
	}
	return lower
}

// TestTablesAreTheDefinitions makes every table from the definitions again: a member that one
// of them has and the other has not is a difference, whichever it is. Run it with -update
// after a change of the lists above.
func TestTablesAreTheDefinitions(t *testing.T) {
	definitions, err := definition.Load(spec.Definitions, spec.Written)
	require.NoError(t, err)
	unused := map[string]bool{}
	for rule := range owned {
		unused[rule] = true
	}
	for _, rule := range slices.Concat(fixed, carried) {
		unused[rule] = true
	}
	for table, types := range sources {
		var b bytes.Buffer
		fmt.Fprintf(&b, "// Code generated by TestTablesAreTheDefinitions; DO NOT EDIT.\n\npackage shape\n\nvar %sBodies = map[string]string{\n", table)
		for _, fullType := range slices.Sorted(maps.Keys(types)) {
			o := definitions.Find(http.MethodPut, defined(fullType), types[fullType])
			require.NotNil(t, o, fullType)
			require.NotNil(t, o.Body, fullType)
			m := maker{fullType: fullType, unused: unused}
			fmt.Fprintf(&b, "\t// %s, %s\n\t%q: `%s`,\n", o.ID, o.Version, strings.ToLower(fullType), m.members(o.Body, "", false, 0))
		}
		b.WriteString("}\n")
		text, err := format.Source(b.Bytes())
		require.NoError(t, err)
		name := "table_" + table + ".go"
		if *update {
			require.NoError(t, os.WriteFile(name, text, 0o644))
		}
		have, err := os.ReadFile(name)
		require.NoError(t, err)
		require.Equal(t, string(text), string(have), "%s is not what the definitions say", name)
	}
	require.Empty(t, slices.Sorted(maps.Keys(unused)), "rules that are about nothing")
}
