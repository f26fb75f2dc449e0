package keyvault_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/collect/collecttest"
	"infrabackup/internal/collect/keyvault"
	"infrabackup/internal/collect/resource"
	"infrabackup/internal/fault"
	"infrabackup/tests/lab/stamp"
	"infrabackup/tests/lab/stamp/inventory"
)

// ofVault is the code of the gap that names the world's vault itself, "" for none.
func (w *world) ofVault(r *collecttest.Recorder) string {
	for _, g := range r.Gaps() {
		if strings.EqualFold(g.Object, w.id) {
			return g.Code
		}
	}
	return ""
}

// TestVaultThatGoes: a vault that is deleted before it was read has vanished; one that is
// there and does not answer fails the service.
func TestVaultThatGoes(t *testing.T) {
	w := newWorld(t)
	missing := stamp.Fault{Kind: stamp.Refusal, Status: http.StatusNotFound, Match: w.on("GET", "/keys")}
	defer w.Inject(missing)()
	_, err := w.capture(t)
	requireFault(t, fault.SourceInvalid, err)

	w.once(t, w.on("GET", "/keys"), func() { w.Delete(inventory.Tenant, w.id) })
	r, err := w.capture(t)
	require.NoError(t, err)
	require.Equal(t, resource.GapVanished, w.ofVault(r))
}

// TestVaultWithoutAddress: a vault that is being made says no address.
func TestVaultWithoutAddress(t *testing.T) {
	w := newWorld(t)
	w.put("secrets", "s", "v1")
	for uri, gap := range map[string]string{
		`"vaultUri":null,`: keyvault.GapNoAddress, ``: keyvault.GapNoAddress, `"vaultUri":"",`: keyvault.GapNoAddress,
		`"VaultUri":"` + w.VaultURL("own") + `/",`: "",
	} {
		body := `{"id":"` + w.id + `","name":"own","type":"Microsoft.KeyVault/vaults","location":"local","properties":{` + uri + `"provisioningState":"RegisteringDns"}}`
		w.Put(inventory.Document{Endpoint: inventory.Tenant, ID: w.id, Type: "Microsoft.KeyVault/vaults", Body: json.RawMessage(body)})
		r, err := w.capture(t)
		require.NoError(t, err, uri)
		require.Equal(t, gap, w.ofVault(r), uri)
		require.Equal(t, gap == "", w.items(t, r)["vault-secret-version secrets/s/v1"] != "", uri)
		require.NoError(t, w.collector(t).Check(t.Context()), uri)
	}
}

// TestDeletedListBegunLate: a list of deleted objects that is begun when its turn comes,
// since enough is held, may be refused as any other.
func TestDeletedListBegunLate(t *testing.T) {
	w := newWorld(t)
	w.put("keys", "k", "v1")
	defer w.Inject(stamp.Fault{Kind: stamp.HugeItem, Size: 3, Match: w.on("GET", "/keys")})()
	defer w.Inject(stamp.Fault{Kind: stamp.Refusal, Status: http.StatusForbidden, Match: w.on("GET", "/deletedkeys")})()
	_, err := w.capture(t)
	require.NoError(t, err)
}
