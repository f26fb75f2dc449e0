package vault_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/azure"
	"infrabackup/internal/azure/writer"
	"infrabackup/internal/backup"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/mapping"
	"infrabackup/internal/restore/resources"
	"infrabackup/internal/restore/restoretest"
	"infrabackup/internal/restore/vault"
	"infrabackup/internal/secret"
	"infrabackup/tests/lab/stamp"
	"infrabackup/tests/lab/stamp/inventory"
)

const (
	domain       = "local.azurestack.test"
	subscription = "/subscriptions/5d1e4b0c-7a26-4e37-9d1c-000000000001"
	vaultID      = subscription + "/resourcegroups/rg/providers/microsoft.keyvault/vaults/one"
	home         = "11111111-2222-4333-8444-555555555555" // deployment that is backed up
	tenant       = "5d1e4b0c-7a26-4e37-9d1c-00000000000f"
	elsewhere    = "99999999-2222-4333-8444-555555555555"
)

// quick waits for nothing.
var quick = writer.Options{Poll: time.Millisecond, Sleep: func(context.Context, time.Duration) error { return nil }}

// site is a stand-in stamp with a client of it.
type site struct {
	*stamp.Stamp
	t      *testing.T
	client *azure.Stamp
	mu     sync.Mutex
	at     time.Time
}

// documents are those of a stamp with one vault. Properties are further ones of the vault.
func documents(properties string) []inventory.Document {
	put := func(id, typ, body string) inventory.Document {
		return inventory.Document{Endpoint: inventory.Tenant, ID: id, Type: typ, Body: json.RawMessage(body)}
	}
	group := subscription + "/resourceGroups/rg"
	id := group + "/providers/Microsoft.KeyVault/vaults/one"
	const operator = "/subscriptions/5d1e4b0c-7a26-4e37-9d1c-0000000000ff"
	return []inventory.Document{
		{Endpoint: inventory.Admin, ID: operator, Type: "Microsoft.Resources/subscriptions", Body: json.RawMessage(`{"id":"` + operator + `","subscriptionId":"` + operator[len("/subscriptions/"):] + `","state":"Enabled"}`)},
		put(subscription, "Microsoft.Resources/subscriptions", `{"id":"`+subscription+`","subscriptionId":"`+subscription[len("/subscriptions/"):]+`","state":"Enabled"}`),
		put(group, "Microsoft.Resources/resourceGroups", `{"id":"`+group+`","name":"rg","location":"local"}`),
		put(id, "Microsoft.KeyVault/vaults", `{"id":"`+id+`","name":"one","type":"Microsoft.KeyVault/vaults","location":"local","properties":{"sku":{"family":"A","name":"standard"},"tenantId":"`+tenant+`",`+
			`"vaultUri":"https://one.vault.`+domain+`/","accessPolicies":[]`+properties+`}}`),
	}
}

// open starts a stamp whose clock moves by a second with every request that writes.
func open(t *testing.T, deployment, properties string, objects ...inventory.VaultObject) *site {
	t.Helper()
	o := &site{t: t, at: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)}
	var err error
	o.Stamp, err = stamp.Start(stamp.Options{Domain: domain, Now: o.now, Contents: &inventory.Stamp{TenantID: tenant, DeploymentID: deployment, Documents: documents(properties), VaultObjects: objects}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, o.Close()) })
	o.Observe(func(r *http.Request) {
		if r.Method != http.MethodGet {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.at = o.at.Add(time.Second)
		}
	})
	o.client, err = azure.New(azure.Config{
		TenantURL: o.TenantURL(), AdminURL: o.AdminURL(), Authority: o.AuthorityURL(), ClientID: o.ClientID(), ClientSecret: secret.New(o.ClientSecret()),
		CACertificates: o.CA(), Resolver: o.Resolver(), RetryDelay: time.Millisecond, TryTimeout: 20 * time.Second,
	})
	require.NoError(t, err)
	t.Cleanup(o.client.Close)
	return o
}

