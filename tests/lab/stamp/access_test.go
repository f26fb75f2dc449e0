package stamp_test

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/tests/lab/stamp"
	"infrabackup/tests/lab/stamp/inventory"
)

func TestNamesResolve(t *testing.T) {
	t.Parallel()
	s := start(t, stamp.Options{Domain: "Region.Cloud.Example"})
	require.Equal(t, "region.cloud.example", s.Domain())
	r := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", s.Resolver())
	}}
	for _, name := range []string{"management", "ADMINMANAGEMENT", "adfs", "any-vault.vault"} {
		ips, err := r.LookupNetIP(t.Context(), "ip4", name+".region.cloud.example.")
		require.NoError(t, err)
		require.Len(t, ips, 1)
		require.Equal(t, "127.0.0.1", ips[0].String())
		_, err = r.LookupNetIP(t.Context(), "ip6", name+".region.cloud.example.")
		var none *net.DNSError
		require.ErrorAs(t, err, &none)
		require.True(t, none.IsNotFound)
	}
	_, err := r.LookupNetIP(t.Context(), "ip", "management.elsewhere.example.")
	require.Error(t, err)
	// What is no query is passed over.
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "udp", s.Resolver())
	require.NoError(t, err)
	_, err = conn.Write([]byte("nonsense"))
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	_, err = r.LookupNetIP(t.Context(), "ip4", "adfs.region.cloud.example.")
	require.NoError(t, err)
}

func TestMetadata(t *testing.T) {
	t.Parallel()
	s := start(t, stamp.Options{})
	client := transport(t, s)
	c := &caller{t: t, s: s, http: client}
	for base, host := range map[string]string{s.TenantURL(): "management", s.AdminURL(): "adminmanagement"} {
		resp, err := client.Get(base + "/metadata/endpoints?api-version=2015-01-01")
		require.NoError(t, err)
		var m map[string]any
		require.NoError(t, json.NewDecoder(resp.Body).Decode(&m))
		require.NoError(t, resp.Body.Close())
		require.Equal(t, 200, resp.StatusCode)
		require.NotEmpty(t, resp.Header.Get("Date"))
		require.NotEmpty(t, resp.Header.Get("x-ms-request-id"))
		for _, member := range []string{"galleryEndpoint", "graphEndpoint", "portalEndpoint"} {
			require.NotEmpty(t, m[member], member)
		}
		require.Equal(t, s.AuthorityURL()+"adfs", m["authentication"].(map[string]any)["loginEndpoint"])
		require.Regexp(t, `^https://`+host+`\.adfs\.local\.azurestack\.test/[0-9a-f-]{36}$`, c.audience(base))
	}
}

func TestTokensAreForOneAudienceAndOneHour(t *testing.T) {
	t.Parallel()
	var now atomic.Int64
	now.Store(time.Now().Unix())
	s := start(t, stamp.Options{Contents: &inventory.Stamp{Documents: base()}, Now: func() time.Time { return time.Unix(now.Load(), 0) }})
	c := newCaller(t, s)
	path := "/subscriptions?api-version=2016-06-01"
	require.Equal(t, 200, c.get(path).StatusCode)
	tenant, admin := c.token(c.audience(s.TenantURL())), c.audience(s.AdminURL())
	c.tokens[admin] = tenant
	r := c.get(s.AdminURL() + path)
	require.Equal(t, 401, r.StatusCode)
	require.Equal(t, "InvalidAuthenticationTokenAudience", r.code(t))
	require.Contains(t, r.Header.Get("WWW-Authenticate"), `Bearer authorization_uri="`+s.AuthorityURL()+`adfs"`)
	delete(c.tokens, admin)
	require.Equal(t, 200, c.get(s.AdminURL()+path).StatusCode)
	now.Add(3600)
	require.Equal(t, "ExpiredAuthenticationToken", c.get(path).code(t))
	clear(c.tokens)
	require.Equal(t, 200, c.get(path).StatusCode)

	resp, err := c.http.Get(s.TenantURL() + path)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, 401, resp.StatusCode)
	resp, err = c.http.PostForm(s.AuthorityURL()+"adfs/oauth2/token/", map[string][]string{"grant_type": {"client_credentials"}, "client_id": {s.ClientID()}, "client_secret": {s.ClientSecret()}, "resource": {"https://evil.example/"}})
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, 400, resp.StatusCode)
}

