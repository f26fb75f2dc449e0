package stamp_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/tests/lab/stamp"
	"infrabackup/tests/lab/stamp/inventory"
)

// crawler reads everything that lists give, knowing nothing but what providers say.
type crawler struct {
	*caller
	base  string
	found map[string]bool            // bodies
	ids   map[string]map[string]bool // lower-case type → IDs
}

// list reads a list, and notes what it gives under a type. It takes a 404.
func (c *crawler) list(path, typ, version string) {
	c.t.Helper()
	for link := c.base + (&url.URL{Path: path}).EscapedPath() + "?api-version=" + version; link != ""; {
		r := c.get(link)
		if r.StatusCode == http.StatusNotFound {
			return
		}
		require.Equal(c.t, http.StatusOK, r.StatusCode, "%s: %s", link, r.body)
		var page struct {
			Value     []json.RawMessage
			NextLink  string
			ODataLink string `json:"@odata.nextLink"`
		}
		if r.body[0] == '[' {
			require.NoError(c.t, json.Unmarshal(r.body, &page.Value))
		} else {
			require.NoError(c.t, json.Unmarshal(r.body, &page))
		}
		if page.Value == nil { // one object, such as …/settings
			page.Value = []json.RawMessage{r.body}
		}
		for _, body := range page.Value {
			c.found[string(body)] = true
			var named struct{ ID string }
			require.NoError(c.t, json.Unmarshal(body, &named))
			if c.ids[typ] == nil {
				c.ids[typ] = map[string]bool{}
			}
			c.ids[typ][named.ID] = true
		}
		link = page.NextLink + page.ODataLink
	}
}

type provider struct {
	Namespace     string
	ResourceTypes []struct {
		ResourceType string
		APIVersions  []string
	}
}

func (c *crawler) crawl() {
	c.list("/subscriptions", "subscription", "2016-06-01")
	for sub := range c.ids["subscription"] {
		var providers []provider
		for link := c.base + sub + "/providers?api-version=2019-10-01"; link != ""; {
			var page struct {
				Value    []provider
				NextLink string
			}
			require.NoError(c.t, json.Unmarshal(c.get(link).body, &page))
			providers, link = append(providers, page.Value...), page.NextLink
		}
		c.list(sub+"/resourcegroups", "group", "2019-10-01")
		c.list(sub+"/tagNames", "tag", "2019-10-01")
		scopes := []string{sub}
		for group := range c.ids["group"] {
			if strings.HasPrefix(group, sub+"/") {
				scopes = append(scopes, group)
			}
		}
		for depth := 1; depth <= 4; depth++ {
			for _, p := range providers {
				for _, rt := range p.ResourceTypes {
					parts := strings.Split(rt.ResourceType, "/")
					if len(parts) != depth || strings.EqualFold(p.Namespace, "Microsoft.Resources") && parts[0] != "deployments" && parts[0] != "links" {
						continue
					}
					typ := strings.ToLower(p.Namespace + "/" + rt.ResourceType)
					parent := strings.ToLower(p.Namespace + "/" + strings.Join(parts[:depth-1], "/"))
					version := rt.APIVersions[0]
					if depth == 1 {
						for _, scope := range scopes {
							c.list(scope+"/providers/"+p.Namespace+"/"+parts[0], typ, version)
						}
						continue
					}
					if strings.EqualFold(parts[0], "locations") && depth == 2 {
						at := sub + "/providers/" + p.Namespace + "/locations/local/" + parts[1]
						c.list(at, typ, version)
						if parts[1] == "artifactTypes" {
							c.list(at+"/platformImage", typ, version)
							c.list(at+"/VMExtension", typ, version)
						}
					}
					for id := range c.ids[parent] {
						if strings.HasPrefix(id, sub+"/") {
							c.list(id+"/"+parts[depth-1], typ, version)
						}
					}
				}
			}
		}
	}
}

// TestEverythingIsListed makes a stamp with its generator and finds every document and
// every vault object of it through lists and reads alone.
func TestEverythingIsListed(t *testing.T) {
	t.Parallel()
	contents, err := inventory.Generate(inventory.Options{Seed: 7, Resources: 400, Domain: "local.azurestack.test"})
	require.NoError(t, err)
	s := start(t, stamp.Options{Contents: contents, PageSize: 7})
	c := newCaller(t, s)
	for base, endpoint := range map[string]inventory.Endpoint{s.TenantURL(): inventory.Tenant, s.AdminURL(): inventory.Admin} {
		all := &crawler{caller: c, base: base, found: map[string]bool{}, ids: map[string]map[string]bool{}}
		all.crawl()
		n := 0
		for d := range s.Documents() {
			if d.Endpoint == endpoint {
				require.True(t, all.found[string(d.Body)], "%s %s is in no list", d.Type, d.ID)
				n++
			}
		}
		require.Greater(t, n, 50)
	}
	objects := 0
	for o := range s.VaultObjects() {
		objects++
		base := s.VaultURL(o.Vault) + "/" + o.Kind
		require.Contains(t, strings.Join(c.vaultIDs(base+"?api-version=2016-10-01"), " ")+" ", "/"+o.Kind+"/"+o.Name+" ")
		versions := c.vaultIDs(base + "/" + o.Name + "/versions?api-version=2016-10-01")
		require.Len(t, versions, len(o.Versions))
	}
	require.Equal(t, len(contents.VaultObjects), objects)
}

// vaultIDs are the identifiers that a vault's list gives.
func (c *caller) vaultIDs(url string) []string {
	c.t.Helper()
	var ids []string
	for _, page := range c.pages(url) {
		for _, element := range page {
			id, ok := element["id"].(string)
			if !ok {
				id, ok = element["kid"].(string)
			}
			require.True(c.t, ok, "%v", element)
			ids = append(ids, id)
		}
	}
	return ids
}
