package stamp_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/tests/lab/stamp"
	"infrabackup/tests/lab/stamp/inventory"
)

const vaultAPI = "?api-version=2016-10-01"

// secret makes one with a value for each version, v1, v2 and so on.
func secret(vault, name string, values ...string) inventory.VaultObject {
	o := inventory.VaultObject{Vault: vault, Kind: "secrets", Name: name}
	for i, value := range values {
		version := fmt.Sprintf("v%d", i+1)
		body := fmt.Sprintf(`{"value":%q,"id":"https://%s.vault.local.azurestack.test/secrets/%s/%s","contentType":"text","attributes":{"enabled":true}}`, value, vault, name, version)
		o.Versions = append(o.Versions, inventory.VaultVersion{Version: version, Body: json.RawMessage(body), Enabled: true, Exportable: true})
	}
	return o
}

func withVault(t *testing.T, properties string, objects ...inventory.VaultObject) (*stamp.Stamp, *caller, string) {
	t.Helper()
	vault := document(inventory.Tenant, subscription+"/resourceGroups/RG/providers/Microsoft.KeyVault/vaults/KV", "Microsoft.KeyVault/vaults", properties)
	s := start(t, stamp.Options{Contents: &inventory.Stamp{Documents: append(base(), vault), VaultObjects: objects}})
	return s, newCaller(t, s), s.VaultURL("kv")
}

func TestVaultChallenge(t *testing.T) {
	t.Parallel()
	s, c, url := withVault(t, `{}`)
	resource := strings.Replace(c.audience(s.TenantURL()), "//management.", "//vault.", 1)
	for _, bearer := range []string{"", "Bearer nonsense", "Bearer " + c.token(c.audience(s.TenantURL()))} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/secrets"+vaultAPI, nil)
		require.NoError(t, err)
		req.Header.Set("Authorization", bearer)
		resp, err := c.http.Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.StatusUnauthorized, resp.StatusCode)
		require.Equal(t, `Bearer authorization="`+s.AuthorityURL()+`adfs", resource="`+resource+`"`, resp.Header.Get("WWW-Authenticate"))
	}
	require.Equal(t, http.StatusOK, c.get(url+"/secrets"+vaultAPI).StatusCode)
	require.Equal(t, http.StatusNotFound, c.get(s.VaultURL("other")+"/secrets"+vaultAPI).StatusCode)
	require.Equal(t, http.StatusBadRequest, c.get(url+"/secrets?api-version=7.0").StatusCode)
}

