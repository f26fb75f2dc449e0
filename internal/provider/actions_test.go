package provider

import (
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/auth"
	"infrabackup/internal/portal"
	"infrabackup/internal/rp"
)

// TestEveryActionIsInThePolicy: what API and page ask for under a name that the policy does
// not list, nobody could do.
func TestEveryActionIsInThePolicy(t *testing.T) {
	asked := map[string]bool{
		portal.ActionRead: true, portal.ActionBackup: true, portal.ActionVerify: true, portal.ActionCancel: true, portal.ActionPruneDryRun: true,
		portal.ActionPrune: true, portal.ActionProve: true, portal.ActionAcknowledge: true, portal.ActionWrite: true,
		portal.ActionPlanRestore: true, portal.ActionApplyRestore: true, portal.ActionCancelRestore: true, portal.ActionCompare: true,
	}
	for _, e := range rp.Endpoints() {
		if e.Action != "" {
			asked[e.Action] = true
		}
	}
	require.Greater(t, len(asked), 10)
	for action := range asked {
		require.True(t, auth.Owner.Allows(auth.Action(action)), action)
	}
	require.False(t, auth.Owner.Allows("Microsoft.Backup.Admin/backupLocations/delete"), "it can fail")
}