func (s *site) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.at
}

// send changes the vault as any client can, and returns the answer.
func (s *site) send(method, path, body string) map[string]any {
	s.t.Helper()
	client, err := s.client.Vault(s.VaultURL("one"))
	require.NoError(s.t, err)
	answer, err := writer.New(client, quick).Set(s.t.Context(), method, path, "2016-10-01", []byte(body))
	require.NoError(s.t, err)
	var o map[string]any
	if len(answer) > 0 {
		require.NoError(s.t, json.Unmarshal(answer, &o))
	}
	return o
}

// certificate makes a certificate with its key, as PEM in JSON.
func certificate(t *testing.T, name string, serial int64) string {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	c := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name}, NotBefore: from, NotAfter: from.AddDate(90, 0, 0), KeyUsage: x509.KeyUsageDigitalSignature}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	require.NoError(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	text, err := json.Marshal(string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})) + string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	require.NoError(t, err)
	return string(text)
}

const policy = `{"key_props":{"exportable":true,"kty":"EC","reuse_key":false},"secret_props":{"contentType":"application/x-pem-file"},"x509_props":{"subject":"CN=tls","validity_months":12},"issuer":{"name":"authority"}}`

// sourceOf is what a vault holds that is backed up, and its backup. It is made once, so that
// all worlds are of the same.
var sourceOf = sync.OnceValue(func() *source { return &source{} })

type source struct {
	once    sync.Once
	objects []inventory.VaultObject
	backup  *captured
}

// canaries are in values, and nowhere else.
var canaries = []string{"canary-first", "canary-second", "canary-single"}

func theSource(t *testing.T) *source {
	t.Helper()
	o := sourceOf()
	o.once.Do(func() {
		s := open(t, home, `,"enableSoftDelete":true`)
		s.send("PUT", "/secrets/Many", `{"value":"canary-first","contentType":"text","tags":{"n":"1"}}`)
		s.send("PUT", "/secrets/Many", `{"value":"canary-second","attributes":{"enabled":true,"exp":4102444800,"nbf":1000}}`)
		s.send("PUT", "/secrets/Many", `{"value":"canary-first","contentType":"text","tags":{"n":"3"}}`)
		s.send("PUT", "/secrets/single", `{"value":"canary-single \"quoted\" größe"}`)
		s.send("POST", "/keys/signing/create", `{"kty":"EC","key_ops":["sign","verify"],"tags":{"k":"v"}}`)
		s.send("POST", "/keys/signing/create", `{"kty":"EC","key_ops":["sign"]}`)
		s.send("PUT", "/certificates/issuers/authority", `{"provider":"Test","credentials":{"account_id":"a","pwd":"canary-password"},"org_details":{"id":"o","admin_details":[{"email":"a@b.c"}]}}`)
		s.send("PUT", "/certificates/contacts", `{"contacts":[{"email":"a@b.c","name":"a"},{"email":"d@e.f"}]}`)
		s.send("POST", "/certificates/tls/import", `{"value":`+certificate(t, "tls", 1)+`,"policy":`+policy+`,"tags":{"c":"1"}}`)
		s.send("POST", "/certificates/tls/import", `{"value":`+certificate(t, "tls", 2)+`,"policy":`+policy+`}`)
		s.send("PUT", "/secrets/gone", `{"value":"x"}`)
		s.send("DELETE", "/secrets/gone", "")
		o.objects = s.dump()
		o.backup = capture(t, s)
	})
	require.NotNil(t, o.backup)
	return o
}

// dump is what the vault holds, as a stamp takes it at its start.
func (s *site) dump() []inventory.VaultObject {
	port := s.VaultURL("one")[strings.LastIndexByte(s.VaultURL("one"), ':'):]
	var all []inventory.VaultObject
	for o := range s.VaultObjects() {
		o.Versions = slices.Clone(o.Versions)
		for i := range o.Versions {
			o.Versions[i].Body = json.RawMessage(strings.ReplaceAll(string(o.Versions[i].Body), port, ""))
		}
		o.Policy = json.RawMessage(strings.ReplaceAll(string(o.Policy), port, ""))
		all = append(all, o)
	}
	return all
}

