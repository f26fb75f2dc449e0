package keyvault_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"infrabackup/internal/azure"
	"infrabackup/internal/backup"
	"infrabackup/internal/collect"
	"infrabackup/internal/collect/collecttest"
	"infrabackup/internal/collect/keyvault"
	"infrabackup/internal/collect/resource"
	"infrabackup/internal/secret"
	"infrabackup/tests/lab"
	"infrabackup/tests/lab/stamp"
	"infrabackup/tests/lab/stamp/inventory"
)

// canary begins every value of a secret that these tests make.
const canary = "canary-value-"

// world is a stamp with a vault of its own among those that were generated.
type world struct {
	*stamp.Stamp
	contents *inventory.Stamp
	vault    string // name
	id       string // of its resource, in lower case
	config   azure.Config
}

// newWorld starts a stamp. What its own vault holds is the test's choice.
func newWorld(t *testing.T) *world {
	t.Helper()
	port, err := lab.FreePort()
	require.NoError(t, err)
	contents, err := inventory.Generate(inventory.Options{Seed: 3, Resources: 30, Domain: "local.azurestack.test", VaultPort: port, Now: time.Now().Add(-time.Hour), Issuer: newIssuer(t)})
	require.NoError(t, err)
	s, err := stamp.Start(stamp.Options{Contents: contents, Listen: fmt.Sprintf("127.0.0.1:%d", port)})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	w := &world{Stamp: s, contents: contents, config: azure.Config{Patience: time.Minute,
		TenantURL: s.TenantURL(), AdminURL: s.AdminURL(), Authority: s.AuthorityURL(),
		ClientID: s.ClientID(), ClientSecret: secret.New(s.ClientSecret()), CACertificates: s.CA(), Resolver: s.Resolver(),
		RetryDelay: time.Millisecond, TryTimeout: 5 * time.Second,
	}}
	for d := range s.Documents() {
		if strings.EqualFold(d.Type, "Microsoft.KeyVault/vaults") && w.vault == "" {
			w.vault, w.id = "own", strings.ToLower(d.ID[:strings.LastIndex(d.ID, "/")])+"/own"
			w.putVault(`"enableSoftDelete":false`)
		}
	}
	require.NotEmpty(t, w.vault)
	return w
}

// newIssuer makes a CA.
func newIssuer(t *testing.T) *inventory.Issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Issuer"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	certificate, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return &inventory.Issuer{Certificate: certificate, Key: key}
}

// putVault replaces the vault's resource by one with some more properties.
func (w *world) putVault(properties string) {
	body := fmt.Sprintf(`{"id":%q,"name":"own","type":"Microsoft.KeyVault/vaults","location":"local","properties":{"vaultUri":%q,"accessPolicies":[],%s}}`,
		w.id, w.VaultURL("own")+"/", properties)
	w.Put(inventory.Document{Endpoint: inventory.Tenant, ID: w.id, Type: "Microsoft.KeyVault/vaults", Body: json.RawMessage(body)})
}

func (w *world) collector(t *testing.T) collect.Collector {
	t.Helper()
	s, err := azure.New(w.config)
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return resource.New(s, keyvault.Table(), resource.Options{Now: time.Now})
}

func (w *world) capture(t *testing.T) (*collecttest.Recorder, error) {
	t.Helper()
	r := &collecttest.Recorder{}
	_, err := w.collector(t).Collect(t.Context(), r)
	if err != nil {
		require.NotContains(t, err.Error(), canary)
	}
	for _, g := range r.Gaps() {
		require.NotContains(t, g.Object+g.Reason, canary)
	}
	return r, err
}

