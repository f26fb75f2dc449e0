package conformance_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/tests/lab/stamp"
	"infrabackup/tests/lab/stamp/conformance"
	"infrabackup/tests/lab/stamp/inventory"
)

// keyVault sends to a vault's data plane and holds each answer against its definition.
type keyVault struct {
	*walker
	name string
}

func (v *keyVault) send(t *testing.T, status int, method, path, body string) map[string]any {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, v.s.VaultURL(v.name)+path+"?api-version=2016-10-01", strings.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+v.token(v.s.TenantURL(), conformance.Vault))
	response, err := v.http.Do(r)
	require.NoError(t, err)
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, status, response.StatusCode, "%s %s: %s", method, path, raw)
	o, problems, err := v.spec.Check(conformance.Vault, method, path, "2016-10-01", response.StatusCode, raw)
	require.NoError(t, err)
	require.Empty(t, problems, "%s %s: %s", o.ID, path, raw)
	var out map[string]any
	if len(raw) > 0 {
		require.NoError(t, json.Unmarshal(raw, &out))
	}
	return out
}

// vaultsOf starts a stamp with two vaults in one subscription and one in another.
func vaultsOf(t *testing.T, properties string) *walker {
	var documents []inventory.Document
	put := func(id, typ, body string) {
		documents = append(documents, inventory.Document{Endpoint: inventory.Tenant, ID: id, Type: typ, Body: json.RawMessage(body)})
	}
	for i, sub := range []string{"5d1e4b0c-7a26-4e37-9d1c-000000000001", "5d1e4b0c-7a26-4e37-9d1c-000000000002"} {
		put("/subscriptions/"+sub, "Microsoft.Resources/subscriptions", `{"id":"/subscriptions/`+sub+`","subscriptionId":"`+sub+`"}`)
		group := "/subscriptions/" + sub + "/resourceGroups/rg"
		put(group, "Microsoft.Resources/resourceGroups", `{"id":"`+group+`","name":"rg","location":"local"}`)
		for _, name := range [][]string{{"one", "two"}, {"three"}}[i] {
			id := group + "/providers/Microsoft.KeyVault/vaults/" + name
			put(id, "Microsoft.KeyVault/vaults", `{"id":"`+id+`","name":"`+name+`","location":"local","properties":`+properties+`}`)
		}
	}
	return newWalkerOf(t, stamp.Options{Contents: &inventory.Stamp{Documents: documents}})
}

func TestVaultsTakeWhatTheirDefinitionSays(t *testing.T) {
	w := vaultsOf(t, `{"enableSoftDelete":true,"accessPolicies":[]}`)
	v := &keyVault{w, "one"}
	first := v.send(t, 200, "PUT", "/secrets/s", `{"value":"a","contentType":"text","tags":{"k":"v"},"attributes":{"enabled":true,"exp":4102444800}}`)
	second := v.send(t, 200, "PUT", "/secrets/S", `{"value":"b","attributes":{"enabled":false}}`)
	require.NotEqual(t, first["id"], second["id"])
	require.Equal(t, first["id"].(string)[:strings.LastIndex(first["id"].(string), "/")], second["id"].(string)[:strings.LastIndex(second["id"].(string), "/")], "the name keeps its case")
	v.send(t, 403, "GET", "/secrets/s", "")
	at := first["id"].(string)
	at = at[strings.Index(at, "/secrets/"):]
	updated := v.send(t, 200, "PATCH", at, `{"attributes":{"enabled":false},"tags":{"k":"w"}}`)
	require.NotContains(t, updated, "value")
	v.send(t, 403, "GET", at, "")
	v.send(t, 400, "PUT", "/secrets/s", `{"contentType":"text"}`)
	v.send(t, 400, "PUT", "/secrets/under_score", `{"value":"a"}`)
	v.send(t, 400, "PUT", "/secrets/s", `[]`)
	v.send(t, 404, "PATCH", "/secrets/none/1", `{}`)

	v.send(t, 200, "POST", "/keys/ec/create", `{"kty":"EC","key_ops":["sign"],"attributes":{"enabled":true},"tags":{"a":"b"}}`)
	v.send(t, 400, "POST", "/keys/odd/create", `{"kty":"RSA","key_size":1234}`)
	v.send(t, 400, "POST", "/keys/odd/create", `{"kty":"DSA"}`)
	imported := v.send(t, 200, "PUT", "/keys/rsa", `{"key":{"kty":"RSA","n":"AQAB","e":"AQAB","d":"AQAB","p":"AQAB","q":"AQAB"}}`)
	require.NotContains(t, imported["key"], "d")
	v.send(t, 400, "PUT", "/keys/rsa", `{"key":{"kty":"RSA","n":"AQAB","e":"AQAB"}}`)
	kid := imported["key"].(map[string]any)["kid"].(string)
	v.send(t, 200, "PATCH", kid[strings.Index(kid, "/keys/"):], `{"key_ops":["verify"],"attributes":{"exp":4102444800}}`)

	v.send(t, 200, "PUT", "/certificates/issuers/test", `{"provider":"Test","credentials":{"account_id":"a","pwd":"hidden"},"org_details":{"id":"o"}}`)
	issuer := v.send(t, 200, "PATCH", "/certificates/issuers/test", `{"org_details":{"id":"p"}}`)
	require.NotContains(t, issuer["credentials"], "pwd")
	v.send(t, 200, "GET", "/certificates/issuers/test", "")
	v.send(t, 200, "DELETE", "/certificates/issuers/test", "")
	v.send(t, 404, "GET", "/certificates/issuers/test", "")
	v.send(t, 200, "PUT", "/certificates/contacts", `{"contacts":[{"email":"a@b.c"}]}`)
	v.send(t, 200, "GET", "/certificates/contacts", "")
	v.send(t, 200, "DELETE", "/certificates/contacts", "")
	v.send(t, 404, "GET", "/certificates/contacts", "")
}

