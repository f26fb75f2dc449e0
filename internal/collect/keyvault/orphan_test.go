package keyvault_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/collect/keyvault"
	"infrabackup/tests/lab/stamp"
	"infrabackup/tests/lab/stamp/inventory"
)

// TestManagedKeyWithoutCertificate: the private half of a key whose certificate is not
// issued yet is in no secret, so its blob is asked for.
func TestManagedKeyWithoutCertificate(t *testing.T) {
	w := newWorld(t)
	w.PutVaultObject(inventory.VaultObject{Vault: w.vault, Kind: "keys", Name: "k", Managed: true, Versions: []inventory.VaultVersion{managed(w.version("keys", "k", "v1"))}})
	r, err := w.capture(t)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"keys/k": keyvault.GapBlobRefused}, w.gaps(r))

	defer w.Inject(stamp.Fault{Kind: stamp.Instead, Status: http.StatusOK, Body: []byte(`{"value":"blob"}`), Match: w.on("POST", "/keys/k/backup")})()
	r, err = w.capture(t)
	require.NoError(t, err)
	require.Empty(t, w.gaps(r))
	require.Contains(t, w.items(t, r), "vault-key-backup keys/k/backup")

	remove := w.Inject(stamp.Fault{Kind: stamp.Instead, Status: http.StatusOK, Body: []byte(`{"pending":{}}`), Match: w.on("GET", "/certificates/k")})
	r, err = w.capture(t)
	remove()
	require.NoError(t, err)
	require.Contains(t, w.items(t, r), "vault-key-backup keys/k/backup")

	w.PutVaultObject(inventory.VaultObject{Vault: w.vault, Kind: "certificates", Name: "k", Policy: json.RawMessage(`{"key_props":{"exportable":true}}`),
		Versions: []inventory.VaultVersion{w.version("certificates", "k", "v1")}})
	r, err = w.capture(t)
	require.NoError(t, err)
	require.Contains(t, w.items(t, r), "vault-certificate-version certificates/k/v1")
	require.NotContains(t, w.items(t, r), "vault-key-backup keys/k/backup")
}
