package keyvault_test

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect/collecttest"
	"infrabackup/internal/collect/keyvault"
	"infrabackup/internal/collect/resource"
	"infrabackup/tests/lab/stamp"
	"infrabackup/tests/lab/stamp/inventory"
)

// TestContents compares every item of every generated vault with what it holds, both
// ways.
func TestContents(t *testing.T) {
	w := newWorld(t)
	r, err := w.capture(t)
	require.NoError(t, err)
	vaults := map[string]string{} // ID by name
	got, references := map[string]string{}, map[string][]backup.Reference{}
	for _, c := range r.Calls() {
		if c.Item.Kind == "vault" {
			vaults[c.Item.ID[strings.LastIndex(c.Item.ID, "/")+1:]] = c.Item.ID
		} else if c.Gap == nil && strings.HasPrefix(c.Item.Kind, "vault-") && c.Item.Kind != "vault-quota" {
			got[c.Item.Kind+" "+c.Item.ID] = gjson.GetBytes(c.Document, "document").Raw
			references[c.Item.ID] = c.Item.References
		}
	}
	gaps := map[string]string{}
	for _, g := range r.Gaps() {
		gaps[strings.ToLower(g.Object)] = g.Code
	}
	objects, issued := 0, 0
	for o := range w.VaultObjects() {
		objects++
		id := strings.ToLower(vaults[strings.ToLower(o.Vault)] + "/" + o.Kind + "/" + o.Name)
		kind := "vault-" + strings.TrimSuffix(o.Kind, "s")
		take := func(key string) string {
			document, ok := got[key]
			require.True(t, ok, "%s is missing", key)
			delete(got, key)
			return document
		}
		for _, v := range o.Versions {
			if code := gaps[id+"/"+v.Version]; code != "" {
				require.Equal(t, "secrets", o.Kind)
				require.Equal(t, reasonOf(v), code, id)
				continue
			}
			require.Equal(t, string(v.Body), take(kind+"-version "+id+"/"+v.Version))
			if o.Kind != "certificates" {
				require.Empty(t, references[id+"/"+v.Version])
				continue
			}
			if aki := issuerOf(t, v.Body); aki != "" {
				issued++
				require.Equal(t, []backup.Reference{{Relation: "issuing-ca", Service: backup.CA, Target: "key-id:" + aki}}, references[id+"/"+v.Version])
			} else {
				require.Empty(t, references[id+"/"+v.Version])
			}
		}
		switch {
		case o.Kind == "certificates":
			require.Equal(t, string(o.Policy), take(kind+"-policy "+id+"/policy"))
			exportable := gjson.GetBytes(o.Policy, "key_props.exportable").Bool()
			require.Equal(t, !exportable, gaps[id] == keyvault.GapNotExportable, id)
		case !o.Managed:
			require.NotEmpty(t, gjson.Get(take(kind+"-backup "+id+"/backup"), "value").String())
		}
	}
	require.Greater(t, objects, 10)
	require.Empty(t, names(got), "items of nothing that the stamp holds")
	require.NotZero(t, issued)
}

// reasonOf says why a version of a secret is given to nobody.
func reasonOf(v inventory.VaultVersion) string {
	switch now := time.Now().Unix(); {
	case !v.Enabled:
		return keyvault.GapDisabled
	case v.Expires != 0 && v.Expires <= now:
		return keyvault.GapExpired
	case v.NotBefore > now:
		return keyvault.GapNotYetValid
	}
	return "open"
}

// issuerOf reads the authority's key identifier of a certificate that another issued.
func issuerOf(t *testing.T, bundle []byte) string {
	der, err := base64.StdEncoding.DecodeString(gjson.GetBytes(bundle, "cer").String())
	require.NoError(t, err)
	c, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	if c.Issuer.String() == c.Subject.String() {
		return ""
	}
	return hex.EncodeToString(c.AuthorityKeyId)
}

// TestContract holds the collector to the port's contract with a vault of all kinds.
func TestContract(t *testing.T) {
	w := newWorld(t)
	w.furnish()
	collecttest.Run(t, collecttest.Subject{Collector: w.collector(t), Service: backup.KeyVault, Secrets: append(w.longCanaries(), canary)})
}

// furnish puts something of everything into the world's vault.
func (w *world) furnish() {
	w.put("keys", "key", "k1", "k2")
	w.put("secrets", "Plain", "p1", "p2")
	w.PutVaultObject(inventory.VaultObject{Vault: w.vault, Kind: "secrets", Name: "shut", Versions: []inventory.VaultVersion{
		w.version("secrets", "shut", "s1"), w.version("secrets", "shut", "s2", disabled), w.version("secrets", "shut", "s3", expired), w.version("secrets", "shut", "s4", notYetValid),
	}})
	w.PutVaultObject(inventory.VaultObject{Vault: w.vault, Kind: "secrets", Name: "cert", Managed: true, Versions: []inventory.VaultVersion{
		managed(w.version("secrets", "cert", "c1")), managed(w.version("secrets", "cert", "c2", disabled)),
	}})
	key := managed(w.version("keys", "cert", "c1"))
	w.PutVaultObject(inventory.VaultObject{Vault: w.vault, Kind: "keys", Name: "cert", Managed: true, Versions: []inventory.VaultVersion{key}})
	w.PutVaultObject(inventory.VaultObject{Vault: w.vault, Kind: "certificates", Name: "cert", Versions: []inventory.VaultVersion{w.version("certificates", "cert", "c1")},
		Policy: json.RawMessage(`{"key_props":{"exportable":false}}`)})
	setting := func(kind, name, body string) {
		w.PutVaultObject(inventory.VaultObject{Vault: w.vault, Kind: kind, Name: name, Versions: []inventory.VaultVersion{{Version: "1", Enabled: true, Body: json.RawMessage(body)}}})
	}
	setting("issuers", "digi", fmt.Sprintf(`{"id":"%s/certificates/issuers/digi","provider":"DigiCert","credentials":{"account_id":"7"}}`, w.VaultURL(w.vault)))
	setting("contacts", "contacts", fmt.Sprintf(`{"id":"%s/certificates/contacts","contacts":[{"email":"pki@example.com"}]}`, w.VaultURL(w.vault)))
}

