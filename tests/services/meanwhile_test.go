package services

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect/collecttest"
	"infrabackup/internal/collect/resource"
	"infrabackup/tests/lab/stamp/inventory"
)

// first returns a document of a type.
func (w *world) first(t *testing.T, fullType string) inventory.Document {
	t.Helper()
	for d := range w.stamp.Documents() {
		if strings.EqualFold(d.Type, fullType) {
			return d
		}
	}
	require.Fail(t, "the stamp holds none", fullType)
	return inventory.Document{}
}

// changed is a document with another tag.
func changed(d inventory.Document) inventory.Document {
	d.Body = []byte(`{"x-changed":"meanwhile",` + string(d.Body[1:]))
	return d
}

// renamed is a copy of a document under another name.
func renamed(d inventory.Document, suffix string) inventory.Document {
	name := d.ID[strings.LastIndexByte(d.ID, '/')+1:]
	d.ID += suffix
	d.Body = []byte(strings.ReplaceAll(string(d.Body), "/"+name+`"`, "/"+name+suffix+`"`))
	return d
}

// once runs fn at the first request that ends like path.
func (w *world) once(t *testing.T, path string, fn func()) (happened func() bool) {
	t.Helper()
	var one sync.Once
	done := false
	var mu sync.Mutex
	stop := w.stamp.Observe(func(r *http.Request) {
		if strings.HasSuffix(strings.ToLower(r.URL.Path), strings.ToLower(path)) {
			one.Do(func() {
				fn()
				mu.Lock()
				defer mu.Unlock()
				done = true
			})
		}
	})
	t.Cleanup(stop)
	return func() bool {
		mu.Lock()
		defer mu.Unlock()
		return done
	}
}

func gapsOf(r *collecttest.Recorder, code string) []string {
	var objects []string
	for _, g := range r.Gaps() {
		if g.Code == code {
			objects = append(objects, strings.ToLower(g.Object))
		}
	}
	return objects
}

// TestChangesMeanwhile changes, adds and deletes resources that were read already,
// while others are read.
func TestChangesMeanwhile(t *testing.T) {
	for name, test := range map[string]struct {
		service  backup.Service
		fullType string
		when     string // the request at which it happens: behind the type's own list
	}{
		"tracked":                 {backup.CRP, "Microsoft.Compute/disks", "/providers/microsoft.compute/virtualmachines"},
		"tracked, in groups":      {backup.NRP, "Microsoft.Network/localNetworkGateways", "/providers/microsoft.network/dnszones"},
		"not tracked":             {backup.ARM, "Microsoft.Resources/resourceGroups", "/providers/microsoft.authorization/locks"},
		"of the operator":         {backup.ARM, "Microsoft.Subscriptions.Admin/plans", "/providers/microsoft.subscriptions.admin/manifests"},
		"role assignments":        {backup.RBAC, "Microsoft.Authorization/roleAssignments", "/resources"},
		"vaults":                  {backup.KeyVault, "Microsoft.KeyVault/vaults", "/providers/microsoft.keyvault.admin/locations/local/quotas"},
		"of a type nobody has":    {backup.ARM, "Contoso.Widgets/gadgets", "/providers/microsoft.authorization/locks"},
		"storage of the operator": {backup.SRP, "Microsoft.Storage.Admin/locations/quotas", "/providers/microsoft.storage.admin/storageservices"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			t.Run("changed", func(t *testing.T) {
				w := newWorld(t, options{resources: 150})
				d := w.first(t, test.fullType)
				happened := w.once(t, test.when, func() { w.stamp.Put(changed(d)) })
				r, err := w.capture(t, test.service)
				require.NoError(t, err)
				if test.service != backup.RBAC { // whose lists are all read before that request
					require.True(t, happened())
				}
				w.requireComplete(t, test.service, r.Calls())
				requireUnique(t, r.Calls())
			})
			t.Run("added", func(t *testing.T) {
				w := newWorld(t, options{resources: 150})
				d := renamed(w.first(t, test.fullType), "-new")
				w.once(t, test.when, func() { w.stamp.Put(d) })
				r, err := w.capture(t, test.service)
				require.NoError(t, err)
				w.requireComplete(t, test.service, r.Calls())
				requireUnique(t, r.Calls())
			})
			t.Run("deleted", func(t *testing.T) {
				w := newWorld(t, options{resources: 150})
				d := w.first(t, test.fullType)
				happened := w.once(t, test.when, func() { w.stamp.Delete(d.Endpoint, d.ID) })
				r, err := w.capture(t, test.service)
				require.NoError(t, err)
				w.requireComplete(t, test.service, r.Calls())
				// Lists are read ahead, so that it may have gone before its own was read.
				if happened() && slices.Contains(ofType(t, r, test.fullType), strings.ToLower(d.ID)) && test.fullType != "Contoso.Widgets/gadgets" { // first looked at behind the request
					require.Contains(t, gapsOf(r, resource.GapVanished), strings.ToLower(d.ID))
				}
			})
		})
	}
}

// TestParentVanishes deletes a machine when the list of its extensions is asked for.
func TestParentVanishes(t *testing.T) {
	w := newWorld(t, options{resources: 150})
	machine := w.first(t, "Microsoft.Compute/virtualMachines")
	happened := w.once(t, machine.ID+"/extensions", func() {
		for d := range w.stamp.Documents() {
			if strings.HasPrefix(strings.ToLower(d.ID), strings.ToLower(machine.ID)) {
				w.stamp.Delete(d.Endpoint, d.ID)
			}
		}
	})
	r, err := w.capture(t, backup.CRP)
	require.NoError(t, err)
	require.True(t, happened())
	require.Contains(t, gapsOf(r, resource.GapVanished), strings.ToLower(machine.ID))
	w.requireComplete(t, backup.CRP, r.Calls())
}

