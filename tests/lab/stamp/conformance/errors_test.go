package conformance_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/tests/lab/stamp"
	"infrabackup/tests/lab/stamp/conformance"
	"infrabackup/tests/lab/stamp/inventory"
)

// TestErrorsOfTheStampConform provokes refusals of both planes.
func TestErrorsOfTheStampConform(t *testing.T) {
	w := newWalker(t, contents(t, 300), time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC))
	var group, subscription, vault string
	for d := range w.s.Documents() {
		if d.Endpoint != inventory.Tenant {
			continue
		}
		switch d.Type {
		case "Microsoft.Resources/subscriptions":
			subscription = d.ID
		case "Microsoft.Resources/resourceGroups":
			group = d.ID
		case "Microsoft.KeyVault/vaults":
			vault = d.ID[strings.LastIndexByte(d.ID, '/')+1:]
		}
	}
	tenant := w.s.TenantURL()
	for _, test := range []struct {
		name    string
		plane   conformance.Plane
		base    string
		path    string
		version string
		status  int
	}{
		{"no such network", conformance.Manager, tenant, group + "/providers/Microsoft.Network/virtualNetworks/none", "2018-11-01", http.StatusNotFound},
		{"no such subnet", conformance.Manager, tenant, group + "/providers/Microsoft.Network/virtualNetworks/none/subnets", "2018-11-01", http.StatusNotFound},
		{"no such group", conformance.Manager, tenant, subscription + "/resourceGroups/none/providers/Microsoft.Compute/disks", "2019-07-01", http.StatusNotFound},
		{"no such subscription", conformance.Manager, tenant, "/subscriptions/5d1e4b0c-7a26-4e37-9d1c-000000000001/resourceGroups", "2019-10-01", http.StatusNotFound},
		{"an unknown api-version", conformance.Manager, tenant, group + "/providers/Microsoft.Compute/disks", "2001-01-01", http.StatusBadRequest},
		{"the operator's on the tenant's endpoint", conformance.Manager, tenant, subscription + "/providers/Microsoft.Subscriptions.Admin/plans", "2015-11-01", http.StatusNotFound},
		{"no such secret", conformance.Vault, w.s.VaultURL(vault), "/secrets/none/", "2016-10-01", http.StatusNotFound},
		{"no such key", conformance.Vault, w.s.VaultURL(vault), "/keys/none/0123456789abcdef0123456789abcdef", "2016-10-01", http.StatusNotFound},
		{"a vault's unknown api-version", conformance.Vault, w.s.VaultURL(vault), "/secrets", "7.0", http.StatusBadRequest},
	} {
		t.Run(test.name, func(t *testing.T) {
			base := test.base
			if test.plane == conformance.Vault {
				base = tenant
			}
			a := w.do(http.MethodGet, test.base+test.path+"?api-version="+test.version, w.token(base, test.plane), nil)
			require.Equal(t, test.status, a.status, string(a.body))
			w.holds(t, test.plane, test.path, a)
			// Without a token the same is refused in the same form.
			a = w.do(http.MethodGet, test.base+test.path+"?api-version="+test.version, "", nil)
			require.Equal(t, http.StatusUnauthorized, a.status)
			w.holds(t, test.plane, test.path, a)
		})
	}
	for status, kind := range map[int]stamp.FaultKind{429: stamp.Throttled, 500: stamp.InternalError, 503: stamp.Unavailable, 403: stamp.Forbidden} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			for plane, at := range map[conformance.Plane][2]string{
				conformance.Manager: {tenant, group + "/providers/Microsoft.Compute/disks?api-version=2019-07-01"},
				conformance.Vault:   {w.s.VaultURL(vault), "/secrets?api-version=2016-10-01"},
			} {
				token := w.token(tenant, plane)
				defer w.s.Inject(stamp.Fault{Kind: kind})()
				a := w.do(http.MethodGet, at[0]+at[1], token, nil)
				require.Equal(t, status, a.status)
				path, _, _ := strings.Cut(at[1], "?")
				w.holds(t, plane, path, a)
			}
		})
	}
	t.Run("denied", func(t *testing.T) {
		w.s.Deny(w.s.ClientID(), func(stamp.Access) bool { return true })
		a := w.do(http.MethodGet, tenant+group+"/providers/Microsoft.Compute/disks?api-version=2019-07-01", w.token(tenant, conformance.Manager), nil)
		require.Equal(t, http.StatusForbidden, a.status)
		w.holds(t, conformance.Manager, group+"/providers/Microsoft.Compute/disks", a)
		a = w.do(http.MethodGet, w.s.VaultURL(vault)+"/secrets?api-version=2016-10-01", w.token(tenant, conformance.Vault), nil)
		require.Equal(t, http.StatusForbidden, a.status)
		w.holds(t, conformance.Vault, "/secrets", a)
	})
}

// holds wants an error's body to be what the definition of the path says.
func (w *walker) holds(t *testing.T, plane conformance.Plane, path string, a answer) {
	t.Helper()
	_, problems, err := w.spec.Check(plane, http.MethodGet, path, "", a.status, a.body)
	require.NoError(t, err)
	require.Empty(t, problems, string(a.body))
}
