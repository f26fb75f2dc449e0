package keyvault

import (
	"infrabackup/internal/azure"
	"infrabackup/internal/backup"
	"infrabackup/internal/collect/resource"
)

var (
	versions  = []string{"2019-09-01", "2018-02-14", "2016-10-01"}
	operator  = []string{"2017-02-01-preview"}
	adminOnly = []azure.Endpoint{azure.Admin}
)

// Table returns the service's rows.
func Table() resource.Table {
	return resource.Table{
		Service:    backup.KeyVault,
		Namespaces: []string{"Microsoft.KeyVault", "Microsoft.KeyVault.Admin"},
		Derived: []string{
			// What lies in vaults is read from the vaults themselves.
			"Microsoft.KeyVault/vaults/keys", "Microsoft.KeyVault/vaults/secrets", "Microsoft.KeyVault/vaults/certificates", "Microsoft.KeyVault/vaults/accessPolicies",
		},
		Types: []resource.Type{
			{
				Kind: "vault", Type: "Microsoft.KeyVault/vaults", Versions: versions,
				Descend: descend, Probe: probe,
			},
			{Kind: "deleted-vault", Type: "Microsoft.KeyVault/deletedVaults", Versions: versions, Untracked: true, Optional: true},
			{Kind: "vault-quota", Type: "Microsoft.KeyVault.Admin/locations/quotas", Versions: operator, Endpoints: adminOnly, Scope: resource.InLocation, Path: "/quotas", Untracked: true},
		},
	}
}