// restorer is a new one, as a new process has it.
func (s *site) restorer(foreign bool) *vault.Restorer {
	return vault.New(vault.Options{Stamp: s.client, Writing: quick, Foreign: foreign, Rest: resources.New(backup.KeyVault, resources.Options{Stamp: s.client, Writing: quick})})
}

var fingerprint = restore.Fingerprint{FQDN: domain, DeploymentID: elsewhere}

func plan(t *testing.T, c *captured, r restore.Restorer, selection restore.Selection) *restore.Plan {
	t.Helper()
	planner := &restore.Planner{Source: c.source(), Restorers: []restore.Restorer{r}, Map: mapping.Empty(), Target: fingerprint, Selection: selection,
		Origin: restore.Origin{BackupID: "1945dfe4-d16c-4b36-9096-1deceb046647"}, Product: "test", Now: time.Now}
	p, err := planner.Plan(t.Context())
	require.NoError(t, err)
	return p
}

// apply applies a plan, and returns what did not come about.
func apply(t *testing.T, c *captured, r restore.Restorer, p *restore.Plan, j, undone restore.Journal) (restore.Totals, []string) {
	t.Helper()
	var mu sync.Mutex
	var bad []string
	run := &restore.Run{Plan: p, Restorers: []restore.Restorer{r}, Source: c.source(), Journal: j, Undone: undone, Map: mapping.Empty(), Target: fingerprint,
		Consent: restore.Consent{Production: p.Header.Target.ID(), Irreversible: []string{restore.AllIrreversible}}, Now: time.Now, Progress: func(o restore.Outcome) {
			mu.Lock()
			defer mu.Unlock()
			if !o.Status.Good() {
				bad = append(bad, fmt.Sprintf("%s: %s %s %s", p.Steps[o.N].Key, o.Status, o.Code, o.Detail))
			}
		}}
	totals, err := restore.Apply(t.Context(), run)
	require.NoError(t, err)
	return totals, bad
}

// restored plans and applies, and demands that everything came about.
func restored(t *testing.T, c *captured, s *site, foreign bool, selection restore.Selection) (*restore.Plan, *restoretest.Journal) {
	t.Helper()
	p, j := plan(t, c, s.restorer(foreign), selection), &restoretest.Journal{}
	totals, bad := apply(t, c, s.restorer(foreign), p, j, nil)
	require.Empty(t, bad)
	require.True(t, totals.Whole(), "%+v", totals)
	return p, j
}

// undo takes a restore back.
func undo(t *testing.T, c *captured, s *site, p *restore.Plan, j *restoretest.Journal) {
	t.Helper()
	u, err := restore.UndoPlan(t.Context(), p, j, "test", time.Now())
	require.NoError(t, err)
	totals, bad := apply(t, c, s.restorer(false), u, &restoretest.Journal{}, j)
	require.Empty(t, bad)
	require.True(t, totals.Whole(), "%+v", totals)
}

// actions are what the steps of a plan do, by kind and name.
func actions(p *restore.Plan) map[string]restore.Action {
	all := map[string]restore.Action{}
	for _, s := range p.Steps {
		if strings.HasPrefix(s.Kind, "vault-") {
			all[strings.TrimPrefix(s.Kind, "vault-")+" "+s.ID[strings.LastIndexByte(s.ID, '/')+1:]] = s.Action
		}
	}
	return all
}

func refusals(p *restore.Plan) map[string]string {
	all := map[string]string{}
	for _, r := range p.Refusals {
		all[strings.TrimPrefix(r.Key.Kind, "vault-")+" "+r.Key.ID[strings.LastIndexByte(r.Key.ID, '/')+1:]] = r.Code
	}
	return all
}