func TestCertificatesBringKeyAndSecret(t *testing.T) {
	w := vaultsOf(t, `{"enableSoftDelete":true,"accessPolicies":[]}`)
	v := &keyVault{w, "one"}
	policy := `{"policy":{"key_props":{"exportable":true,"kty":"EC","reuse_key":true},"secret_props":{"contentType":"application/x-pem-file"},"x509_props":{"subject":"CN=self"},"issuer":{"name":"Self"}},"attributes":{"enabled":true}}`
	v.send(t, 202, "POST", "/certificates/c/create", policy)
	require.Equal(t, "completed", v.send(t, 200, "GET", "/certificates/c/pending", "")["status"])
	bundle := v.send(t, 200, "GET", "/certificates/c", "")
	secret := v.send(t, 200, "GET", "/secrets/c", "")
	require.Equal(t, true, secret["managed"])
	require.Equal(t, bundle["sid"], secret["id"])
	v.send(t, 200, "GET", "/keys/c", "")
	v.send(t, 403, "PUT", "/secrets/c", `{"value":"a"}`)
	v.send(t, 200, "PATCH", "/certificates/c/policy", `{"key_props":{"exportable":false,"kty":"EC"}}`)
	text, err := json.Marshal(map[string]any{"value": secret["value"], "tags": map[string]string{"a": "b"}})
	require.NoError(t, err)
	again := v.send(t, 200, "POST", "/certificates/d/import", string(text))
	require.Equal(t, bundle["x5t"], again["x5t"])
	v.send(t, 400, "POST", "/certificates/d/import", `{"value":"nonsense"}`)
	v.send(t, 200, "DELETE", "/certificates/d", "")
	v.send(t, 404, "GET", "/secrets/d", "")
	v.send(t, 409, "POST", "/certificates/d/import", string(text))
	v.send(t, 200, "POST", "/deletedcertificates/d/recover", "")
	v.send(t, 200, "GET", "/secrets/d", "")

	v.send(t, 202, "POST", "/certificates/e/create", strings.ReplaceAll(strings.Replace(policy, `"Self"`, `"Unknown"`, 1), "EC", "RSA"))
	wait := v.send(t, 200, "GET", "/certificates/e/pending", "")
	require.Equal(t, "inProgress", wait["status"])
	v.send(t, 404, "GET", "/certificates/e", "")
	raw, err := base64.StdEncoding.DecodeString(wait["csr"].(string))
	require.NoError(t, err)
	csr, err := x509.ParseCertificateRequest(raw)
	require.NoError(t, err)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "ca"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, csr.PublicKey, key)
	require.NoError(t, err)
	merge := func(der []byte) string { return `{"x5c":["` + base64.StdEncoding.EncodeToString(der) + `"]}` }
	other, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	v.send(t, 400, "POST", "/certificates/e/pending/merge", merge(other))
	v.send(t, 201, "POST", "/certificates/e/pending/merge", merge(der))
	block, _ := pem.Decode([]byte(v.send(t, 200, "GET", "/secrets/e", "")["value"].(string)))
	require.Equal(t, "PRIVATE KEY", block.Type)
	v.send(t, 200, "DELETE", "/certificates/e/pending", "")
	v.send(t, 404, "GET", "/certificates/e/pending", "")
}