func TestPermissionsAreTheClients(t *testing.T) {
	t.Parallel()
	docs := append(base(), resource("RG", "Microsoft.Compute/disks", "d"), inventory.Document{Endpoint: inventory.Tenant, ID: "/subscriptions/two", Body: []byte(`{"id":"/subscriptions/two","name":"two"}`)})
	s := start(t, stamp.Options{Contents: &inventory.Stamp{Documents: docs}})
	s.AddClient(stamp.Client{ID: "reader", Secret: "s", Deny: func(a stamp.Access) bool {
		return a.Action == "Microsoft.Compute/disks/read" || a.Path == "/subscriptions/two" || a.Method != http.MethodGet
	}})
	all := newCaller(t, s)
	c := &caller{t: t, s: s, http: all.http, id: "reader", secret: "s", tokens: map[string]string{}}
	denied := c.get(disks)
	require.Equal(t, 403, denied.StatusCode)
	require.Equal(t, "AuthorizationFailed", denied.code(t))
	require.Contains(t, string(denied.body), "'reader'")
	require.Contains(t, string(denied.body), "over scope '"+subscription+"'")
	require.Equal(t, 200, c.get(subscription+"/resourcegroups?api-version=2019-10-01").StatusCode)
	require.Len(t, c.pages("/subscriptions?api-version=2016-06-01")[0], 1, "ARM leaves out what the client may not see")
	require.Len(t, all.pages("/subscriptions?api-version=2016-06-01")[0], 2)
	s.Deny("reader", nil)
	require.Equal(t, 200, c.get(disks).StatusCode, "with the same token")
	s.Deny("reader", func(stamp.Access) bool { return true })
	require.Equal(t, 403, c.get(disks).StatusCode)
	s.Deny(s.ClientID(), func(a stamp.Access) bool { return a.Endpoint == inventory.Admin })
	require.Equal(t, 200, all.get(disks).StatusCode)
	require.Equal(t, 403, all.get(s.AdminURL()+disks).StatusCode)
}

func TestBoundsAndProtocols(t *testing.T) {
	t.Parallel()
	s := start(t, stamp.Options{Contents: &inventory.Stamp{Documents: base()}})
	c := newCaller(t, s)
	require.Equal(t, 2, c.get("/subscriptions?api-version=2016-06-01").ProtoMajor)
	one := c.http.Transport.(*http.Transport).Clone()
	one.ForceAttemptHTTP2, one.TLSNextProto = false, nil
	one.Protocols = new(http.Protocols)
	one.Protocols.SetHTTP1(true)
	one.TLSClientConfig.NextProtos = nil
	t.Cleanup(one.CloseIdleConnections)
	old := &caller{t: t, s: s, http: &http.Client{Transport: one}, id: c.id, secret: c.secret, tokens: c.tokens}
	require.Equal(t, 1, old.get("/subscriptions?api-version=2016-06-01").ProtoMajor)
	s.Inject(stamp.Fault{Match: func(r *http.Request) bool { return r.URL.Path == "/subscriptions" }, Kind: stamp.HalfBody, Times: 1})
	require.Error(t, old.get("/subscriptions?api-version=2016-06-01").err)

	big, err := c.do(http.MethodPut, s.TenantURL()+subscription+"/resourceGroups/new?api-version=2019-10-01", `{"location":"`+strings.Repeat("x", 5<<20)+`"}`)
	require.NoError(t, err)
	require.Equal(t, http.StatusRequestEntityTooLarge, big.StatusCode)
	tooMuch, err := old.do(http.MethodGet, s.TenantURL()+"/subscriptions?api-version=2016-06-01", "", "X-Big", strings.Repeat("x", 100<<10))
	if err == nil { // the server may also cut the connection
		require.Equal(t, http.StatusRequestHeaderFieldsTooLarge, tooMuch.StatusCode)
	}
	correlated, err := c.do(http.MethodGet, s.TenantURL()+"/subscriptions?api-version=2016-06-01", "", "x-ms-correlation-request-id", "mine")
	require.NoError(t, err)
	require.Equal(t, "mine", correlated.Header.Get("x-ms-correlation-request-id"))
	require.NotEqual(t, "mine", correlated.Header.Get("x-ms-request-id"))
}