// state is what the vault holds, without what a vault sets: IDs of versions, and times.
func (s *site) state() string {
	var all []string
	for o := range s.VaultObjects() {
		for _, v := range o.Versions {
			all = append(all, strings.ToLower(o.Kind+"/"+o.Name)+" "+plainly(s.t, v.Body))
		}
		all = append(all, strings.ToLower(o.Kind+"/"+o.Name)+" policy "+plainly(s.t, o.Policy))
	}
	return strings.Join(all, "\n")
}

// plainly is a document without what is the vault's.
func plainly(t *testing.T, document []byte) string {
	if len(document) == 0 {
		return ""
	}
	var o map[string]any
	require.NoError(t, json.Unmarshal(document, &o))
	clean(o)
	data, err := json.Marshal(o)
	require.NoError(t, err)
	return string(data)
}

func clean(o map[string]any) {
	maps.DeleteFunc(o, func(name string, v any) bool {
		switch tags, isMap := v.(map[string]any); {
		case slices.Contains([]string{"id", "kid", "sid", "created", "updated", "recoveryLevel"}, name), name == "tags" && isMap && len(tags) == 0:
			return true
		}
		return false
	})
	for name, v := range o {
		switch v := v.(type) {
		case map[string]any:
			clean(v)
		case string:
			if len(v) > 80 {
				o[name] = restore.Digest([]byte(v))[:8]
			}
		case []any:
			slices.SortFunc(v, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		}
	}
}

// made counts requests that changed the vault, by path and body.
func (s *site) made() map[string]int {
	all := map[string]int{}
	for _, e := range s.Writes() {
		if e.Endpoint == "vault" && e.Status < 300 && !strings.HasSuffix(e.Path, "/backup") {
			all[e.Method+" "+e.Path+" "+e.Body]++
		}
	}
	return all
}

// drift changes, deletes and adds what a vault that was backed up may see.
func (s *site) drift() {
	s.send("PUT", "/secrets/single", `{"value":"rotated","tags":{"since":"then"}}`)
	s.send("PUT", "/secrets/later", `{"value":"came later"}`)
	s.send("DELETE", "/secrets/many", "")
	for o := range s.VaultObjects() {
		switch {
		case o.Kind == "keys" && !o.Managed:
			s.send("PATCH", "/keys/signing/"+o.Versions[0].Version, `{"attributes":{"enabled":false},"tags":{}}`)
		case o.Kind == "certificates":
			s.send("PATCH", "/certificates/tls/"+o.Versions[1].Version, `{"tags":{"d":"2"}}`)
		}
	}
	s.send("PATCH", "/certificates/tls/policy", `{"x509_props":{"subject":"CN=other","validity_months":3}}`)
	s.send("PATCH", "/certificates/issuers/authority", `{"org_details":{"id":"p"}}`)
	s.send("PUT", "/certificates/contacts", `{"contacts":[{"email":"later@b.c"},{"email":"a@b.c","name":"b"}]}`)
}

// undone makes sure that the vault is as before, but for what cannot be taken back: versions.
func (s *site) undone(t *testing.T, before, _ string) {
	t.Helper()
	lines := func(state string) (all []string) {
		for line := range strings.Lines(state) {
			if !strings.HasPrefix(line, "secrets/single ") {
				all = append(all, strings.TrimSpace(line))
			}
		}
		return all
	}
	require.Equal(t, lines(before), lines(s.state()))
	require.Equal(t, "rotated", s.send("GET", "/secrets/single", "")["value"])
	for o := range s.VaultObjects() {
		if o.Name == "single" {
			enabled := 0
			for _, v := range o.Versions {
				if v.Enabled && strings.Contains(string(v.Body), "canary-single") {
					enabled++
				}
			}
			require.Equal(t, 1, enabled, "what was added is disabled, and the one of before is not")
		}
	}
}
