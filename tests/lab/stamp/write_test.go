package stamp_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/tests/lab/stamp"
	"infrabackup/tests/lab/stamp/inventory"
)

func TestWriting(t *testing.T) {
	t.Parallel()
	s := start(t, stamp.Options{Contents: &inventory.Stamp{Documents: base()}})
	c := newCaller(t, s)
	send := func(method, path, body string, headers ...string) *reply {
		r, err := c.do(method, s.TenantURL()+path, body, headers...)
		require.NoError(t, err)
		return r
	}
	vm := subscription + "/resourceGroups/RG/providers/Microsoft.Compute/virtualMachines/New"
	api := "?api-version=2020-06-01"
	r := send(http.MethodPut, vm+api, `{"location":"local","properties":{"osProfile":{"adminUsername":"me","adminPassword":"hidden"},"big":12345678901234567890}}`)
	require.Equal(t, 201, r.StatusCode)
	require.NotContains(t, string(r.body), "hidden")
	require.Contains(t, string(r.body), "12345678901234567890", "numbers stay as they are")
	require.Contains(t, string(r.body), `"provisioningState":"Succeeded"`)
	d, ok := s.Get(inventory.Tenant, vm)
	require.True(t, ok)
	require.Equal(t, map[string]string{"properties.osProfile.adminPassword": "hidden"}, d.WriteOnly)
	require.Equal(t, "Microsoft.Compute/virtualMachines", d.Type)
	operation := r.Header.Get("Azure-AsyncOperation")
	require.Equal(t, "InProgress", c.get(operation).json(t)["status"])
	require.Equal(t, "Succeeded", c.get(operation).json(t)["status"])

	require.Equal(t, 412, send(http.MethodPut, vm+api, `{}`, "If-None-Match", "*").StatusCode)
	r = send(http.MethodPatch, vm+api, `{"tags":{"a":"b"},"properties":{"big":null}}`)
	require.Equal(t, 200, r.StatusCode)
	require.NotContains(t, string(r.body), "big")
	require.Contains(t, string(r.body), `"adminUsername":"me"`)
	require.Equal(t, 400, send(http.MethodPut, vm+api, `nonsense`).StatusCode)
	require.Equal(t, 201, send(http.MethodPut, vm+"/extensions/e"+api, `{"properties":{"protectedSettings":{"key":"hidden"}}}`).StatusCode)
	require.Equal(t, []string{"e"}, c.names(vm+"/extensions"+api))
	require.NotContains(t, string(c.get(vm+"/extensions/e"+api).body), "hidden")
	r = send(http.MethodDelete, vm+api, "")
	require.Equal(t, 202, r.StatusCode)
	require.NotEmpty(t, r.Header.Get("Azure-AsyncOperation"))
	require.Equal(t, 404, c.get(vm+api).StatusCode)
	require.Equal(t, 204, send(http.MethodDelete, vm+api, "").StatusCode)

	vnet := subscription + "/resourceGroups/RG/providers/Microsoft.Network/virtualNetworks/v?api-version=2018-11-01"
	require.Equal(t, 412, send(http.MethodPut, vnet, `{}`, "If-Match", "*").StatusCode)
	tag := send(http.MethodPut, vnet, `{"location":"local"}`).json(t)["etag"].(string)
	require.Equal(t, tag, c.get(vnet).Header.Get("ETag"))
	require.Equal(t, 412, send(http.MethodPut, vnet, `{}`, "If-Match", `W/"other"`).StatusCode)
	require.Equal(t, 200, send(http.MethodPut, vnet, `{}`, "If-Match", tag).StatusCode)

	connection := subscription + "/resourceGroups/RG/providers/Microsoft.Network/connections/c"
	require.Equal(t, 201, send(http.MethodPut, connection+"?api-version=2018-11-01", `{"properties":{"sharedKey":"hidden"}}`).StatusCode)
	require.NotContains(t, string(c.get(connection+"?api-version=2018-11-01").body), "hidden")
	require.Equal(t, "hidden", c.get(connection + "/sharedkey?api-version=2018-11-01").json(t)["value"])

	account := subscription + "/resourceGroups/RG/providers/Microsoft.Storage/storageAccounts/a"
	require.Equal(t, 201, send(http.MethodPut, account+"?api-version=2019-06-01", `{"location":"local"}`).StatusCode)
	require.Len(t, send(http.MethodPost, account+"/listKeys?api-version=2019-06-01", "").json(t)["keys"], 2)
	require.Equal(t, 405, send(http.MethodPost, account+"?api-version=2019-06-01", "").StatusCode)

	require.Equal(t, 201, send(http.MethodPut, subscription+"/resourceGroups/two?api-version=2019-10-01", `{"location":"local"}`).StatusCode)
	require.Equal(t, 204, send(http.MethodHead, subscription+"/resourceGroups/two?api-version=2019-10-01", "").StatusCode)
	require.Equal(t, 200, send(http.MethodDelete, subscription+"/resourceGroups/RG?api-version=2019-10-01", "").StatusCode)
	require.Equal(t, 404, c.get(account+"?api-version=2019-06-01").StatusCode)
	assignment := subscription + "/resourceGroups/two/providers/Microsoft.Authorization/roleAssignments/g"
	r = send(http.MethodPut, assignment+"?api-version=2015-07-01", `{"properties":{"principalId":"p"}}`)
	require.Equal(t, subscription+"/resourceGroups/two", r.json(t)["properties"].(map[string]any)["scope"])
}
