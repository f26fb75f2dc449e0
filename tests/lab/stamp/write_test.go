package stamp_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/tests/lab/stamp"
	"infrabackup/tests/lab/stamp/inventory"
)

const in = subscription + "/resourceGroups/RG/providers/"

// versions are an api-version of each provider.
var versions = map[string]string{
	"microsoft.network": "2018-11-01", "microsoft.compute": "2020-06-01", "microsoft.compute/disks": "2019-07-01", "microsoft.compute/snapshots": "2019-07-01", "microsoft.storage": "2019-06-01",
	"microsoft.keyvault": "2019-09-01", "microsoft.authorization/locks": "2016-09-01", "microsoft.authorization/roleassignments": "2015-07-01", "microsoft.authorization/roledefinitions": "2015-07-01",
	"microsoft.authorization/policydefinitions": "2016-12-01", "microsoft.authorization/policyassignments": "2016-12-01", "microsoft.subscriptions.admin": "2015-11-01", "microsoft.network/dnszones": "2016-04-01",
	"microsoft.compute.admin": "2018-02-09",
}

// writer sends changes.
type writer struct {
	*caller
	t *testing.T
}

// send sends a change with the right api-version; headers are pairs.
func (w *writer) send(method, path, body string, headers ...string) *reply {
	w.t.Helper()
	base := w.s.TenantURL()
	if strings.Contains(path, ".Admin/") {
		base = w.s.AdminURL()
	}
	r, err := w.do(method, base+path+version(path), body, headers...)
	require.NoError(w.t, err)
	return r
}

func version(path string) string {
	at := strings.LastIndex(strings.ToLower(path), "/providers/")
	if at < 0 || strings.HasSuffix(path, "register") {
		return "?api-version=2019-10-01"
	}
	parts := strings.Split(strings.ToLower(path[at+len("/providers/"):]), "/")
	for _, key := range []string{strings.Join(parts[:min(2, len(parts))], "/"), parts[0]} {
		if v := versions[key]; v != "" {
			return "?api-version=" + v
		}
	}
	return "?api-version=2019-10-01"
}

// done sends a change that is to be taken, and looks at its resource until it is ready.
func (w *writer) done(method, path, body string) *reply {
	w.t.Helper()
	r := w.send(method, path, body)
	require.Less(w.t, r.StatusCode, 300, "%s %s: %s", method, path, r.body)
	if method != http.MethodPost {
		w.send(http.MethodGet, path, "")
	}
	return r
}

// refused sends a change that is to be refused.
func (w *writer) refused(code, method, path, body string) {
	w.t.Helper()
	r := w.send(method, path, body)
	require.GreaterOrEqual(w.t, r.StatusCode, 400, "%s %s", method, path)
	require.Equal(w.t, code, r.code(w.t), "%s", r.body)
}

// read is a resource's body.
func (w *writer) read(path string) map[string]any {
	w.t.Helper()
	r := w.send(http.MethodGet, path, "")
	require.Equal(w.t, 200, r.StatusCode, "%s: %s", path, r.body)
	return r.json(w.t)
}

// clock is one that a test moves.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func newWriter(t *testing.T, more ...inventory.Document) (*writer, *clock) {
	c := &clock{time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)}
	s := start(t, stamp.Options{Contents: &inventory.Stamp{Documents: append(append(base(), document(inventory.Tenant, subscription+"/resourceGroups/rg2", "Microsoft.Resources/resourceGroups", `{"provisioningState":"Succeeded"}`)), more...)}, Now: c.now})
	return &writer{newCaller(t, s), t}, c
}

const (
	vnetBody = `{"location":"local","properties":{"addressSpace":{"addressPrefixes":["10.0.0.0/16"]},"subnets":[{"name":"a","properties":{"addressPrefix":"10.0.0.0/24"}},{"name":"b","properties":{"addressPrefix":"10.0.1.0/24"}}]}}`
	diskBody = `{"location":"local","properties":{"creationData":{"createOption":"Empty"},"diskSizeGB":32}}`
)

