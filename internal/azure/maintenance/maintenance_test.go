package maintenance_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/azure"
	"infrabackup/internal/azure/maintenance"
	"infrabackup/internal/secret"
	"infrabackup/tests/lab/stamp"
	"infrabackup/tests/lab/stamp/inventory"
)

func TestUpdating(t *testing.T) {
	for state, want := range map[string]string{"": "", "UpdateInProgress": "location local is UpdateInProgress", "UpdateFailed": ""} {
		contents, err := inventory.Generate(inventory.Options{Seed: 1, Resources: 60, Domain: "local.azurestack.test"})
		require.NoError(t, err)
		if state != "" {
			found := 0
			for i := range contents.Documents {
				r := &contents.Documents[i]
				if now := bytes.Replace(r.Body, []byte("AppliedUpdateAvailableSuccessfully"), []byte(state), 1); !bytes.Equal(now, r.Body) {
					r.Body, found = now, found+1
				}
			}
			require.Equal(t, 1, found)
		}
		s, err := stamp.Start(stamp.Options{Contents: contents})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, s.Close()) })
		opened, err := azure.New(azure.Config{
			TenantURL: s.TenantURL(), AdminURL: s.AdminURL(), Authority: s.AuthorityURL(), ClientID: s.ClientID(),
			ClientSecret: secret.New(s.ClientSecret()), CACertificates: s.CA(), Resolver: s.Resolver(), RetryDelay: time.Millisecond,
		})
		require.NoError(t, err)
		t.Cleanup(opened.Close)
		update, err := maintenance.Updating(t.Context(), opened.Admin(), "local")
		require.NoError(t, err)
		require.Equal(t, want, update)
		_, err = maintenance.Updating(t.Context(), opened.Admin(), "elsewhere")
		require.Error(t, err, "what it does not tell is not taken for none")
	}
}
