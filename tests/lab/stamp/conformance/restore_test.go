package conformance_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/tests/lab/stamp"
	"infrabackup/tests/lab/stamp/conformance"
	"infrabackup/tests/lab/stamp/definition"
	"infrabackup/tests/lab/stamp/inventory"
	"infrabackup/tests/spec"
)

// order is in what order a stamp can be filled; what a row does not name is no resource
// that can be put.
var order = strings.Fields(`
	Microsoft.Resources/resourceGroups Microsoft.Subscriptions.Admin/directoryTenants Microsoft.Compute.Admin/locations/artifactTypes/platformImage Microsoft.Compute.Admin/locations/artifactTypes/VMExtension
	Microsoft.Storage.Admin/locations/settings Microsoft.Compute.Admin/locations/quotas Microsoft.Network.Admin/locations/quotas Microsoft.Storage.Admin/locations/quotas
	Microsoft.Subscriptions.Admin/locations Microsoft.Subscriptions.Admin/plans Microsoft.Subscriptions.Admin/offers Microsoft.Subscriptions.Admin/subscriptions
	Microsoft.Subscriptions.Admin/subscriptions/acquiredPlans Microsoft.Subscriptions.Admin/offers/offerDelegations
	Microsoft.Resources/resourceGroups Microsoft.Authorization/roleDefinitions Microsoft.Authorization/policyDefinitions Microsoft.KeyVault/vaults Microsoft.Storage/storageAccounts
	Microsoft.Storage/storageAccounts/blobServices Microsoft.Storage/storageAccounts/queueServices Microsoft.Storage/storageAccounts/tableServices Microsoft.Storage/storageAccounts/blobServices/containers
	Microsoft.Network/networkSecurityGroups Microsoft.Network/networkSecurityGroups/securityRules Microsoft.Network/routeTables Microsoft.Network/routeTables/routes
	Microsoft.Network/publicIPAddresses Microsoft.Network/virtualNetworks Microsoft.Network/virtualNetworks/subnets Microsoft.Network/virtualNetworks/virtualNetworkPeerings Microsoft.Network/loadBalancers Microsoft.Network/networkInterfaces
	Microsoft.Network/virtualNetworkGateways Microsoft.Network/localNetworkGateways Microsoft.Network/connections
	Microsoft.Network/dnsZones Microsoft.Network/dnsZones/SOA Microsoft.Network/dnsZones/NS Microsoft.Network/dnsZones/A Microsoft.Network/dnsZones/MX Microsoft.Network/dnsZones/TXT Microsoft.Network/dnsZones/CNAME
	Microsoft.Compute/availabilitySets Microsoft.Compute/disks Microsoft.Compute/snapshots Microsoft.Compute/disks Microsoft.Compute/images Microsoft.Compute/galleries Microsoft.Compute/virtualMachines
	Microsoft.Compute/virtualMachines/extensions Microsoft.Compute/virtualMachineScaleSets Microsoft.Compute/virtualMachineScaleSets/extensions Contoso.Widgets/gadgets
	Microsoft.Authorization/roleAssignments Microsoft.Resources/links Microsoft.Authorization/policyAssignments Microsoft.Authorization/locks`)

// kept are the types of which nothing can be put, and why.
var kept = map[string]string{
	"Microsoft.Resources/subscriptions":                         "made by the operator's PUT",
	"Microsoft.Resources/deployments":                           "history",
	"Microsoft.KeyVault.Admin/locations/quotas":                 "the definition has no PUT",
	"Microsoft.Subscriptions.Admin/locations/quotas":            "the definition has no PUT",
	"Microsoft.Subscriptions.Admin/delegatedProviders":          "the definition has no PUT",
	"Microsoft.Subscriptions.Admin/delegatedProviders/offers":   "the definition has no PUT",
	"Microsoft.Subscriptions.Admin/manifests":                   "the stamp's own",
	"Microsoft.Compute.Admin/locations/disks":                   "the operator's view of what tenants have",
	"Microsoft.Network.Admin/adminOverview":                     "the operator's view of what tenants have",
	"Microsoft.Network.Admin/adminVirtualNetworks":              "the operator's view of what tenants have",
	"Microsoft.Network.Admin/adminPublicIpAddresses":            "the operator's view of what tenants have",
	"Microsoft.Network.Admin/adminLoadBalancers":                "the operator's view of what tenants have",
	"Microsoft.Storage.Admin/locations/acquisitions":            "the operator's view of what tenants have",
	"Microsoft.Storage.Admin/storageServices":                   "the stamp's own",
	"Microsoft.Storage.Admin/locations/storageAccounts":         "the operator's view of what tenants have",
	"Microsoft.Update.Admin/updateLocations":                    "the stamp's own",
	"Microsoft.Update.Admin/updateLocations/updates":            "the stamp's own",
	"Microsoft.Update.Admin/updateLocations/updates/updateRuns": "the stamp's own",
}