func nicBody(subnet string) string {
	return `{"location":"local","properties":{"ipConfigurations":[{"name":"one","properties":{"subnet":{"id":"` + in + "Microsoft.Network/virtualNetworks/v/subnets/" + subnet + `"}}}]}}`
}

func vmBody(nic, disk string) string {
	return `{"location":"local","properties":{"hardwareProfile":{"vmSize":"Standard_A1"},"storageProfile":{"osDisk":{"osType":"Linux","createOption":"Attach","managedDisk":{"id":"` + in + "Microsoft.Compute/disks/" + disk +
		`"}}},"networkProfile":{"networkInterfaces":[{"id":"` + in + "Microsoft.Network/networkInterfaces/" + nic + `"}]}}}`
}

func TestInlineChildrenAndCollectionsAreOneTruth(t *testing.T) {
	t.Parallel()
	w, _ := newWriter(t)
	vnet := in + "Microsoft.Network/virtualNetworks/v"
	w.done(http.MethodPut, vnet, vnetBody)
	require.Equal(t, []string{"a", "b"}, w.names(vnet+"/subnets?api-version=2018-11-01"))
	tag := w.read(vnet)["etag"]
	w.done(http.MethodPut, vnet+"/subnets/c", `{"properties":{"addressPrefix":"10.0.2.0/24"}}`)
	body := w.read(vnet)
	require.NotEqual(t, tag, body["etag"], "the parent's entity tag moves with its child")
	require.Len(t, body["properties"].(map[string]any)["subnets"], 3)
	w.done(http.MethodPut, in+"Microsoft.Network/networkInterfaces/n", nicBody("a"))
	nic := w.read(in + "Microsoft.Network/networkInterfaces/n")
	address := nic["properties"].(map[string]any)["ipConfigurations"].([]any)[0].(map[string]any)["properties"].(map[string]any)["privateIPAddress"]
	require.Equal(t, "10.0.0.4", address)
	require.Contains(t, string(w.send(http.MethodGet, vnet, "").body), "networkInterfaces/n/ipConfigurations/one", "the subnet shows its user")
	w.refused("InUseSubnetCannotBeDeleted", http.MethodPut, vnet, strings.Replace(vnetBody, `{"name":"a","properties":{"addressPrefix":"10.0.0.0/24"}},`, "", 1))
	w.refused("InUseSubnetCannotBeDeleted", http.MethodDelete, vnet+"/subnets/a", "")
	w.refused("InUseSubnetCannotBeDeleted", http.MethodDelete, vnet, "")
	w.done(http.MethodPut, vnet, vnetBody)
	require.Equal(t, []string{"a", "b"}, w.names(vnet+"/subnets?api-version=2018-11-01"), "what the body does not name is gone")
	require.Equal(t, 404, w.send(http.MethodGet, vnet+"/subnets/c", "").StatusCode)
	w.done(http.MethodDelete, vnet+"/subnets/b", "")
	require.Len(t, w.read(vnet)["properties"].(map[string]any)["subnets"], 1)
}

