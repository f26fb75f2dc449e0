package services

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/tests/lab/stamp"
)

// TestCheckNamesWhatIsMissing takes one permission away from the client and asks the
// collector, as doctor and the worker's start do.
func TestCheckNamesWhatIsMissing(t *testing.T) {
	for service, actions := range map[backup.Service][]string{
		backup.ARM:      {"Microsoft.Authorization/locks/read", "Microsoft.Subscriptions.Admin/plans/read"},
		backup.CRP:      {"Microsoft.Compute/virtualMachines/read", "Microsoft.Compute.Admin/locations/quotas/read"},
		backup.SRP:      {"Microsoft.Storage/storageAccounts/read"},
		backup.NRP:      {"Microsoft.Network/networkInterfaces/read"},
		backup.KeyVault: {"Microsoft.KeyVault/vaults/read", "secrets/list", "keys/list", "certificates/list"},
		backup.RBAC:     {"Microsoft.Authorization/roleAssignments/read"},
	} {
		w := newWorld(t, options{resources: 150})
		require.NoError(t, w.collectors[service].Check(t.Context()), service)
		for _, action := range actions {
			t.Run(string(service)+" without "+action, func(t *testing.T) {
				w.stamp.Deny(w.stamp.ClientID(), func(a stamp.Access) bool { return strings.EqualFold(a.Action, action) })
				defer w.stamp.Deny(w.stamp.ClientID(), nil)
				for name, err := range map[string]error{"check": w.collectors[service].Check(t.Context()), "capture": second(w.capture(t, service))} {
					require.ErrorIs(t, err, fault.SourceAccessDenied, name)
					require.ErrorContains(t, err, w.stamp.ClientID(), name)
					words := strings.Split(action, "/")
					require.Contains(t, strings.ToLower(err.Error()), strings.ToLower(words[len(words)-2]), name)
				}
			})
		}
	}
}

func second[A any](_ A, err error) error { return err }