// owned are members that the definitions let a client write and that are the service's.
var owned = []string{"etag", "provisioningState", "resourceGuid", "macAddress", "vaultUri", "defaultSecurityRules", "appliedDnsServers", "internalDomainNameSuffix", "fqdn", "hostedWorkloads",
	"peeringState", "remoteAddressSpace", "managedBy", "diskState", "timeCreated", "subscriptionCount", "connectionStatus", "ingressBytesTransferred", "egressBytesTransferred",
	"acquisitionTime", "lastEnabledTime", "instanceView", "virtualMachine", "virtualMachines", "ipConfiguration", "ipAddress"}

// cleared takes away what is the service's: from a body, and IDs of what lies below it.
func cleared(v any, id string) any {
	switch v := v.(type) {
	case map[string]any:
		if v["privateIPAllocationMethod"] == "Dynamic" {
			delete(v, "privateIPAddress")
		}
		for name, inner := range v {
			own, _ := inner.(string)
			if slices.Contains(owned, name) || name == "id" && strings.HasPrefix(strings.ToLower(own), strings.ToLower(id)) && !strings.HasSuffix(own, "-kept") && v["properties"] != nil {
				delete(v, name)
				continue
			}
			v[name] = cleared(inner, id)
		}
	case []any:
		for i := range v {
			v[i] = cleared(v[i], id)
		}
	}
	return v
}

func parsed(t *testing.T, raw []byte) map[string]any {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var v map[string]any
	require.NoError(t, decoder.Decode(&v), string(raw))
	return v
}

// projection lists what was sent and is not in the answer; the case of strings that are
// IDs does not matter.
func projection(sent, got any, at string) []string {
	switch sent := sent.(type) {
	case map[string]any:
		got, ok := got.(map[string]any)
		if !ok {
			return []string{at + " is gone"}
		}
		var out []string
		for name, v := range sent {
			out = append(out, projection(v, got[name], at+"."+name)...)
		}
		return out
	case []any:
		got, ok := got.([]any)
		if !ok || len(got) != len(sent) {
			return []string{fmt.Sprintf("%s is %v, sent %v", at, got, sent)}
		}
		var out []string
		for i, v := range sent {
			out = append(out, projection(v, got[i], at+"[]")...)
		}
		return out
	case string:
		if got, ok := got.(string); ok && (got == sent || strings.HasPrefix(sent, "/") && strings.EqualFold(got, sent)) {
			return nil
		}
	default:
		if sent == got {
			return nil
		}
	}
	return []string{fmt.Sprintf("%s is %v, sent %v", at, got, sent)}
}

// request sends a body and holds the answer against its definition.
func (w *walker) request(method string, endpoint inventory.Endpoint, path, version string, body any) (*http.Response, []byte) {
	base := w.s.TenantURL()
	if endpoint == inventory.Admin {
		base = w.s.AdminURL()
	}
	raw := []byte{}
	if body != nil {
		var err error
		raw, err = json.Marshal(body)
		require.NoError(w.t, err)
	}
	r, err := http.NewRequestWithContext(w.t.Context(), method, base+(&url.URL{Path: path}).EscapedPath()+"?api-version="+version, bytes.NewReader(raw))
	require.NoError(w.t, err)
	r.Header.Set("Authorization", "Bearer "+w.token(base, conformance.Manager))
	response, err := w.http.Do(r)
	require.NoError(w.t, err)
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	require.NoError(w.t, err)
	if _, problems, err := w.spec.Check(conformance.Manager, method, path, version, response.StatusCode, answer); err == nil {
		w.answers++
		for _, p := range problems {
			w.note(p.String(), fmt.Sprintf("%s %s: %d %s", method, path, response.StatusCode, answer))
		}
	}
	return response, answer
}

// working is the state of what is not ready.
var working = regexp.MustCompile(`"provisioningState":"(Updating|Creating)"`)

// settled asks for a resource until it is ready.
func (w *walker) settled(endpoint inventory.Endpoint, path, version string) []byte {
	for range 3 {
		r, body := w.request(http.MethodGet, endpoint, path, version, nil)
		if r.StatusCode != http.StatusOK || !working.Match(body) {
			return body
		}
	}
	w.t.Fatalf("%s never gets ready", path)
	return nil
}