func TestMachines(t *testing.T) {
	t.Parallel()
	w, _ := newWriter(t)
	w.done(http.MethodPut, in+"Microsoft.Network/virtualNetworks/v", vnetBody)
	for _, name := range []string{"n", "m"} {
		w.done(http.MethodPut, in+"Microsoft.Network/networkInterfaces/"+name, nicBody("a"))
	}
	disk, vm, nic := in+"Microsoft.Compute/disks/d", in+"Microsoft.Compute/virtualMachines/VM", in+"Microsoft.Network/networkInterfaces/n"
	w.done(http.MethodPut, disk, diskBody)
	w.refused("InvalidParameter", http.MethodPut, vm, strings.Replace(vmBody("n", "d"), `"storageProfile"`, `"osProfile":{"computerName":"x"},"storageProfile"`, 1))
	w.refused("InvalidParameter", http.MethodPut, vm, strings.Replace(vmBody("n", "d"), `"osDisk"`, `"imageReference":{"publisher":"p","offer":"o","sku":"s","version":"latest"},"osDisk"`, 1))
	w.refused("NotFound", http.MethodPut, vm, vmBody("none", "d"))
	w.done(http.MethodPut, vm, vmBody("n", "d"))
	require.Equal(t, vm, w.read(disk)["managedBy"])
	require.Contains(t, string(w.send(http.MethodGet, nic, "").body), vm)
	w.refused("ConflictingUserInput", http.MethodPut, in+"Microsoft.Compute/virtualMachines/other", vmBody("m", "d"))
	w.done(http.MethodPut, in+"Microsoft.Compute/disks/e", diskBody)
	w.refused("NicInUse", http.MethodPut, in+"Microsoft.Compute/virtualMachines/other", vmBody("n", "e"))
	w.refused("PropertyChangeNotAllowed", http.MethodPut, vm, vmBody("n", "e"))
	w.refused("OperationNotAllowed", http.MethodDelete, disk, "")
	w.refused("NicInUse", http.MethodDelete, nic, "")
	w.done(http.MethodPut, vm+"/extensions/e", `{"location":"local","properties":{"publisher":"p","type":"t","typeHandlerVersion":"1.0","protectedSettings":{"key":"hidden"}}}`)
	require.NotContains(t, string(w.send(http.MethodGet, vm+"/extensions/e", "").body), "hidden")
	w.done(http.MethodDelete, vm, "")
	require.Equal(t, 404, w.send(http.MethodGet, vm+"/extensions/e", "").StatusCode)
	require.NotContains(t, w.read(disk), "managedBy", "disks and interfaces stay")
	require.NotContains(t, string(w.send(http.MethodGet, nic, "").body), "virtualMachine")
	w.done(http.MethodDelete, disk, "")
}

func TestLocksAndPolicies(t *testing.T) {
	t.Parallel()
	w, _ := newWriter(t)
	group := subscription + "/resourceGroups/RG"
	disk, lock := in+"Microsoft.Compute/disks/d", group+"/providers/Microsoft.Authorization/locks/l"
	w.done(http.MethodPut, disk, diskBody)
	w.done(http.MethodPut, lock, `{"properties":{"level":"CanNotDelete"}}`)
	w.refused("ScopeLocked", http.MethodDelete, disk, "")
	w.refused("ScopeLocked", http.MethodDelete, group, "")
	w.done(http.MethodPut, disk, diskBody)
	w.done(http.MethodPut, lock, `{"properties":{"level":"ReadOnly"}}`)
	w.refused("ScopeLocked", http.MethodPut, disk, diskBody)
	w.done(http.MethodDelete, lock, "")
	own := disk + "/providers/Microsoft.Authorization/locks/own"
	w.done(http.MethodPut, own, `{"properties":{"level":"CanNotDelete"}}`)
	w.refused("ScopeLocked", http.MethodDelete, group, "")
	w.done(http.MethodDelete, own, "")
	definition := subscription + "/providers/Microsoft.Authorization/policyDefinitions/p"
	w.done(http.MethodPut, definition, `{"properties":{"policyRule":{"if":{"field":"type","in":"[parameters('types')]"},"then":{"effect":"deny"}},"parameters":{"types":{"type":"Array"}}}}`)
	assignment := group + "/providers/Microsoft.Authorization/policyAssignments/a"
	w.refused("MissingPolicyParameter", http.MethodPut, assignment, `{"properties":{"policyDefinitionId":"`+definition+`"}}`)
	w.done(http.MethodPut, assignment, `{"properties":{"policyDefinitionId":"`+definition+`","parameters":{"types":{"value":["microsoft.compute/disks"]}}}}`)
	w.refused("RequestDisallowedByPolicy", http.MethodPut, disk, diskBody)
	w.done(http.MethodPut, in+"Microsoft.Network/virtualNetworks/v", vnetBody)
	w.done(http.MethodDelete, group, "")
	require.Equal(t, 404, w.send(http.MethodGet, disk, "").StatusCode)
}