// TestSecretsMeanwhile changes what a vault holds while it is read.
func TestSecretsMeanwhile(t *testing.T) {
	w := newWorld(t, options{resources: 300})
	var objects []inventory.VaultObject
	for o := range w.stamp.VaultObjects() {
		if o.Kind == "secrets" && !o.Managed {
			objects = append(objects, o)
		}
	}
	require.GreaterOrEqual(t, len(objects), 2)
	gone, other := objects[0], objects[len(objects)-1]
	added := other
	added.Name += "-new"
	added.Versions = nil
	for _, v := range other.Versions {
		v.Body = []byte(strings.ReplaceAll(string(v.Body), "/"+other.Name+"/", "/"+added.Name+"/"))
		added.Versions = append(added.Versions, v)
	}
	w.once(t, "/secrets/"+gone.Name+"/versions", func() {
		w.stamp.DeleteVaultObject(gone.Vault, gone.Kind, gone.Name)
		w.stamp.PutVaultObject(added)
	})
	r, err := w.capture(t, backup.KeyVault)
	require.NoError(t, err)
	w.requireComplete(t, backup.KeyVault, r.Calls())
	require.NotEmpty(t, gapsOf(r, resource.GapVanished))
}

// TestVersions offers other api-versions than any that the tables know.
func TestVersions(t *testing.T) {
	w := newWorld(t, options{resources: 150, versions: map[string][]string{
		"Microsoft.Compute/virtualMachines":       {"2031-01-01", "2030-01-01-preview"},
		"Microsoft.Network/virtualNetworks":       {"2014-05-01"},
		"Microsoft.KeyVault/vaults":               {"2031-01-01"},
		"Microsoft.Storage/storageAccounts":       {"2031-01-01", "2019-06-01"},
		"Microsoft.Authorization/roleAssignments": {"2031-01-01"},
		"Microsoft.Compute/dreamMachines/dreams":  {"2031-01-01"},
		"Contoso.Widgets/sprockets":               {"2031-01-01"},
	}})
	want := map[backup.Service]string{
		backup.CRP: "microsoft.compute/virtualmachines 2030-01-01-preview", backup.NRP: "microsoft.network/virtualnetworks 2014-05-01",
		backup.KeyVault: "microsoft.keyvault/vaults 2031-01-01", backup.RBAC: "microsoft.authorization/roleassignments 2031-01-01",
	}
	for _, service := range stampServices {
		r, err := w.capture(t, service)
		require.NoError(t, err, service)
		w.requireComplete(t, service, r.Calls())
		if object := want[service]; object != "" {
			require.Contains(t, gapsOf(r, resource.GapVersionUntested), object, service)
		}
		for _, c := range r.Calls() {
			if c.Document != nil && service == backup.SRP && c.Item.Kind == "storage-account" {
				require.Equal(t, "2019-06-01", gjson.GetBytes(c.Document, "apiVersion").String())
			}
		}
		switch service {
		case backup.CRP:
			require.Contains(t, gapsOf(r, resource.GapTypeUnknown), "microsoft.compute/dreammachines/dreams")
			require.NotEmpty(t, ofType(t, r, "Microsoft.Compute/galleries"), "a type that no table knows is captured")
		case backup.ARM:
			require.NotEmpty(t, ofType(t, r, "Contoso.Widgets/gadgets"))
			require.NotContains(t, gapsOf(r, resource.GapTypeUnknown), "contoso.widgets/sprockets", "it has a list, which is empty")
		}
	}
}

func ofType(t *testing.T, r *collecttest.Recorder, fullType string) (ids []string) {
	t.Helper()
	for _, c := range r.Calls() {
		if c.Document != nil && strings.EqualFold(gjson.GetBytes(c.Document, "type").String(), fullType) {
			ids = append(ids, c.Item.ID)
		}
	}
	return ids
}

// TestSubscriptionMeanwhile adds a subscription with resources when everything else
// was listed.
func TestSubscriptionMeanwhile(t *testing.T) {
	for service, when := range map[backup.Service]string{
		backup.ARM: "/providers/microsoft.authorization/locks", backup.CRP: "/providers/microsoft.compute/virtualmachines",
		backup.NRP: "/providers/microsoft.network/dnszones", backup.RBAC: "/providers/microsoft.authorization/roleassignments",
	} {
		t.Run(string(service), func(t *testing.T) {
			w := newWorld(t, options{resources: 150})
			old := ""
			for d := range w.stamp.Documents() {
				if d.Endpoint == inventory.Tenant && strings.EqualFold(d.Type, "Microsoft.Resources/subscriptions") {
					old = gjson.GetBytes(d.Body, "subscriptionId").String()
				}
			}
			const added = "c0ffee00-1111-4222-8333-444455556666"
			happened := w.once(t, when, func() {
				for d := range w.stamp.Documents() {
					if d.Endpoint == inventory.Tenant && strings.Contains(d.ID, old) && ownerOf(d.Type) != backup.KeyVault {
						d.ID = strings.ReplaceAll(d.ID, old, added)
						d.Body = []byte(strings.ReplaceAll(string(d.Body), old, added))
						w.stamp.Put(d)
					}
				}
			})
			r, err := w.capture(t, service)
			require.NoError(t, err)
			require.True(t, happened())
			w.requireComplete(t, service, r.Calls())
		})
	}
}