// versionOf is an api-version of a type that the stamp offers.
func versionOf(typ string) string {
	for prefix, version := range map[string]string{
		"Microsoft.Resources/resourceGroups": "2019-10-01", "Microsoft.Resources/deployments": "2019-10-01", "subscription": "2016-06-01", "Microsoft.Resources/links": "2016-09-01", "Microsoft.Authorization/role": "2015-07-01", "Microsoft.Authorization/locks": "2016-09-01",
		"Microsoft.Authorization/policy": "2016-12-01", "Microsoft.Compute/": "2020-06-01", "Microsoft.Compute/disks": "2019-07-01", "Microsoft.Compute/snapshots": "2019-07-01", "Microsoft.Compute/galleries": "2019-07-01",
		"Microsoft.Network/": "2018-11-01", "Microsoft.Network/dnsZones": "2016-04-01", "Microsoft.Storage/": "2019-06-01", "Microsoft.KeyVault/": "2019-09-01", "Contoso.Widgets/": "2020-01-01",
		"Microsoft.Subscriptions.Admin/": "2015-11-01", "Microsoft.Compute.Admin/locations/quotas": "2018-02-09", "Microsoft.Compute.Admin/locations/artifactTypes": "2015-12-01-preview",
		"Microsoft.Network.Admin/": "2015-06-15", "Microsoft.Storage.Admin/": "2019-08-08-preview",
	} {
		if strings.HasPrefix(typ, prefix) && !longer(typ, prefix) {
			return version
		}
	}
	return ""
}

// longer says whether a more exact row of versionOf names the type.
func longer(typ, prefix string) bool {
	for _, exact := range []string{"Microsoft.Compute/disks", "Microsoft.Compute/snapshots", "Microsoft.Compute/galleries", "Microsoft.Network/dnsZones"} {
		if strings.HasPrefix(typ, exact) && len(prefix) < len(exact) {
			return true
		}
	}
	return false
}

// attaching makes of a virtual machine what can be put: its disks are there.
func attaching(body map[string]any) {
	properties := body["properties"].(map[string]any)
	delete(properties, "osProfile")
	storage := properties["storageProfile"].(map[string]any)
	delete(storage, "imageReference")
	disk := storage["osDisk"].(map[string]any)
	disk["createOption"] = "Attach"
	delete(disk, "name")
	disks, _ := storage["dataDisks"].([]any)
	for _, d := range append(disks, disk) {
		d := d.(map[string]any)
		delete(d, "diskSizeGB")
		if managed, ok := d["managedDisk"].(map[string]any); ok {
			delete(managed, "storageAccountType")
		}
	}
}

