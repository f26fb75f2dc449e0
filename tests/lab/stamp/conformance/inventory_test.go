package conformance_test

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"infrabackup/tests/lab/stamp/conformance"
	"infrabackup/tests/lab/stamp/inventory"
)

func load(t *testing.T) *conformance.Spec {
	t.Helper()
	s, err := conformance.Load(os.DirFS("../../../spec"))
	require.NoError(t, err)
	return s
}

func contents(t *testing.T, resources int) *inventory.Stamp {
	t.Helper()
	s, err := inventory.Generate(inventory.Options{
		Seed: 11, Resources: resources, Domain: "local.azurestack.test", Dangling: 2, Now: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC),
	})
	require.NoError(t, err)
	return s
}

// unlisted are types whose elements no operation of a definition gives by itself.
var unlisted = map[string]string{
	"Microsoft.Network.Admin/adminVirtualNetworks":   "only listed",
	"Microsoft.Network.Admin/adminPublicIpAddresses": "only listed",
	"Microsoft.Network.Admin/adminLoadBalancers":     "only listed",
	"Microsoft.Storage.Admin/locations/acquisitions": "only listed",
	"Microsoft.KeyVault.Admin/locations/quotas":      "only listed",
	"Contoso.Widgets/gadgets":                        "only the generic operation has it",
}

func TestGeneratedDocumentsConform(t *testing.T) {
	spec := load(t)
	count := 0
	found := map[string]string{} // problem and an example
	for _, d := range contents(t, 2000).Documents {
		o, problems, err := spec.Check(conformance.Manager, "GET", d.ID, "", 200, d.Body)
		if unlisted[d.Type] != "" {
			require.True(t, o == nil || o.Generic(), "%s is given by %v", d.Type, o)
			continue
		}
		if !assert.NoError(t, err, d.Type) {
			continue
		}
		for _, p := range problems {
			found[p.String()+" in "+o.File] = d.ID
		}
		if o.Generic() {
			found["only "+o.Path+" knows "+d.Type] = d.ID
		}
		count++
	}
	require.Empty(t, found)
	require.Greater(t, count, 2000)
}

func TestGeneratedVaultObjectsConform(t *testing.T) {
	spec := load(t)
	for _, v := range contents(t, 2000).VaultObjects {
		for _, version := range v.Versions {
			_, problems, err := spec.Check(conformance.Vault, "GET", "/"+v.Kind+"/"+v.Name+"/"+version.Version, "2016-10-01", 200, version.Body)
			require.NoError(t, err)
			require.Empty(t, problems, string(version.Body))
		}
		if v.Policy != nil {
			_, problems, err := spec.Check(conformance.Vault, "GET", "/certificates/"+v.Name+"/policy", "2016-10-01", 200, v.Policy)
			require.NoError(t, err)
			require.Empty(t, problems, string(v.Policy))
		}
	}
}
