package stamp_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/tests/lab/stamp"
	"infrabackup/tests/lab/stamp/inventory"
)

const disks = subscription + "/providers/Microsoft.Compute/disks?api-version=2019-07-01"

// withDisks is a stamp with n disks in one group, named disk-000 and so on.
func withDisks(t *testing.T, n, pageSize int) (*stamp.Stamp, *caller) {
	t.Helper()
	docs := base()
	for i := range n {
		docs = append(docs, resource("RG", "Microsoft.Compute/disks", fmt.Sprintf("disk-%03d", i)))
	}
	s := start(t, stamp.Options{Contents: &inventory.Stamp{Documents: docs}, PageSize: pageSize})
	return s, newCaller(t, s)
}

func TestPagesAreCompleteAndStableUnderChange(t *testing.T) {
	t.Parallel()
	s, c := withDisks(t, 95, 10)
	pages := c.pages(disks)
	require.Len(t, pages, 10)
	require.Len(t, pages[9], 5)

	// Before each further page something before the border goes and something comes.
	n := 0
	remove := s.Observe(func(r *http.Request) {
		if !strings.Contains(r.URL.Path, "/disks") {
			return
		}
		require.True(t, n == 0 || s.Delete(inventory.Tenant, resource("RG", "Microsoft.Compute/disks", fmt.Sprintf("disk-%03d", n-1)).ID))
		s.Put(resource("RG", "Microsoft.Compute/disks", fmt.Sprintf("a-new-%03d", n)))
		n++
	})
	names := c.names(disks)
	remove()
	seen := map[string]bool{}
	for _, name := range names {
		require.False(t, seen[name], "%s twice", name)
		seen[name] = true
	}
	for i := range 95 {
		require.True(t, seen[fmt.Sprintf("disk-%03d", i)], "disk-%03d was there all the time until it was read", i)
	}
	require.Equal(t, http.StatusBadRequest, c.get(disks+"&$skiptoken=nonsense").StatusCode)
}

func TestNextLinkKeepsTheQuery(t *testing.T) {
	t.Parallel()
	_, c := withDisks(t, 12, 5)
	list := subscription + "/resources?api-version=2019-10-01&$expand=createdTime,changedTime&$filter=" + url.QueryEscape("resourceType eq 'Microsoft.Compute/disks' or resourceType eq 'Microsoft.Compute/images'")
	pages := c.pages(list)
	require.Len(t, pages, 3)
	for _, page := range pages {
		for _, element := range page {
			require.NotContains(t, element, "properties")
			require.Contains(t, element, "createdTime")
			require.Equal(t, map[string]any{"team": "a"}, element["tags"])
		}
	}
	require.Empty(t, c.names(subscription+"/resources?api-version=2019-10-01&$filter="+url.QueryEscape("resourceType eq 'Microsoft.Compute/images'")))
	require.Equal(t, http.StatusBadRequest, c.get(subscription+"/resources?api-version=2019-10-01&$filter=nonsense").StatusCode)
	require.Len(t, c.pages(disks + "&$top=2")[0], 2)
	next, ok := c.get(disks).json(t)["nextLink"].(string)
	require.True(t, ok)
	require.True(t, strings.HasPrefix(next, c.s.TenantURL()+"/"), next)
}

func TestEnvelopes(t *testing.T) {
	t.Parallel()
	rg := subscription + "/resourceGroups/RG/providers/"
	admin := subscription + "/providers/"
	doc := func(id, typ string) inventory.Document { return document(inventory.Admin, id, typ, `{}`) }
	docs := append(base(),
		resource("RG", "Microsoft.Compute/virtualMachines", "vm"),
		document(inventory.Tenant, rg+"Microsoft.Compute/virtualMachines/vm/extensions/a", "Microsoft.Compute/virtualMachines/extensions", `{}`),
		document(inventory.Tenant, rg+"Microsoft.Compute/virtualMachines/vm/extensions/b", "Microsoft.Compute/virtualMachines/extensions", `{}`),
		document(inventory.Tenant, rg+"Microsoft.Network/loadBalancers/lb", "Microsoft.Network/loadBalancers", `{"probes":[{"name":"p1","id":"x"},{"name":"p2","id":"y"}]}`),
		doc(admin+"Microsoft.Compute.Admin/locations/local/artifactTypes/platformImage/publishers/p/offers/o/skus/s/versions/1.0", ""),
		doc(admin+"Microsoft.Storage.Admin/locations/local/settings", ""),
		doc(admin+"Microsoft.Storage.Admin/locations/local/storageAccounts/a", ""),
		doc(admin+"Microsoft.Storage.Admin/locations/local/storageAccounts/b", ""),
	)
	s := start(t, stamp.Options{Contents: &inventory.Stamp{Documents: docs}, PageSize: 1})
	c := newCaller(t, s)

	extensions := c.get(rg + "Microsoft.Compute/virtualMachines/vm/extensions?api-version=2020-06-01").json(t)
	require.Len(t, extensions["value"], 2, "one page, whatever the page size")
	require.NotContains(t, extensions, "nextLink")

	lb := rg + "Microsoft.Network/loadBalancers/lb/probes"
	require.Equal(t, []string{"p1", "p2"}, c.names(lb+"?api-version=2018-11-01"), "out of the parent's own body")
	require.Equal(t, "y", c.get(lb + "/p2?api-version=2018-11-01").json(t)["id"])

	images := c.get(s.AdminURL() + admin + "Microsoft.Compute.Admin/locations/local/artifactTypes/platformImage?api-version=2015-12-01-preview")
	require.Equal(t, byte('['), images.body[0])
	settings := c.get(s.AdminURL() + admin + "Microsoft.Storage.Admin/locations/local/settings?api-version=2019-08-08-preview")
	require.Equal(t, "settings", settings.json(t)["name"])
	accounts := c.get(s.AdminURL() + admin + "Microsoft.Storage.Admin/locations/local/storageAccounts?api-version=2019-08-08-preview").json(t)
	require.Contains(t, accounts, "@odata.nextLink")
	require.NotContains(t, accounts, "nextLink")
}