// TestEveryDocumentCanBePutAgain fills an empty stamp of another region with what
// another one holds, in the order in which things need each other, and finds
// all of it there.
func TestEveryDocumentCanBePutAgain(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	from, err := inventory.Generate(inventory.Options{Seed: 11, Resources: 1200, Domain: "local.azurestack.test", Now: now})
	require.NoError(t, err)
	to, err := inventory.Empty(inventory.Options{Seed: 12, Domain: "north.second.test", Region: "north", Now: now})
	require.NoError(t, err)
	w := newWalkerOf(t, stamp.Options{Contents: to, Domain: "north.second.test", Versions: stamp.UncommonTypes(), Now: func() time.Time { return now }})
	definitions, err := definition.Load(spec.Definitions, spec.Written)
	require.NoError(t, err)
	documents := from.Moved("local.azurestack.test", "local", to, "north.second.test", "north")
	byType := map[string][]inventory.Document{}
	for _, d := range documents {
		byType[d.Type] = append(byType[d.Type], d)
		require.True(t, kept[d.Type] != "" || slices.Contains(order, d.Type), "%s is neither put nor left out", d.Type)
	}
	put, twice := 0, 0
	for at, typ := range order {
		// The operator's groups come first, the tenants' after their subscriptions.
		if typ == "Microsoft.Resources/resourceGroups" {
			byType[typ] = slices.DeleteFunc(slices.Clone(documents), func(d inventory.Document) bool {
				return d.Type != typ || (d.Endpoint == inventory.Admin) != (at == 0)
			})
		}
		// Disks and snapshots are made of each other.
		if typ == "Microsoft.Compute/disks" {
			late := slices.Index(order, "Microsoft.Compute/snapshots") < at
			byType[typ] = slices.DeleteFunc(slices.Clone(documents), func(d inventory.Document) bool {
				return d.Type != typ || bytes.Contains(bytes.ToLower(d.Body), []byte("/snapshots/")) != late
			})
		}
		for _, d := range byType[typ] {
			id := d.ID
			body := cleared(parsed(t, d.Body), id).(map[string]any)
			parts := strings.Split(strings.TrimPrefix(id[strings.LastIndex(id, "/providers/")+1:], "providers/"), "/")
			lower := strings.ToLower(parts[0])
			for i := 1; i < len(parts); i += 2 {
				lower += "/" + strings.ToLower(parts[i])
			}
			if typ == "Microsoft.Resources/resourceGroups" {
				lower = strings.ToLower(typ)
			}
			if strings.HasPrefix(lower, "microsoft.network/dnszones/") {
				lower = "microsoft.network/dnszones/{}"
			}
			if o := definitions.Find(http.MethodPut, lower, versionOf(typ)); o != nil && o.Body != nil {
				cleaned, problems := o.Body.Clean(body)
				require.Empty(t, problems, "%s: %s", id, d.Body)
				body = cleaned.(map[string]any)
			}
			switch typ {
			case "Microsoft.Authorization/roleDefinitions":
				if strings.Contains(string(d.Body), "BuiltInRole") {
					continue
				}
			case "Microsoft.Subscriptions.Admin/subscriptions":
				if strings.HasSuffix(id, to.ProviderSubscription) {
					continue
				}
			case "Microsoft.Resources/resourceGroups":
				if d.Endpoint == inventory.Tenant {
					register(w, strings.Split(id, "/")[2])
				}
			case "Microsoft.Compute/virtualMachines":
				attaching(body)
			case "Microsoft.Network/virtualNetworks":
				delete(body["properties"].(map[string]any), "virtualNetworkPeerings")
			}
			r, answer := w.request(http.MethodPut, d.Endpoint, id, versionOf(typ), body)
			if r.StatusCode == http.StatusConflict && bytes.Contains(answer, []byte("RoleAssignmentExists")) {
				twice++ // of a pair that older services allowed
				continue
			}
			require.Contains(t, []int{200, 201, 202}, r.StatusCode, "%s %s\n%s\n%s", typ, id, mustJSON(t, body), answer)
			put++
			w.settled(d.Endpoint, id, versionOf(typ))
		}
		// A resource that came later may have changed what was put before: back references
		// only, so that everything that was sent is still there.
		for _, d := range byType[typ] {
			if typ == "Microsoft.Authorization/roleAssignments" || strings.HasSuffix(d.ID, "/subscriptions/"+to.ProviderSubscription) {
				continue
			}
			got := w.settled(d.Endpoint, d.ID, versionOf(typ))
			sent := cleared(parsed(t, d.Body), d.ID).(map[string]any)
			for _, gap := range projection(compared(typ, sent), parsed(t, got), "") {
				w.note(typ+gap, d.ID)
			}
		}
	}
	t.Logf("%d documents put, %d answers checked", put, w.answers)
	require.Equal(t, 1, twice)
	require.Greater(t, put, 1000)
	report(t, w.problems)
}

// compared leaves out of a document what a new stamp gives otherwise.
func compared(typ string, body map[string]any) map[string]any {
	properties, _ := body["properties"].(map[string]any)
	for _, name := range []string{"id", "name", "type"} {
		delete(body, name)
	}
	switch typ {
	case "Microsoft.Compute/virtualMachines":
		attaching(body)
		delete(properties, "vmId")
	case "Microsoft.Compute/disks", "Microsoft.Compute/snapshots":
		delete(properties, "uniqueId")
	case "Microsoft.Compute/virtualMachineScaleSets":
		delete(properties, "uniqueId")
	case "Microsoft.Network/virtualNetworks":
		delete(properties, "virtualNetworkPeerings")
	case "Microsoft.Network/dnsZones":
		delete(properties, "numberOfRecordSets")
	case "Microsoft.Storage/storageAccounts":
		delete(properties, "creationTime")
	case "Microsoft.Storage/storageAccounts/blobServices/containers":
		delete(properties, "lastModifiedTime")
	}
	return body
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	require.NoError(t, err)
	return string(raw)
}

// registered are subscriptions whose providers are registered.
func register(w *walker, subscription string) {
	if w.listed["registered "+subscription] {
		return
	}
	w.listed["registered "+subscription] = true
	for _, namespace := range []string{"Microsoft.Compute", "Microsoft.Network", "Microsoft.Storage", "Microsoft.KeyVault", "Contoso.Widgets"} {
		for range 2 {
			r, body := w.request(http.MethodPost, inventory.Tenant, "/subscriptions/"+subscription+"/providers/"+namespace+"/register", "2019-10-01", nil)
			require.Equal(w.t, http.StatusOK, r.StatusCode, string(body))
		}
		_, _ = w.request(http.MethodGet, inventory.Tenant, "/subscriptions/"+subscription+"/providers/"+namespace, "2019-10-01", nil) // the first look finds it at work
		_, body := w.request(http.MethodGet, inventory.Tenant, "/subscriptions/"+subscription+"/providers/"+namespace, "2019-10-01", nil)
		require.Contains(w.t, string(body), `"registrationState":"Registered"`)
	}
}