func TestSecretsOfEveryKind(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	o := secret("kv", "Many", "one", "two", "three", "four")
	o.Versions[0].Enabled = false
	o.Versions[1].Expires = now.Unix()
	o.Versions[2].NotBefore = now.Add(time.Hour).Unix()
	managed := secret("kv", "managed", "pfx")
	managed.Managed = true
	vault := document(inventory.Tenant, subscription+"/resourceGroups/RG/providers/Microsoft.KeyVault/vaults/kv", "", `{}`)
	s := start(t, stamp.Options{Contents: &inventory.Stamp{Documents: append(base(), vault), VaultObjects: []inventory.VaultObject{o, managed}}, Now: func() time.Time { return now }})
	c := newCaller(t, s)
	url := s.VaultURL("kv")
	for path, status := range map[string]int{
		"/secrets/many/v1": 403, "/secrets/many/v2": 403, "/secrets/many/v3": 403, "/secrets/many/v4": 200, "/secrets/many": 200, "/secrets/many/": 200, "/secrets/MANY/V4": 200,
		"/secrets/many/v5": 404, "/secrets/none": 404, "/secrets/none/versions": 200,
	} {
		require.Equal(t, status, c.get(url+path+vaultAPI).StatusCode, path)
	}
	disabled := c.get(url + "/secrets/many/v1" + vaultAPI)
	require.Equal(t, "Forbidden", disabled.code(t))
	require.Contains(t, string(disabled.body), "disabled")
	newest := c.get(url + "/secrets/many" + vaultAPI).json(t)
	require.Equal(t, "four", newest["value"])
	require.Equal(t, url+"/secrets/Many/v4", newest["id"], "the port was added")

	items := c.pages(url + "/secrets" + vaultAPI)[0]
	require.Len(t, items, 2)
	require.Equal(t, map[string]any{"id": url + "/secrets/Many", "contentType": "text", "attributes": map[string]any{"enabled": true}}, items[1], "no value, no version")
	last := c.get(url + "/secrets/many/versions" + vaultAPI).json(t)
	require.Len(t, last["value"], 4)
	require.Contains(t, last, "nextLink")
	require.Nil(t, last["nextLink"])

	post := func(path, body string) *reply {
		r, err := c.do(http.MethodPost, url+path+vaultAPI, body)
		require.NoError(t, err)
		return r
	}
	require.Equal(t, 403, post("/secrets/managed/backup", "").StatusCode)
	require.Equal(t, 404, post("/certificates/many/backup", "").StatusCode)
	first := post("/secrets/many/backup", "")
	require.Equal(t, 200, first.StatusCode)
	require.Equal(t, first.body, post("/secrets/many/backup", "").body, "unchanged, so the same")
	require.NotContains(t, string(first.body), "four")

	require.Equal(t, 409, post("/secrets/restore", string(first.body)).StatusCode)
	require.True(t, s.DeleteVaultObject("KV", "secrets", "many"))
	require.False(t, s.DeleteVaultObject("KV", "secrets", "many"))
	require.Equal(t, 200, post("/secrets/restore", string(first.body)).StatusCode)
	require.Equal(t, first.body, post("/secrets/many/backup", "").body, "all versions are back")
	o.Versions[3].Body = json.RawMessage(strings.Replace(string(o.Versions[3].Body), "four", "five", 1))
	s.PutVaultObject(o)
	require.NotEqual(t, first.body, post("/secrets/many/backup", "").body)
	for _, forged := range []string{`{"value":"AAAA"}`, `{"value":"` + strings.Repeat("A", 100) + `"}`, `nonsense`} {
		require.Equal(t, 400, post("/secrets/restore", forged).StatusCode)
	}
}

