package stamp_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/tests/lab/stamp"
	"infrabackup/tests/lab/stamp/inventory"
)

func TestRefusals(t *testing.T) {
	t.Parallel()
	s := start(t, stamp.Options{
		Contents: &inventory.Stamp{Documents: append(base(), resource("RG", "Microsoft.Compute/virtualMachines", "VM1"))},
		Versions: map[string][]string{"Microsoft.Compute/images": {"2017-12-01"}, "Contoso.Widgets/widgets": {"2020-01-01"}},
	})
	c := newCaller(t, s)
	compute := subscription + "/providers/Microsoft.Compute/"
	for _, test := range []struct {
		path   string
		status int
		code   string
	}{
		{compute + "virtualMachines", http.StatusBadRequest, "MissingApiVersionParameter"},
		{compute + "virtualMachines?api-version=2031-01-01", http.StatusBadRequest, "NoRegisteredProviderFound"},
		{compute + "images?api-version=2020-06-01", http.StatusBadRequest, "NoRegisteredProviderFound"},
		{compute + "images?api-version=2017-12-01", http.StatusOK, ""},
		{subscription + "/resourcegroups?api-version=2031-01-01", http.StatusBadRequest, "InvalidApiVersionParameter"},
		{compute + "hostGroups?api-version=2020-06-01", http.StatusNotFound, "InvalidResourceType"},
		{subscription + "/providers/Contoso.Gadgets/gadgets?api-version=2020-06-01", http.StatusNotFound, "InvalidResourceNamespace"},
		{subscription + "/providers/Contoso.Widgets/widgets?api-version=2020-01-01", http.StatusOK, ""},
		{subscription + "/providers/Microsoft.Subscriptions.Admin/offers?api-version=2015-11-01", http.StatusNotFound, "InvalidResourceNamespace"},
		{s.AdminURL() + subscription + "/providers/Microsoft.Subscriptions.Admin/offers?api-version=2015-11-01", http.StatusOK, ""},
		{compute + "virtualMachines/VM1/extensions?api-version=2020-06-01", http.StatusNotFound, "ParentResourceNotFound"},
		{subscription + "/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/VM1/extensions?api-version=2020-06-01", http.StatusOK, ""},
		{subscription + "/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/VM2/extensions?api-version=2020-06-01", http.StatusNotFound, "ParentResourceNotFound"},
		{subscription + "/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/VM2?api-version=2020-06-01", http.StatusNotFound, "ResourceNotFound"},
		{subscription + "/resourceGroups/none/providers/Microsoft.Compute/virtualMachines?api-version=2020-06-01", http.StatusNotFound, "ResourceGroupNotFound"},
		{"/subscriptions/none/providers/Microsoft.Compute/virtualMachines?api-version=2020-06-01", http.StatusNotFound, "SubscriptionNotFound"},
		{subscription + "/providers/Microsoft.Network/connections?api-version=2018-11-01", http.StatusNotFound, "InvalidResourceType"},
	} {
		t.Run(test.path, func(t *testing.T) {
			r := c.get(test.path)
			require.Equal(t, test.status, r.StatusCode, "%s", r.body)
			if test.code != "" {
				require.Equal(t, test.code, r.code(t))
			}
		})
	}
}