func managed(v inventory.VaultVersion) inventory.VaultVersion {
	v.Body = append(append(json.RawMessage{}, v.Body[:len(v.Body)-1]...), `,"managed":true}`...)
	return v
}

func (w *world) longCanaries() []string {
	var long []string
	for _, s := range w.contents.Canaries {
		if len(s) >= 8 {
			long = append(long, s)
		}
	}
	return long
}

// TestEveryKind looks at each kind of item and each gap.
func TestEveryKind(t *testing.T) {
	w := newWorld(t)
	w.furnish()
	var backups atomic.Int64
	defer w.Observe(func(r *http.Request) {
		if r.Method == http.MethodPost && strings.HasPrefix(r.Host, w.vault+".") {
			backups.Add(1)
			require.NotContains(t, r.URL.Path, "cert")
		}
		if strings.HasSuffix(r.URL.Path, "/s2") || strings.HasSuffix(r.URL.Path, "/secrets/cert/c2") {
			t.Errorf("the value of a disabled version was asked for: %s", r.URL.Path)
		}
	})()
	r, err := w.capture(t)
	require.NoError(t, err)
	require.ElementsMatch(t, []string{
		"vault-key-version keys/key/k1", "vault-key-version keys/key/k2", "vault-key-backup keys/key/backup", "vault-key-version keys/cert/c1",
		"vault-secret-version secrets/plain/p1", "vault-secret-version secrets/plain/p2", "vault-secret-backup secrets/plain/backup",
		"vault-secret-version secrets/shut/s1", "vault-secret-backup secrets/shut/backup", "vault-secret-version secrets/cert/c1",
		"vault-certificate-version certificates/cert/c1", "vault-certificate-policy certificates/cert/policy",
		"vault-certificate-issuer certificates/issuers/digi", "vault-certificate-contacts certificates/contacts",
	}, names(w.items(t, r)))
	require.Equal(t, map[string]string{
		"secrets/shut/s2": keyvault.GapDisabled, "secrets/shut/s3": keyvault.GapExpired, "secrets/shut/s4": keyvault.GapNotYetValid,
		"secrets/cert/c2": keyvault.GapDisabled, "certificates/cert": keyvault.GapNotExportable,
		"certificates/issuers/digi credentials.pwd": resource.GapWriteOnly,
	}, w.gaps(r))
	require.EqualValues(t, 3, backups.Load())
	for _, g := range r.Gaps() {
		switch strings.TrimPrefix(g.Object, w.id) {
		case "/secrets/shut/s2":
			require.Equal(t, "The vault gives a disabled version to no caller; the object's backup blob holds it.", g.Reason)
			require.Zero(t, g.Count)
		case "/secrets/cert/c2":
			require.Equal(t, "The vault gives a disabled version to no caller; it belongs to a certificate, of which there is no backup blob.", g.Reason)
		}
	}
}

// TestDeletedObjects looks at what a vault keeps of deleted objects.
func TestDeletedObjects(t *testing.T) {
	element := func(w *world) func([]byte) []byte {
		return func([]byte) []byte {
			return fmt.Appendf(nil, `{"value":[{"id":"%s/secrets/old","recoveryId":"%[1]s/deletedsecrets/old","deletedDate":5}]}`, w.VaultURL(w.vault))
		}
	}
	t.Run("listed", func(t *testing.T) {
		w := newWorld(t)
		w.putVault(`"enableSoftDelete":true`)
		defer w.Inject(stamp.Fault{Kind: stamp.Rewrite, Match: w.on("GET", "/deletedsecrets"), Mutate: element(w)})()
		// The stand-in does not know the object; a vault would.
		r, err := w.capture(t)
		require.NoError(t, err)
		require.Equal(t, []string{"vault-deleted-secret deletedsecrets/old"}, names(w.items(t, r)))
		require.Empty(t, w.gaps(r))
	})
	for _, kind := range []string{"keys", "secrets", "certificates"} {
		for soft, want := range map[bool]map[string]string{true: {"deleted" + kind: keyvault.GapDeletedHidden}, false: {}} {
			t.Run(fmt.Sprintf("deleted %s refused, soft delete %t", kind, soft), func(t *testing.T) {
				w := newWorld(t)
				w.putVault(fmt.Sprintf(`"enableSoftDelete":%t`, soft))
				defer w.Inject(stamp.Fault{Kind: stamp.Forbidden, Match: w.on("GET", "/deleted"+kind)})()
				r, err := w.capture(t)
				require.NoError(t, err)
				require.Equal(t, want, w.gaps(r))
			})
		}
	}
}