func TestRolesAndPrincipals(t *testing.T) {
	t.Parallel()
	w, c := newWriter(t)
	role := subscription + "/providers/Microsoft.Authorization/roleDefinitions/11111111-1111-4111-8111-222222222222"
	at := func(n string) string {
		return subscription + "/providers/Microsoft.Authorization/roleAssignments/11111111-1111-4111-8111-33333333333" + n
	}
	body := `{"properties":{"roleName":"r","permissions":[{"actions":["*"]}],"assignableScopes":["` + subscription + `"]}}`
	assign := func(principal string) string {
		return `{"properties":{"roleDefinitionId":"` + role + `","principalId":"` + principal + `"}}`
	}
	w.refused("RoleDefinitionDoesNotExist", http.MethodPut, at("1"), assign("P"))
	require.Equal(t, 201, w.done(http.MethodPut, role, body).StatusCode)
	require.Equal(t, 201, w.done(http.MethodPut, role, body).StatusCode, "the definition knows no other status")
	require.Equal(t, 201, w.done(http.MethodPut, at("1"), assign("P")).StatusCode)
	require.Equal(t, 201, w.done(http.MethodPut, at("1"), assign("p")).StatusCode)
	w.refused("RoleAssignmentExists", http.MethodPut, at("2"), assign("P"))
	w.refused("RoleAssignmentUpdateNotPermitted", http.MethodPut, at("1"), assign("Q"))
	w.refused("RoleDefinitionHasAssignments", http.MethodDelete, role, "")
	w.refused("RoleDefinitionWithSameNameExists", http.MethodPut, strings.Replace(role, "2222222", "2222223", 1), body)
	w.s.AddPrincipals(time.Minute, "new")
	w.refused("PrincipalNotFound", http.MethodPut, at("3"), assign("P2"))
	w.refused("PrincipalNotFound", http.MethodPut, at("3"), assign("new"))
	c.at = c.at.Add(time.Minute)
	w.done(http.MethodPut, at("3"), assign("new"))
}

func TestLongRunningOperations(t *testing.T) {
	t.Parallel()
	w, c := newWriter(t)
	w.s.SetDelay(time.Minute)
	vnet := in + "Microsoft.Network/virtualNetworks/v"
	r := w.send(http.MethodPut, vnet, vnetBody)
	require.Equal(t, 201, r.StatusCode)
	require.Contains(t, string(r.body), `"provisioningState":"Updating"`)
	operation := r.Header.Get("Azure-AsyncOperation")
	require.Equal(t, "60", r.Header.Get("Retry-After"))
	require.Equal(t, "InProgress", w.get(operation).json(t)["status"])
	w.refused("AnotherOperationInProgress", http.MethodPut, vnet, vnetBody)
	w.refused("ReferencedResourceNotProvisioned", http.MethodPut, in+"Microsoft.Network/networkInterfaces/n", nicBody("a"))
	c.at = c.at.Add(time.Minute)
	require.Equal(t, "Succeeded", w.get(operation).json(t)["status"])
	require.Contains(t, string(w.send(http.MethodGet, vnet, "").body), `"provisioningState":"Succeeded"`)

	remove := w.s.Inject(stamp.Fault{Kind: stamp.FailedOperation, Inner: "AllocationFailed"})
	r = w.send(http.MethodPut, in+"Microsoft.Compute/disks/d", diskBody)
	require.Equal(t, 202, r.StatusCode, "disks are not answered 201")
	remove()
	operation = r.Header.Get("Azure-AsyncOperation")
	require.Equal(t, "InProgress", w.get(operation).json(t)["status"])
	c.at = c.at.Add(time.Minute)
	failed := w.get(operation).json(t)
	require.Equal(t, "Failed", failed["status"])
	require.Equal(t, "AllocationFailed", failed["error"].(map[string]any)["code"])
	require.Equal(t, "Failed", w.read(in + "Microsoft.Compute/disks/d")["properties"].(map[string]any)["provisioningState"])

	r = w.send(http.MethodDelete, vnet, "")
	require.Equal(t, 202, r.StatusCode)
	require.Contains(t, string(w.send(http.MethodGet, vnet, "").body), `"Deleting"`)
	c.at = c.at.Add(time.Minute)
	require.Equal(t, 404, w.send(http.MethodGet, vnet, "").StatusCode)
	require.Equal(t, 204, w.send(http.MethodDelete, vnet, "").StatusCode)
}

