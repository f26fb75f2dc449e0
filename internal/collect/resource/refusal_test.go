package resource_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/collect/arm"
	"infrabackup/internal/collect/nrp"
	"infrabackup/internal/collect/rbac"
	"infrabackup/internal/collect/resource"
)

// TestRefusedLists: a refusal that says something of one subscription or group costs what
// it says, and a gap names that.
func TestRefusedLists(t *testing.T) {
	const nics, group = "Microsoft.Network/networkInterfaces", "Microsoft.Resources/resourceGroups"
	for name, test := range map[string]struct {
		table  resource.Table
		of     string // what lies where the list is
		list   string // behind the subscription, or the group
		status int
		code   string
		times  int // 0 for all
		gap    string
		object string
	}{
		"not registered":                {nrp.Table(), nics, "/providers/Microsoft.Network/networkInterfaces", http.StatusConflict, "MissingSubscriptionRegistration", 0, resource.GapNotRegistered, "/providers/Microsoft.Network"},
		"not registered here":           {nrp.Table(), nics, "/providers/Microsoft.Network/networkInterfaces", http.StatusConflict, "MissingRegistrationForLocation", 0, resource.GapNotRegistered, "/providers/Microsoft.Network"},
		"not registered, 400":           {nrp.Table(), nics, "/providers/Microsoft.Network/networkInterfaces", http.StatusBadRequest, "SubscriptionNotRegistered", 0, resource.GapNotRegistered, "/providers/Microsoft.Network"},
		"gateways of a group that goes": {nrp.Table(), group, "/providers/Microsoft.Network/localNetworkGateways", http.StatusConflict, "ResourceGroupBeingDeleted", 0, resource.GapCollectionRefused, "/providers/Microsoft.Network/localNetworkGateways"},
		"deployments of a group":        {arm.Table(elsewhere()), group, "/providers/Microsoft.Resources/deployments", http.StatusConflict, "ResourceGroupBeingDeleted", 0, resource.GapCollectionRefused, "/providers/Microsoft.Resources/deployments"},
		"assignments of a group":        {rbac.Table(), group, "/providers/Microsoft.Authorization/roleAssignments", http.StatusConflict, "ResourceGroupBeingDeleted", 0, resource.GapCollectionRefused, "/providers/Microsoft.Authorization/roleAssignments"},
		"a conflict that passes":        {nrp.Table(), group, "/providers/Microsoft.Network/localNetworkGateways", http.StatusConflict, "Conflict", 1, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			place := s.first(t, test.of).ID
			if test.of != group {
				place = strings.Join(strings.Split(place, "/")[:3], "/")
			}
			f := at(place+test.list, answering(test.status, `{"error":{"code":"`+test.code+`","message":"No."}}`))
			f.Times = test.times
			s.stamp.Inject(f)
			r, err := s.capture(t, test.table, 0)
			require.NoError(t, err)
			found := false
			for _, g := range r.Gaps() {
				require.False(t, test.gap == "" && g.Code == resource.GapCollectionRefused, g)
				found = found || g.Code == test.gap && strings.EqualFold(g.Object, place+test.object)
			}
			require.Equal(t, test.gap != "", found, r.Gaps())
		})
	}
}
