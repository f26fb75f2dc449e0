package stamp_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/stretchr/testify/require"

	"infrabackup/tests/lab/stamp"
	"infrabackup/tests/lab/stamp/inventory"
)

const subscription = "/subscriptions/11111111-1111-4111-8111-111111111111"

// start starts a stamp that ends with the test.
func start(t *testing.T, o stamp.Options) *stamp.Stamp {
	t.Helper()
	s, err := stamp.Start(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// transport reaches a stamp by name, with its own CA and DNS.
func transport(t testing.TB, s *stamp.Stamp) *http.Client {
	t.Helper()
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(s.CA()))
	dialer := &net.Dialer{Resolver: &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", s.Resolver())
	}}}
	tr := &http.Transport{DialContext: dialer.DialContext, TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 20 * time.Second}
}

// document makes one with the usual members.
func document(endpoint inventory.Endpoint, id, typ, properties string) inventory.Document {
	name := id[strings.LastIndexByte(id, '/')+1:]
	body := fmt.Sprintf(`{"id":%q,"name":%q,"type":%q,"location":"local","tags":{"team":"a"},"properties":%s}`, id, name, typ, properties)
	return inventory.Document{Endpoint: endpoint, ID: id, Type: typ, Body: json.RawMessage(body)}
}

// base is a subscription with a group on both endpoints.
func base() []inventory.Document {
	var all []inventory.Document
	for _, endpoint := range []inventory.Endpoint{inventory.Tenant, inventory.Admin} {
		all = append(all,
			inventory.Document{Endpoint: endpoint, ID: subscription, Body: json.RawMessage(`{"id":"` + subscription + `","subscriptionId":"11111111-1111-4111-8111-111111111111","displayName":"one","state":"Enabled"}`)},
			document(endpoint, subscription+"/resourceGroups/RG", "Microsoft.Resources/resourceGroups", `{"provisioningState":"Succeeded"}`))
	}
	return all
}

func resource(group, typ, name string) inventory.Document {
	return document(inventory.Tenant, subscription+"/resourceGroups/"+group+"/providers/"+typ+"/"+name, typ, `{"provisioningState":"Succeeded"}`)
}

// caller sends requests as one client.
type caller struct {
	t      testing.TB
	s      *stamp.Stamp
	http   *http.Client
	id     string
	secret string
	tokens map[string]string
}

func newCaller(t *testing.T, s *stamp.Stamp) *caller {
	return &caller{t: t, s: s, http: transport(t, s), id: s.ClientID(), secret: s.ClientSecret(), tokens: map[string]string{}}
}

// audience asks the metadata who tokens are for.
func (c *caller) audience(base string) string {
	var m struct {
		Authentication struct{ Audiences []string }
	}
	resp, err := c.http.Get(base + "/metadata/endpoints?api-version=2015-01-01")
	require.NoError(c.t, err)
	defer resp.Body.Close()
	require.NoError(c.t, json.NewDecoder(resp.Body).Decode(&m))
	require.Len(c.t, m.Authentication.Audiences, 1)
	return m.Authentication.Audiences[0]
}

// token gets one with the stamp's own form of client credentials.
func (c *caller) token(audience string) string {
	if c.tokens[audience] != "" {
		return c.tokens[audience]
	}
	resp, err := c.http.PostForm(c.s.AuthorityURL()+"adfs/oauth2/token", map[string][]string{
		"grant_type": {"client_credentials"}, "client_id": {c.id}, "client_secret": {c.secret}, "resource": {audience},
	})
	require.NoError(c.t, err)
	defer resp.Body.Close()
	var got struct {
		AccessToken string `json:"access_token"`
	}
	require.NoError(c.t, json.NewDecoder(resp.Body).Decode(&got))
	require.NotEmpty(c.t, got.AccessToken)
	c.tokens[audience] = got.AccessToken
	return got.AccessToken
}

// reply is a response that was read.
type reply struct {
	*http.Response
	body []byte
	err  error // of reading the body
}

func (r *reply) json(t *testing.T) map[string]any {
	t.Helper()
	var v map[string]any
	require.NoError(t, json.Unmarshal(r.body, &v), "%s", r.body)
	return v
}

// code is the code of an error answer.
func (r *reply) code(t *testing.T) string {
	t.Helper()
	e, _ := r.json(t)["error"].(map[string]any)
	code, _ := e["code"].(string)
	return code
}

// do sends a request with a token for the audience that fits the host.
func (c *caller) do(method, url, body string, headers ...string) (*reply, error) {
	req, err := http.NewRequestWithContext(c.t.Context(), method, url, strings.NewReader(body))
	require.NoError(c.t, err)
	audience := c.audience(c.s.TenantURL())
	if strings.HasPrefix(url, c.s.AdminURL()) {
		audience = c.audience(c.s.AdminURL())
	}
	if strings.Contains(req.Host, ".vault.") {
		audience = strings.Replace(audience, "//management.", "//vault.", 1)
	}
	req.Header.Set("Authorization", "Bearer "+c.token(audience))
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	r := &reply{Response: resp}
	r.body, r.err = io.ReadAll(resp.Body)
	return r, nil
}

