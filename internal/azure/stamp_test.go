package azure_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"infrabackup/internal/azure"
	"infrabackup/internal/fault"
	"infrabackup/internal/secret"
	"infrabackup/tests/lab/stamp"
	"infrabackup/tests/lab/stamp/inventory"
)

func start(t *testing.T) (*stamp.Stamp, azure.Config) {
	t.Helper()
	contents, err := inventory.Generate(inventory.Options{Seed: 1, Resources: 60, Domain: "local.azurestack.test"})
	require.NoError(t, err)
	s, err := stamp.Start(stamp.Options{Contents: contents, PageSize: 3, Versions: stamp.UncommonTypes()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s, azure.Config{
		TenantURL: s.TenantURL(), AdminURL: s.AdminURL(), Authority: s.AuthorityURL(), ClientID: s.ClientID(),
		ClientSecret: secret.New(s.ClientSecret()), CACertificates: s.CA(), Resolver: s.Resolver(), RetryDelay: time.Millisecond,
	}
}

func open(t *testing.T, c azure.Config) *azure.Stamp {
	t.Helper()
	s, err := azure.New(c)
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s
}

func TestLists(t *testing.T) {
	_, config := start(t)
	s := open(t, config)
	for _, client := range []*azure.Client{s.Tenant(), s.Admin()} {
		subscriptions, err := client.Subscriptions(t.Context())
		require.NoError(t, err)
		require.NotEmpty(t, subscriptions)
		offers, err := client.Offers(t.Context(), subscriptions[0].ID)
		require.NoError(t, err)
		choice, ok := offers.Choose("Microsoft.Resources/resourceGroups", []string{"2019-10-01"})
		require.True(t, ok)
		require.True(t, choice.Known)
		pages := client.List("/subscriptions/"+subscriptions[0].ID+"/resourcegroups", choice.Version, nil)
		groups := 0
		for {
			page, err := pages.Next(t.Context())
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			require.LessOrEqual(t, len(page.Items), 3)
			require.False(t, page.Date.IsZero())
			for _, item := range page.Items {
				groups++
				answer, err := client.Get(t.Context(), gjson.GetBytes(item, "id").String(), choice.Version, nil)
				require.NoError(t, err)
				require.JSONEq(t, string(item), string(answer.Body))
			}
		}
		require.Positive(t, groups)
	}
}

func TestCredentials(t *testing.T) {
	server, config := start(t)
	certificate, keyPair := newCertificate(t)
	server.AddClient(stamp.Client{ID: "by-certificate", Certificate: certificate})
	_, strange := newCertificate(t)
	_, authority := newCertificate(t)
	for name, test := range map[string]struct {
		change func(*azure.Config)
		code   fault.Code
	}{
		"secret":         {func(*azure.Config) {}, ""},
		"another tenant": {func(c *azure.Config) { c.Tenant = "5f9ad1d5-4d4e-4ab8-8b6d-7d8a7f9f2c11" }, ""},
		"certificate": {func(c *azure.Config) {
			c.ClientID, c.ClientSecret, c.ClientCertificate = "by-certificate", secret.String{}, keyPair
		}, ""},
		"strange certificate": {func(c *azure.Config) {
			c.ClientID, c.ClientSecret, c.ClientCertificate = "by-certificate", secret.String{}, strange
		}, fault.SourceAuthFailed},
		"wrong secret":          {func(c *azure.Config) { c.ClientSecret = secret.New("wrong-canary") }, fault.SourceAuthFailed},
		"unknown client":        {func(c *azure.Config) { c.ClientID = "nobody" }, fault.SourceAuthFailed},
		"another authority":     {func(c *azure.Config) { c.Authority = "https://login.example/" }, fault.SourceInvalid},
		"another CA":            {func(c *azure.Config) { c.CACertificates = certificateOnly(authority) }, fault.SourceTLS},
		"no such name":          {func(c *azure.Config) { c.TenantURL = "https://management.elsewhere.invalid" }, fault.SourceUnreachable},
		"nothing listens":       {func(c *azure.Config) { c.TenantURL, c.Resolver = "https://127.0.0.1:1", "" }, fault.SourceUnreachable},
		"resolver is not there": {func(c *azure.Config) { c.Resolver = "127.0.0.1:1" }, fault.SourceUnreachable},
	} {
		t.Run(name, func(t *testing.T) {
			c := config
			test.change(&c)
			var tokens atomic.Int64
			defer server.Observe(func(r *http.Request) {
				if strings.HasSuffix(strings.TrimSuffix(r.URL.Path, "/"), "/token") {
					tokens.Add(1)
				}
			})()
			_, err := open(t, c).Tenant().Subscriptions(t.Context())
			if test.code == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, test.code)
			require.NotContains(t, err.Error(), "canary")
			if test.code == fault.SourceInvalid || test.code == fault.SourceTLS {
				require.Zero(t, tokens.Load(), "no credential is shown to a stranger")
			}
			if test.code == fault.SourceAuthFailed {
				require.EqualValues(t, 1, tokens.Load(), "a wrong credential is tried once")
			}
		})
	}
}

func TestConfig(t *testing.T) {
	_, config := start(t)
	for name, change := range map[string]func(*azure.Config){
		"plain HTTP":        func(c *azure.Config) { c.TenantURL = "http://management.x" },
		"path":              func(c *azure.Config) { c.AdminURL += "/metadata" },
		"no authority":      func(c *azure.Config) { c.Authority = "" },
		"no client":         func(c *azure.Config) { c.ClientID = "" },
		"no credential":     func(c *azure.Config) { c.ClientSecret = secret.String{} },
		"two credentials":   func(c *azure.Config) { c.ClientCertificate = secret.New("x") },
		"broken key":        func(c *azure.Config) { c.ClientSecret, c.ClientCertificate = secret.String{}, secret.New("canary") },
		"no certificate":    func(c *azure.Config) { c.CACertificates = []byte("canary") },
		"resolver no port":  func(c *azure.Config) { c.Resolver = "127.0.0.1" },
		"tenant with slash": func(c *azure.Config) { c.Tenant = "adfs/x" },
	} {
		t.Run(name, func(t *testing.T) {
			c := config
			change(&c)
			_, err := azure.New(c)
			require.ErrorIs(t, err, fault.ConfigInvalid)
			require.NotContains(t, err.Error(), "canary")
		})
	}
}

func TestVaults(t *testing.T) {
	server, config := start(t)
	s := open(t, config)
	name := ""
	for o := range server.VaultObjects() {
		name = o.Vault
	}
	vault, err := s.Vault(server.VaultURL(name))
	require.NoError(t, err)
	_, err = vault.List("/secrets", "2016-10-01", nil).Next(t.Context())
	require.NoError(t, err)

	for _, uri := range []string{
		"https://vault.local.azurestack.test", "https://kv.evil.example/", "https://kv.vault.local.azurestack.test.evil.example/", "http://kv.vault." + server.Domain(),
		"https://kv.vault." + server.Domain() + ":1/", "https://user@" + strings.TrimPrefix(server.VaultURL(name), "https://"), "", server.VaultURL(name) + "/secrets",
	} {
		_, err := s.Vault(uri)
		require.ErrorIs(t, err, fault.SourceInvalid, uri)
	}

	other := config
	other.VaultAudience = "https://vault.elsewhere.example/guid"
	vault, err = open(t, other).Vault(server.VaultURL(name))
	require.NoError(t, err)
	_, err = vault.List("/secrets", "2016-10-01", nil).Next(t.Context())
	require.ErrorIs(t, err, fault.SourceInvalid, "a vault that asks for a token for somebody else gets none")
	require.ErrorContains(t, err, "configure it")
}

// TestExpiredToken takes every token back: another one is fetched, once.
func TestExpiredToken(t *testing.T) {
	server, config := start(t)
	s := open(t, config)
	_, err := s.Tenant().Subscriptions(t.Context())
	require.NoError(t, err)
	remove := server.Inject(stamp.Fault{Kind: stamp.ExpiredToken, Times: 1})
	_, err = s.Tenant().Subscriptions(t.Context())
	require.NoError(t, err)
	remove()
	defer server.Inject(stamp.Fault{Kind: stamp.ExpiredToken})()
	_, err = s.Tenant().Subscriptions(t.Context())
	require.ErrorIs(t, err, fault.SourceAuthFailed, "a second refusal is final")
}

func newCertificate(t *testing.T) (*x509.Certificate, secret.String) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "reader"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	certificate, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	text := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})) + string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
	return certificate, secret.New(text)
}

func certificateOnly(pair secret.String) []byte {
	block, _ := pem.Decode([]byte(pair.Reveal()))
	return pem.EncodeToMemory(block)
}