// version is a version of a secret or key of the world's vault.
func (w *world) version(kind, name, version string, change ...func(*inventory.VaultVersion)) inventory.VaultVersion {
	v := inventory.VaultVersion{Version: version, Enabled: true}
	for _, c := range change {
		c(&v)
	}
	id := fmt.Sprintf("%s/%s/%s/%s", w.VaultURL(w.vault), kind, name, version)
	attributes := fmt.Sprintf(`{"enabled":%t,"created":1,"updated":%d`, v.Enabled, time.Now().UnixNano())
	if v.Expires != 0 {
		attributes += fmt.Sprintf(`,"exp":%d`, v.Expires)
	}
	if v.NotBefore != 0 {
		attributes += fmt.Sprintf(`,"nbf":%d`, v.NotBefore)
	}
	switch body := string(v.Body); {
	case kind == "keys":
		v.Body = json.RawMessage(fmt.Sprintf(`{"key":{"kid":%q,"kty":"RSA","n":"AQAB","e":"AQAB"},"attributes":%s}}`, id, attributes))
	case kind == "certificates":
		v.Body = json.RawMessage(fmt.Sprintf(`{"id":%q,"cer":"AAAA","attributes":%s}}`, id, attributes))
	default:
		v.Body = json.RawMessage(fmt.Sprintf(`{"value":"%s%s%s","id":%q,"attributes":%s}}`, canary, version, strings.Trim(body, `"`), id, attributes))
	}
	return v
}

func disabled(v *inventory.VaultVersion)    { v.Enabled = false }
func expired(v *inventory.VaultVersion)     { v.Expires = time.Now().Add(-time.Hour).Unix() }
func notYetValid(v *inventory.VaultVersion) { v.NotBefore = time.Now().Add(time.Hour).Unix() }

// put stores an object of the world's vault with versions of these names.
func (w *world) put(kind, name string, versions ...string) {
	o := inventory.VaultObject{Vault: w.vault, Kind: kind, Name: name}
	for _, v := range versions {
		o.Versions = append(o.Versions, w.version(kind, name, v))
	}
	w.PutVaultObject(o)
}

// on matches requests to the world's vault by method and path.
func (w *world) on(method, path string) func(*http.Request) bool {
	return func(r *http.Request) bool {
		return strings.HasPrefix(r.Host, w.vault+".vault.") && r.Method == method && r.URL.Path == path && r.Header.Get("Authorization") != ""
	}
}

// once calls fn at the first request that matches.
func (w *world) once(t *testing.T, match func(*http.Request) bool, fn func()) {
	t.Helper()
	first := make(chan struct{}, 1)
	first <- struct{}{}
	t.Cleanup(w.Observe(func(r *http.Request) {
		if match(r) {
			select {
			case <-first:
				fn()
			default:
			}
		}
	}))
}

// items are the documents of the world's vault by kind and path below it. The last one
// of several counts.
func (w *world) items(t *testing.T, r *collecttest.Recorder) map[string]string {
	t.Helper()
	items := map[string]string{}
	for _, c := range r.Calls() {
		if path, ok := strings.CutPrefix(c.Item.ID, w.id+"/"); ok && c.Gap == nil {
			require.Equal(t, "vault", gjson.GetBytes(c.Document, "endpoint").String())
			require.Equal(t, "2016-10-01", gjson.GetBytes(c.Document, "apiVersion").String())
			require.True(t, strings.HasPrefix(gjson.GetBytes(c.Document, "type").String(), "Microsoft.KeyVault/vaults/"))
			require.NotContains(t, fmt.Sprint(c.Item), canary)
			items[c.Item.Kind+" "+path] = gjson.GetBytes(c.Document, "document").Raw
		}
	}
	return items
}

// gaps are the codes of gaps of the world's vault by path below it.
func (w *world) gaps(r *collecttest.Recorder) map[string]string {
	gaps := map[string]string{}
	for _, g := range r.Gaps() {
		if path, ok := strings.CutPrefix(g.Object, w.id+"/"); ok {
			gaps[path] = g.Code
		}
	}
	return gaps
}

// countingSink tells of items and keeps nothing.
type countingSink struct{ use func(id string) }

func (s *countingSink) Record(item backup.Item, _ []byte) error {
	s.use(item.ID)
	return nil
}

func (s *countingSink) File(item backup.Item, _ collect.FileInfo, r io.Reader) error {
	_, err := io.Copy(io.Discard, r)
	return err
}

func (s *countingSink) Gap(backup.Gap) {}

func names[V any](all map[string]V) []string {
	var names []string
	for name := range all {
		names = append(names, name)
	}
	return names
}