func TestVaultPagesAndOtherKinds(t *testing.T) {
	t.Parallel()
	var objects []inventory.VaultObject
	for i := range 60 {
		objects = append(objects, secret("kv", fmt.Sprintf("secret-%02d", i), "value"))
	}
	objects = append(objects,
		inventory.VaultObject{Vault: "kv", Kind: "keys", Name: "k", Versions: []inventory.VaultVersion{{Version: "v1", Body: json.RawMessage(`{"key":{"kid":"https://kv.vault.local.azurestack.test/keys/k/v1","kty":"RSA"},"attributes":{"enabled":false}}`)}}},
		inventory.VaultObject{Vault: "kv", Kind: "certificates", Name: "c", Policy: json.RawMessage(`{"id":"p"}`), Versions: []inventory.VaultVersion{
			{Version: "v1", Body: json.RawMessage(`{"id":"https://kv.vault.local.azurestack.test/certificates/c/v1","kid":"x","sid":"y","x5t":"t","cer":"AA==","attributes":{"enabled":true}}`)}}})
	s, c, url := withVault(t, `{"enableSoftDelete":true}`, objects...)
	pages := c.pages(url + "/secrets" + vaultAPI)
	require.Len(t, pages, 3)
	require.Len(t, pages[0], 25)
	require.Len(t, c.pages(url + "/secrets" + vaultAPI + "&maxresults=10")[0], 10)
	require.Equal(t, 400, c.get(url+"/secrets"+vaultAPI+"&maxresults=26").StatusCode)
	require.Equal(t, []map[string]any{{"kid": url + "/keys/k", "attributes": map[string]any{"enabled": false}}}, c.pages(url + "/keys" + vaultAPI)[0])
	require.Equal(t, 200, c.get(url+"/keys/k/v1"+vaultAPI).StatusCode, "the public half of a disabled key")
	require.Equal(t, []map[string]any{{"id": url + "/certificates/c", "x5t": "t", "attributes": map[string]any{"enabled": true}}}, c.pages(url + "/certificates" + vaultAPI)[0])
	require.Equal(t, `{"id":"p"}`, string(c.get(url+"/certificates/c/policy"+vaultAPI).body))
	require.Empty(t, c.pages(url + "/certificates/issuers" + vaultAPI)[0])
	require.Equal(t, 404, c.get(url+"/certificates/contacts"+vaultAPI).StatusCode)
	s.PutVaultObject(inventory.VaultObject{Vault: "kv", Kind: "issuers", Name: "i", Versions: []inventory.VaultVersion{{Body: json.RawMessage(`{"id":"issuer","provider":"Test","credentials":{}}`)}}})
	require.Equal(t, []map[string]any{{"id": "issuer", "provider": "Test"}}, c.pages(url + "/certificates/issuers" + vaultAPI)[0])

	r, err := c.do(http.MethodDelete, url+"/secrets/secret-07"+vaultAPI, "")
	require.NoError(t, err)
	require.Equal(t, 200, r.StatusCode)
	require.Equal(t, 404, c.get(url+"/secrets/secret-07"+vaultAPI).StatusCode)
	gone := c.pages(url + "/deletedsecrets" + vaultAPI)[0]
	require.Len(t, gone, 1)
	require.Equal(t, url+"/deletedsecrets/secret-07", gone[0]["recoveryId"])
	require.NotContains(t, c.get(url+"/deletedsecrets/secret-07"+vaultAPI).json(t), "value")
	r, err = c.do(http.MethodPost, url+"/deletedsecrets/secret-07/recover"+vaultAPI, "")
	require.NoError(t, err)
	require.Equal(t, 200, r.StatusCode)
	require.Equal(t, 200, c.get(url+"/secrets/secret-07"+vaultAPI).StatusCode)
	require.Empty(t, c.pages(url + "/deletedsecrets" + vaultAPI)[0])
}

func TestVaultPermissions(t *testing.T) {
	t.Parallel()
	s, c, url := withVault(t, `{"accessPolicies":[{"objectId":"listed","permissions":{"secrets":["LIST","get"],"keys":["all"]}}]}`, secret("kv", "a", "value"))
	as := func(id string) *caller {
		s.AddClient(stamp.Client{ID: id, Secret: "s"})
		return &caller{t: t, s: s, http: c.http, id: id, secret: "s", tokens: map[string]string{}}
	}
	listed, other := as("listed"), as("other")
	require.Equal(t, 200, listed.get(url+"/secrets"+vaultAPI).StatusCode)
	require.Equal(t, 200, listed.get(url+"/secrets/a"+vaultAPI).StatusCode)
	require.Equal(t, 200, listed.get(url+"/keys"+vaultAPI).StatusCode)
	require.Equal(t, 403, listed.get(url+"/certificates"+vaultAPI).StatusCode)
	r, err := listed.do(http.MethodPost, url+"/secrets/a/backup"+vaultAPI, "")
	require.NoError(t, err)
	require.Equal(t, 403, r.StatusCode)
	require.Contains(t, string(r.body), "secrets/backup")
	require.Equal(t, 200, other.get(url+"/certificates"+vaultAPI).StatusCode)
	s.Deny("other", func(a stamp.Access) bool {
		return a.Endpoint == "vault" && a.Host == "kv.vault.local.azurestack.test" && a.Action == "secrets/get"
	})
	require.Equal(t, 403, other.get(url+"/secrets/a"+vaultAPI).StatusCode)
	require.Equal(t, 200, other.get(url+"/secrets"+vaultAPI).StatusCode)
	s.Deny("other", nil)
	require.Equal(t, 200, other.get(url+"/secrets/a"+vaultAPI).StatusCode)
}