// get asks the tenant endpoint and wants an answer.
func (c *caller) get(path string) *reply {
	c.t.Helper()
	if strings.HasPrefix(path, "/") {
		path = c.s.TenantURL() + path
	}
	r, err := c.do(http.MethodGet, path, "")
	require.NoError(c.t, err)
	return r
}

// pages reads a whole list and gives its pages' elements.
func (c *caller) pages(url string) [][]map[string]any {
	c.t.Helper()
	var pages [][]map[string]any
	for url != "" {
		r := c.get(url)
		require.Equal(c.t, http.StatusOK, r.StatusCode, "%s: %s", url, r.body)
		var page struct {
			Value    []map[string]any
			NextLink string
		}
		require.NoError(c.t, json.Unmarshal(r.body, &page))
		pages, url = append(pages, page.Value), page.NextLink
		require.Less(c.t, len(pages), 1000)
	}
	return pages
}

// names are the names of a list's elements.
func (c *caller) names(url string) []string {
	c.t.Helper()
	names := []string{}
	for _, page := range c.pages(url) {
		for _, element := range page {
			name, _ := element["name"].(string)
			names = append(names, name)
		}
	}
	return names
}

// certificate makes a client's own.
func certificate(t *testing.T) (*x509.Certificate, *rsa.PrivateKey) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "client"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	c, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return c, key
}

// options point azidentity at a stamp.
func options(s *stamp.Stamp, audience string, client *http.Client) policy.ClientOptions {
	return policy.ClientOptions{Transport: client, Retry: policy.RetryOptions{MaxRetries: -1}, Cloud: cloud.Configuration{
		ActiveDirectoryAuthorityHost: s.AuthorityURL(),
		Services:                     map[cloud.ServiceName]cloud.ServiceConfiguration{cloud.ResourceManager: {Endpoint: s.TenantURL(), Audience: audience}},
	}}
}

func TestTokensThroughAzidentity(t *testing.T) {
	t.Parallel()
	s := start(t, stamp.Options{Contents: &inventory.Stamp{Documents: base()}})
	c := newCaller(t, s)
	leaf, key := certificate(t)
	s.AddClient(stamp.Client{ID: "with-certificate", Certificate: leaf})
	otherLeaf, otherKey := certificate(t)
	audience := c.audience(s.TenantURL())
	client := options(s, audience, c.http)
	ok := func(cred azcore.TokenCredential, err error) func(*testing.T) {
		return func(t *testing.T) {
			require.NoError(t, err)
			token, err := cred.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{audience + "/.default"}})
			require.NoError(t, err)
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.TenantURL()+"/subscriptions?api-version=2016-06-01", nil)
			require.NoError(t, err)
			req.Header.Set("Authorization", "Bearer "+token.Token)
			resp, err := c.http.Do(req)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			require.Equal(t, http.StatusOK, resp.StatusCode)
			require.Equal(t, 2, resp.ProtoMajor)
		}
	}
	refused := func(cred azcore.TokenCredential, err error) func(*testing.T) {
		return func(t *testing.T) {
			require.NoError(t, err)
			_, err := cred.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{audience + "/.default"}})
			require.ErrorContains(t, err, "invalid_client")
		}
	}
	secret := &azidentity.ClientSecretCredentialOptions{ClientOptions: client, DisableInstanceDiscovery: true}
	cert := &azidentity.ClientCertificateCredentialOptions{ClientOptions: client, DisableInstanceDiscovery: true}
	for _, tenant := range []string{"adfs", "22222222-2222-4222-8222-222222222222"} {
		a, err := azidentity.NewClientSecretCredential(tenant, s.ClientID(), s.ClientSecret(), secret)
		t.Run(tenant+"/secret", ok(a, err))
		b, err := azidentity.NewClientCertificateCredential(tenant, "with-certificate", []*x509.Certificate{leaf}, key, cert)
		t.Run(tenant+"/certificate", ok(b, err))
		d, err := azidentity.NewClientSecretCredential(tenant, s.ClientID(), "wrong", secret)
		t.Run(tenant+"/wrong secret", refused(d, err))
		e, err := azidentity.NewClientSecretCredential(tenant, "nobody", s.ClientSecret(), secret)
		t.Run(tenant+"/unknown client", refused(e, err))
		f, err := azidentity.NewClientCertificateCredential(tenant, "with-certificate", []*x509.Certificate{otherLeaf}, otherKey, cert)
		t.Run(tenant+"/another certificate", refused(f, err))
	}
}

func TestListAndGet(t *testing.T) {
	t.Parallel()
	vm := resource("RG", "Microsoft.Compute/virtualMachines", "VM1")
	s := start(t, stamp.Options{Contents: &inventory.Stamp{Documents: append(base(), vm)}})
	c := newCaller(t, s)
	require.Equal(t, [][]map[string]any{{c.get(vm.ID + "?api-version=2020-06-01").json(t)}}, c.pages("/SUBSCRIPTIONS"+strings.TrimPrefix(subscription, "/subscriptions")+"/providers/microsoft.compute/virtualmachines?api-version=2020-06-01"))
	require.Equal(t, string(vm.Body), string(c.get(strings.ToUpper(vm.ID)+"?api-version=2020-06-01").body))
	require.Equal(t, []string{"RG"}, c.names(subscription+"/resourcegroups?api-version=2019-10-01"))
}