func TestConditionsOfTheTypesThatHaveThem(t *testing.T) {
	t.Parallel()
	w, _ := newWriter(t)
	vnet, disk := in+"Microsoft.Network/virtualNetworks/v", in+"Microsoft.Compute/disks/d"
	require.Equal(t, 412, w.send(http.MethodPut, vnet, vnetBody, "If-Match", "*").StatusCode)
	w.done(http.MethodPut, vnet, vnetBody)
	tag := w.read(vnet)["etag"].(string)
	require.Equal(t, 412, w.send(http.MethodPut, vnet, vnetBody, "If-None-Match", "*").StatusCode)
	require.Equal(t, 412, w.send(http.MethodPut, vnet, vnetBody, "If-Match", `W/"other"`).StatusCode)
	require.Equal(t, 200, w.send(http.MethodPut, vnet, vnetBody, "If-Match", tag).StatusCode)
	w.done(http.MethodPut, disk, diskBody)
	require.Equal(t, 200, w.send(http.MethodPut, disk, diskBody, "If-None-Match", "*").StatusCode, "compute looks at no condition")
}

func TestWritesAreRecorded(t *testing.T) {
	t.Parallel()
	w, _ := newWriter(t)
	disk := in + "Microsoft.Compute/disks/d"
	w.done(http.MethodPut, disk, diskBody)
	w.done(http.MethodPut, disk, diskBody)
	w.send(http.MethodPut, disk, `{}`)
	remove := w.s.Inject(stamp.Fault{Kind: stamp.LostAnswer, Match: func(r *http.Request) bool { return r.Method == http.MethodDelete }})
	_, err := w.do(http.MethodDelete, w.s.TenantURL()+disk+version(disk), "")
	require.Error(t, err)
	remove()
	require.Equal(t, 404, w.send(http.MethodGet, disk, "").StatusCode, "it was done all the same")
	all := w.s.Writes()
	require.Len(t, all, 4)
	require.Equal(t, all[0].Body, all[1].Body)
	require.Equal(t, []int{202, 200, 400, 202}, []int{all[0].Status, all[1].Status, all[2].Status, all[3].Status})
	require.Equal(t, "InvalidRequestContent", all[2].Code)
	require.True(t, all[3].Unheard)
	require.Equal(t, http.MethodDelete, all[3].Method)
}

func TestWriteOnlyMembers(t *testing.T) {
	t.Parallel()
	w, _ := newWriter(t)
	account := in + "Microsoft.Storage/storageAccounts/account1"
	w.done(http.MethodPut, account, `{"location":"local","kind":"StorageV2","sku":{"name":"Standard_LRS"}}`)
	keys := string(w.send(http.MethodPost, account+"/listKeys", "").body)
	w.refused("StorageAccountAlreadyTaken", http.MethodPut, strings.Replace(account, "RG", "rg2", 1), `{"location":"local","kind":"StorageV2","sku":{"name":"Standard_LRS"}}`)
	w.done(http.MethodDelete, account, "")
	w.done(http.MethodPut, account, `{"location":"local","kind":"StorageV2","sku":{"name":"Standard_LRS"}}`)
	require.NotEqual(t, keys, string(w.send(http.MethodPost, account+"/listKeys", "").body), "keys are new")
	require.Equal(t, 405, w.send(http.MethodPost, account, "").StatusCode)
	var free struct{ NameAvailable bool }
	r := w.send(http.MethodPost, subscription+"/providers/Microsoft.Storage/checkNameAvailability", `{"name":"account1","type":"Microsoft.Storage/storageAccounts"}`)
	require.NoError(t, json.Unmarshal(r.body, &free))
	require.False(t, free.NameAvailable)
}