func TestBackupsGoBackWhereTheyCameFrom(t *testing.T) {
	w := vaultsOf(t, `{"enableSoftDelete":true,"accessPolicies":[]}`)
	one, two, three := &keyVault{w, "one"}, &keyVault{w, "two"}, &keyVault{w, "three"}
	id := one.send(t, 200, "PUT", "/secrets/s", `{"value":"a"}`)["id"].(string)
	blob := mustJSON(t, one.send(t, 200, "POST", "/secrets/s/backup", ""))
	one.send(t, 409, "POST", "/secrets/restore", blob)
	one.send(t, 200, "DELETE", "/secrets/s", "")
	one.send(t, 409, "POST", "/secrets/restore", blob)
	one.send(t, 409, "PUT", "/secrets/s", `{"value":"b"}`)
	two.send(t, 200, "POST", "/secrets/restore", blob)
	moved := two.send(t, 200, "GET", "/secrets/s"+id[strings.LastIndexByte(id, '/'):], "")["id"]
	require.Equal(t, strings.Replace(id, "https://one.", "https://two.", 1), moved, "the address is the vault's that it is in")
	three.send(t, 400, "POST", "/secrets/restore", blob)
	one.send(t, 204, "DELETE", "/deletedsecrets/s", "")
	one.send(t, 200, "POST", "/secrets/restore", blob)

	elsewhere := newWalkerOf(t, stamp.Options{Contents: &inventory.Stamp{DeploymentID: "5d1e4b0c-7a26-4e37-9d1c-000000000009"}})
	for d := range w.s.Documents() {
		elsewhere.s.Put(d)
	}
	(&keyVault{elsewhere, "one"}).send(t, 400, "POST", "/secrets/restore", blob)
}

func TestDeletedVaultsAreRecoveredOrPurged(t *testing.T) {
	w := vaultsOf(t, `{"enableSoftDelete":true,"sku":{"family":"A","name":"standard"},"tenantId":"00000000-0000-4000-8000-000000000000","accessPolicies":[]}`)
	v := &keyVault{w, "one"}
	v.send(t, 200, "PUT", "/secrets/s", `{"value":"a"}`)
	const group = "/subscriptions/5d1e4b0c-7a26-4e37-9d1c-000000000001/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/"
	const gone = "/subscriptions/5d1e4b0c-7a26-4e37-9d1c-000000000001/providers/Microsoft.KeyVault/locations/local/deletedVaults/one"
	vault := func(mode string) map[string]any {
		return map[string]any{"location": "local", "properties": map[string]any{"tenantId": w.s.TenantID(), "createMode": mode, "enableSoftDelete": true, "sku": map[string]any{"family": "A", "name": "standard"}, "accessPolicies": []any{}}}
	}
	want := func(status int, code string, r *http.Response, body []byte) {
		t.Helper()
		require.Equal(t, status, r.StatusCode, string(body))
		require.True(t, code == "" || bytes.Contains(body, []byte(code)), string(body))
	}
	send := func(method, path string, body any) (*http.Response, []byte) {
		return w.request(method, inventory.Tenant, path, "2019-09-01", body)
	}
	r, body := send("DELETE", group+"one", nil)
	want(200, "", r, body)
	r, body = send("GET", gone, nil)
	want(200, "scheduledPurgeDate", r, body)
	v.send(t, 404, "GET", "/secrets/s", "")
	r, body = send("PUT", group+"one", vault("default"))
	want(409, "VaultAlreadyExists", r, body)
	r, body = send("PUT", "/subscriptions/5d1e4b0c-7a26-4e37-9d1c-000000000002/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/two", vault("default"))
	want(409, "VaultAlreadyExists", r, body)
	r, body = send("PUT", group+"none", vault("recover"))
	want(404, "VaultNotFound", r, body)
	recovered := vault("recover")
	recovered["properties"].(map[string]any)["tenantId"] = w.s.TenantID()
	w.s.Put(inventory.Document{Endpoint: inventory.Admin, ID: "/subscriptions/p/resourceGroups/g/providers/Microsoft.Subscriptions.Admin/directoryTenants/d", Body: json.RawMessage(`{"properties":{"tenantId":"00000000-0000-4000-8000-000000000000"}}`)})
	r, body = send("PUT", group+"one", recovered)
	want(201, "", r, body)
	r, body = send("GET", gone, nil)
	want(404, "", r, body)
	v.send(t, 200, "GET", "/secrets/s", "")
	soft := vault("default")
	soft["properties"].(map[string]any)["enableSoftDelete"] = false
	r, body = send("PUT", group+"one", soft)
	want(400, "irreversible", r, body)
	policies := map[string]any{"properties": map[string]any{"accessPolicies": []any{map[string]any{"tenantId": "00000000-0000-4000-8000-000000000000", "objectId": "x", "permissions": map[string]any{"secrets": []any{"get"}}}}}}
	r, body = send("PUT", group+"one/accessPolicies/add", policies)
	want(200, `"objectId":"x"`, r, body)
	r, body = send("PUT", group+"one/accessPolicies/remove", policies)
	want(200, "", r, body)
	require.NotContains(t, string(body), `"objectId":"x"`)
	send("DELETE", group+"one", nil)
	r, body = send("POST", gone+"/purge", nil)
	want(202, "", r, body)
	r, body = send("PUT", group+"one", vault("default"))
	want(201, "", r, body)
	v.send(t, 404, "GET", "/secrets/s", "")
	report(t, w.problems)
}