func TestExtensionsAtEveryScope(t *testing.T) {
	t.Parallel()
	vm := resource("RG", "Microsoft.Compute/virtualMachines", "vm")
	at := func(scope, typ, name string) inventory.Document {
		return document(inventory.Tenant, scope+"/providers/Microsoft.Authorization/"+typ+"/"+name, "Microsoft.Authorization/"+typ, `{"principalId":"S-1-5-21-`+name+`","type":"CustomRole"}`)
	}
	docs := append(base(), vm,
		at("", "roleAssignments", "root"), at(subscription, "roleAssignments", "sub"), at(subscription+"/resourceGroups/RG", "roleAssignments", "group"), at(vm.ID, "roleAssignments", "vm"),
		at("", "roleDefinitions", "builtin"), at(subscription, "roleDefinitions", "custom"),
		at(subscription, "locks", "sub"), at(vm.ID, "locks", "vm"))
	s := start(t, stamp.Options{Contents: &inventory.Stamp{Documents: docs}, PageSize: 2})
	c := newCaller(t, s)
	group := subscription + "/resourceGroups/RG"
	for _, test := range []struct {
		scope, typ, filter string
		want               []string
	}{
		{subscription, "roleAssignments?api-version=2015-07-01", "", []string{"root", "sub", "group", "vm"}},
		{group, "roleAssignments?api-version=2015-07-01", "", []string{"root", "sub", "group", "vm"}},
		{group, "roleAssignments?api-version=2015-07-01", "atScope()", []string{"root", "sub", "group"}},
		{vm.ID, "roleAssignments?api-version=2015-07-01", "atScope()", []string{"root", "sub", "group", "vm"}},
		{subscription, "roleAssignments?api-version=2015-07-01", "principalId eq 'S-1-5-21-vm'", []string{"vm"}},
		{subscription, "roleDefinitions?api-version=2015-07-01", "", []string{"builtin", "custom"}},
		{vm.ID, "roleDefinitions?api-version=2015-07-01", "", []string{"builtin", "custom"}},
		{subscription, "locks?api-version=2016-09-01", "", []string{"sub", "vm"}},
		{subscription, "locks?api-version=2016-09-01", "atScope()", []string{"sub"}},
		{group, "locks?api-version=2016-09-01", "", []string{"vm"}},
	} {
		require.ElementsMatch(t, test.want, c.names(test.scope+"/providers/Microsoft.Authorization/"+test.typ+"&$filter="+url.QueryEscape(test.filter)), "%+v", test)
	}
	require.Equal(t, http.StatusOK, c.get(vm.ID+"/providers/Microsoft.Authorization/roleDefinitions/builtin?api-version=2015-07-01").StatusCode)
	require.Equal(t, http.StatusNotFound, c.get(vm.ID+"x/providers/Microsoft.Authorization/locks?api-version=2016-09-01").StatusCode)
}

func TestARMsOwnLists(t *testing.T) {
	t.Parallel()
	s, c := withDisks(t, 3, 0)
	require.Equal(t, []string{"local"}, c.names(subscription+"/locations?api-version=2016-06-01"))
	require.Len(t, c.pages("/tenants?api-version=2016-06-01")[0], 1)
	tags := c.pages(subscription + "/tagNames?api-version=2019-10-01")[0]
	require.Len(t, tags, 1)
	require.Equal(t, map[string]any{"type": "Total", "value": 4.0}, tags[0]["count"], "three disks and their group")
	var compute map[string]any
	for _, p := range c.pages(subscription + "/providers?api-version=2019-10-01")[0] {
		require.NotContains(t, p["namespace"], ".Admin")
		if p["namespace"] == "Microsoft.Compute" {
			compute = p
		}
	}
	require.Contains(t, compute["resourceTypes"], map[string]any{"resourceType": "disks", "locations": []any{"local"}, "apiVersions": []any{"2019-07-01", "2017-03-30"}})
	require.Equal(t, compute, c.get(subscription+"/providers/Microsoft.Compute?api-version=2019-10-01").json(t))
	admin := c.pages(s.AdminURL() + subscription + "/providers?api-version=2019-10-01")[0]
	require.Greater(t, len(admin), len(c.pages(subscription + "/providers?api-version=2019-10-01")[0]))
}
