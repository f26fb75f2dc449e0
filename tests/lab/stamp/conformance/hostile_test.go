package conformance_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/tests/lab/stamp"
	"infrabackup/tests/lab/stamp/conformance"
	"infrabackup/tests/lab/stamp/inventory"
)

// TestWhatNoProviderTakesIsRefused sends bodies that a lenient stand-in would store: each
// is refused, says why in the form of the definition, and leaves nothing behind.
func TestWhatNoProviderTakesIsRefused(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	inside := contents(t, 300)
	w := newWalkerOf(t, stamp.Options{Contents: inside, Versions: stamp.UncommonTypes(), Now: func() time.Time { return now }})
	var subscription, group string
	ids := map[string]string{}
	for d := range w.s.Documents() {
		if d.Endpoint == inventory.Tenant && d.Type == "Microsoft.Resources/subscriptions" && subscription == "" {
			subscription = d.ID
		}
		if d.Endpoint == inventory.Tenant && d.Type == "Microsoft.Network/virtualNetworks" && group == "" {
			group, _, _ = strings.Cut(d.ID, "/providers/")
		}
		if ids[d.Type] == "" {
			ids[d.Type] = d.ID
		}
	}
	// A group that nothing locks.
	free := strings.TrimSuffix(group[:strings.LastIndexByte(group, '/')], "/") + "/free"
	r, body := w.request(http.MethodPut, inventory.Tenant, free, "2019-10-01", map[string]any{"location": "local"})
	require.Equal(t, 201, r.StatusCode, string(body))
	net, com := free+"/providers/Microsoft.Network/", free+"/providers/Microsoft.Compute/"
	nic := func(subnet string) string {
		return `{"location":"local","properties":{"ipConfigurations":[{"name":"c","properties":{"subnet":{"id":"` + subnet + `"}}}]}}`
	}
	role := func(name string) string {
		return free + "/providers/Microsoft.Authorization/roleAssignments/" + name
	}
	operator := "/subscriptions/" + inside.ProviderSubscription
	for _, test := range []struct{ name, code, path, body string }{
		{"no JSON", "InvalidRequestContent", net + "virtualNetworks/v", `nonsense`},
		{"no object", "InvalidRequestContent", net + "virtualNetworks/v", `[]`},
		{"null", "InvalidRequestContent", net + "virtualNetworks/v", `null`},
		{"two values", "InvalidRequestContent", net + "virtualNetworks/v", `{}{}`},
		{"a wrong type", "InvalidRequestContent", com + "disks/d", `{"location":"local","properties":{"creationData":{"createOption":"Empty"},"diskSizeGB":"32"}}`},
		{"a fraction", "InvalidRequestContent", com + "disks/d", `{"location":"local","properties":{"creationData":{"createOption":"Empty"},"diskSizeGB":1.5}}`},
		{"not of the enumeration", "InvalidRequestContent", com + "disks/d", `{"location":"local","properties":{"creationData":{"createOption":"Steal"},"diskSizeGB":32}}`},
		{"without what is required", "InvalidRequestContent", com + "disks/d", `{"location":"local","properties":{}}`},
		{"without a location", "InvalidRequestContent", com + "disks/d", `{"properties":{"creationData":{"createOption":"Empty"},"diskSizeGB":32}}`},
		{"a member twice, in two cases", "InvalidRequestContent", com + "disks/d", `{"location":"local","Location":"local","properties":{"creationData":{"createOption":"Empty"},"diskSizeGB":32}}`},
		{"nested without an end", "InvalidRequestContent", com + "disks/d", `{"location":"local","properties":` + strings.Repeat(`{"a":`, 20000) + `1` + strings.Repeat(`}`, 20000) + `}`},
		{"another planet", "LocationNotAvailableForResourceType", com + "disks/d", `{"location":"mars","properties":{"creationData":{"createOption":"Empty"},"diskSizeGB":32}}`},
		{"a group of another planet", "LocationNotAvailableForResourceType", free[:strings.LastIndexByte(free, '/')] + "/far", `{"location":"mars"}`},
		{"in no group", "ResourceGroupNotFound", free + "x/providers/Microsoft.Compute/disks/d", `{"location":"local"}`},
		{"in no subscription", "SubscriptionNotFound", "/subscriptions/5d1e4b0c-7a26-4e37-9d1c-00000000000f/resourceGroups/g", `{"location":"local"}`},
		{"below nothing", "ParentResourceNotFound", net + "virtualNetworks/none/subnets/s", `{"properties":{"addressPrefix":"10.0.0.0/24"}}`},
		{"at the scope of nothing", "ResourceNotFound", com + "disks/none/providers/Microsoft.Authorization/locks/l", `{"properties":{"level":"ReadOnly"}}`},
		{"an interface in no subnet", "InvalidResourceReference", net + "networkInterfaces/n", nic(net + "virtualNetworks/none/subnets/s")},
		{"an interface without a configuration", "NetworkInterfaceMustHaveAtLeastOneIpConfiguration", net + "networkInterfaces/n", `{"location":"local","properties":{}}`},
		{"an interface in another's subscription", "InvalidResourceReference", net + "networkInterfaces/n", nic("/subscriptions/5d1e4b0c-7a26-4e37-9d1c-00000000000f/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/v/subnets/s")},
		{"a network without addresses", "InvalidAddressPrefixFormat", net + "virtualNetworks/v", `{"location":"local","properties":{"addressSpace":{"addressPrefixes":["10.0.0"]}}}`},
		{"a subnet outside", "NetcfgInvalidSubnet", net + "virtualNetworks/v", `{"location":"local","properties":{"addressSpace":{"addressPrefixes":["10.0.0.0/16"]},"subnets":[{"name":"s","properties":{"addressPrefix":"10.1.0.0/24"}}]}}`},
		{"subnets that overlap", "NetcfgSubnetRangesOverlap", net + "virtualNetworks/v", `{"location":"local","properties":{"addressSpace":{"addressPrefixes":["10.0.0.0/16"]},"subnets":[{"name":"s","properties":{"addressPrefix":"10.0.0.0/24"}},{"name":"t","properties":{"addressPrefix":"10.0.0.0/25"}}]}}`},
		{"a child without a name", "InvalidRequestFormat", net + "virtualNetworks/v", `{"location":"local","properties":{"addressSpace":{"addressPrefixes":["10.0.0.0/16"]},"subnets":[{"properties":{"addressPrefix":"10.0.0.0/24"}}]}}`},
		{"children of one name", "DuplicateResourceName", net + "virtualNetworks/v", `{"location":"local","properties":{"addressSpace":{"addressPrefixes":["10.0.0.0/16"]},"subnets":[{"name":"s","properties":{"addressPrefix":"10.0.0.0/24"}},{"name":"S","properties":{"addressPrefix":"10.0.1.0/24"}}]}}`},
		{"a rule of no priority", "SecurityRuleInvalidPriority", net + "networkSecurityGroups/n", `{"location":"local","properties":{"securityRules":[{"name":"r","properties":{"protocol":"*","sourceAddressPrefix":"*","destinationAddressPrefix":"*","sourcePortRange":"*","destinationPortRange":"*","access":"Allow","priority":9,"direction":"Inbound"}}]}}`},
		{"a disk of nothing", "NotFound", com + "disks/d", `{"location":"local","properties":{"creationData":{"createOption":"Copy","sourceResourceId":"` + com + `snapshots/none"}}}`},
		{"a disk of an image that is not there", "PlatformImageNotFound", com + "disks/d", `{"location":"local","properties":{"creationData":{"createOption":"FromImage","imageReference":{"id":"` + subscription + `/Providers/Microsoft.Compute/Locations/local/Publishers/P/ArtifactTypes/VMImage/Offers/O/Skus/S/Versions/1"}}}}`},
		{"a disk without a size", "InvalidParameter", com + "disks/d", `{"location":"local","properties":{"creationData":{"createOption":"Empty"}}}`},
		{"a machine without a disk", "InvalidParameter", com + "virtualMachines/v", `{"location":"local","properties":{}}`},
		{"a set of no kind", "InvalidParameter", com + "availabilitySets/a", `{"location":"local","sku":{"name":"Square"}}`},
		{"an account in capitals", "AccountNameInvalid", free + "/providers/Microsoft.Storage/storageAccounts/UPPER_case", `{"location":"local","kind":"StorageV2","sku":{"name":"Standard_LRS"}}`},
		{"a service of another name", "InvalidResourceName", ids["Microsoft.Storage/storageAccounts"] + "/blobServices/other", `{"properties":{}}`},
		{"a vault of another directory", "InvalidTenantId", free + "/providers/Microsoft.KeyVault/vaults/vault1", `{"location":"local","properties":{"tenantId":"5d1e4b0c-7a26-4e37-9d1c-00000000000f","sku":{"family":"A","name":"standard"},"accessPolicies":[]}}`},
		{"a vault with a wrong name", "VaultNameNotValid", free + "/providers/Microsoft.KeyVault/vaults/1", `{"location":"local","properties":{"tenantId":"` + inside.TenantID + `","sku":{"family":"A","name":"standard"},"accessPolicies":[]}}`},
		{"an assignment without a GUID", "InvalidRoleAssignmentId", role("owner"), `{"properties":{"roleDefinitionId":"x","principalId":"y"}}`},
		{"an assignment of no role", "RoleDefinitionDoesNotExist", role("5d1e4b0c-7a26-4e37-9d1c-00000000000f"), `{"properties":{"roleDefinitionId":"` + subscription + `/providers/Microsoft.Authorization/roleDefinitions/5d1e4b0c-7a26-4e37-9d1c-00000000000f","principalId":"y"}}`},
		{"a built-in role", "BuiltInRoleCannotBeModified", subscription + "/providers/Microsoft.Authorization/roleDefinitions/8e3af657-a8ff-443c-a75c-2fe8c4bcb635", `{"properties":{"roleName":"Owner","permissions":[{"actions":["*"]}],"assignableScopes":["` + subscription + `"]}}`},
		{"a link to nothing", "LinkTargetNotFound", free + "/providers/Microsoft.Resources/links/l", `{"properties":{"targetId":"` + free + `/providers/Microsoft.Compute/disks/none"}}`},
		{"a policy of nothing", "PolicyDefinitionNotFound", free + "/providers/Microsoft.Authorization/policyAssignments/a", `{"properties":{"policyDefinitionId":"/x"}}`},
		{"a deployment", "InvalidTemplate", free + "/providers/Microsoft.Resources/deployments/d", `{"location":"local","properties":{"mode":"Incremental"}}`},
		{"a subscription by its tenant", "SubscriptionNotAllowed", "/subscriptions/5d1e4b0c-7a26-4e37-9d1c-00000000000f", `{}`},
		{"records of another type", "BadRequest", ids["Microsoft.Network/dnsZones"] + "/A/x", `{"properties":{"TTL":5,"MXRecords":[]}}`},
		{"a plan without its quota", "QuotaNotFound", operator + "/resourceGroups/Plans-Offers/providers/Microsoft.Subscriptions.Admin/plans/p", `{"location":"local","properties":{"quotaIds":["/x"]}}`},
		{"an offer without its plan", "PlanNotFound", operator + "/resourceGroups/Plans-Offers/providers/Microsoft.Subscriptions.Admin/offers/o", `{"location":"local","properties":{"basePlanIds":["/x"]}}`},
		{"a subscription without its offer", "OfferNotFound", operator + "/providers/Microsoft.Subscriptions.Admin/subscriptions/5d1e4b0c-7a26-4e37-9d1c-00000000000e", `{"offerId":"/x","owner":"a@b","displayName":"n"}`},
		{"a subscription of another name", "SubscriptionIdMismatch", operator + "/providers/Microsoft.Subscriptions.Admin/subscriptions/5d1e4b0c-7a26-4e37-9d1c-00000000000e", `{"subscriptionId":"5d1e4b0c-7a26-4e37-9d1c-00000000000f"}`},
		{"a quota elsewhere", "LocationNotFound", operator + "/providers/Microsoft.Compute.Admin/locations/mars/quotas/q", `{}`},
		{"what only the stamp makes", "HttpResourceMethodNotAllowed", operator + "/providers/Microsoft.Network.Admin/adminVirtualNetworks/v", `{}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			endpoint, base := inventory.Tenant, w.s.TenantURL()
			if strings.HasPrefix(test.path, operator) {
				endpoint, base = inventory.Admin, w.s.AdminURL()
			}
			_, there := w.s.Get(endpoint, test.path)
			version := versionOf(typeOf(test.path))
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, base+test.path+"?api-version="+version, strings.NewReader(test.body))
			require.NoError(t, err)
			r.Header.Set("Authorization", "Bearer "+w.token(base, conformance.Manager))
			response, err := w.http.Do(r)
			require.NoError(t, err)
			defer response.Body.Close()
			var answer bytes.Buffer
			_, err = answer.ReadFrom(response.Body)
			require.NoError(t, err)
			require.GreaterOrEqual(t, response.StatusCode, 400)
			require.Contains(t, answer.String(), `"code":"`+test.code+`"`, "%d", response.StatusCode)
			_, problems, err := w.spec.Check(conformance.Manager, http.MethodPut, test.path, version, response.StatusCode, answer.Bytes())
			if err == nil {
				require.Empty(t, problems)
			}
			_, after := w.s.Get(endpoint, test.path)
			require.Equal(t, there, after, "nothing stays of what is refused")
		})
	}
}

// typeOf is the type of an ID, as versionOf wants it.
func typeOf(id string) string {
	at := strings.LastIndex(id, "/providers/")
	if at < 0 {
		if strings.Contains(id, "/resourceGroups/") {
			return "Microsoft.Resources/resourceGroups"
		}
		return "subscription"
	}
	parts := strings.Split(id[at+len("/providers/"):], "/")
	typ := parts[0]
	for i := 1; i < len(parts); i += 2 {
		typ += "/" + parts[i]
	}
	return typ
}
