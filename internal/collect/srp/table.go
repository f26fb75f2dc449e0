package srp

import (
	"infrabackup/internal/azure"
	"infrabackup/internal/backup"
	"infrabackup/internal/collect/resource"
)

var (
	versions      = []string{"2019-06-01", "2018-07-01", "2018-02-01", "2017-10-01", "2017-06-01", "2016-12-01", "2016-05-01", "2016-01-01"}
	adminVersions = []string{"2019-08-08-preview", "2019-08-08", "2015-12-01-preview"}
	adminOnly     = []azure.Endpoint{azure.Admin}
)

// Table returns the service's rows.
func Table() resource.Table {
	below := func(kind, fullType, path string) resource.Type {
		return resource.Type{Kind: kind, Type: fullType, Versions: versions, Scope: resource.InParent, Parent: "storage-account", Path: path, Optional: true}
	}
	return resource.Table{
		Service:    backup.SRP,
		Namespaces: []string{"Microsoft.Storage", "Microsoft.Storage.Admin"},
		Derived:    []string{"Microsoft.Storage/storageAccounts/services", "Microsoft.Storage.Admin/locations/asyncOperations"},
		Types: []resource.Type{
			{Kind: "storage-account", Type: "Microsoft.Storage/storageAccounts", Versions: versions},
			below("blob-service", "Microsoft.Storage/storageAccounts/blobServices", ""),
			below("blob-container", "Microsoft.Storage/storageAccounts/blobServices/containers", "/blobServices/default/containers"),
			below("queue-service", "Microsoft.Storage/storageAccounts/queueServices", ""),
			below("table-service", "Microsoft.Storage/storageAccounts/tableServices", ""),
			below("file-service", "Microsoft.Storage/storageAccounts/fileServices", ""),

			{Kind: "storage-quota", Type: "Microsoft.Storage.Admin/locations/quotas", Versions: adminVersions, Endpoints: adminOnly, Scope: resource.InLocation, Path: "/quotas", Untracked: true},
			{Kind: "storage-settings", Type: "Microsoft.Storage.Admin/locations/settings", Versions: adminVersions, Endpoints: adminOnly, Scope: resource.InLocation, Path: "/settings", Single: true, Untracked: true, Optional: true},
			{Kind: "storage-acquisition", Type: "Microsoft.Storage.Admin/locations/acquisitions", Versions: adminVersions, Endpoints: adminOnly, Scope: resource.InLocation, Path: "/acquisitions", Names: "acquisitionid", Untracked: true, Optional: true},
			{Kind: "storage-service", Type: "Microsoft.Storage.Admin/storageServices", Versions: adminVersions, Endpoints: adminOnly, Untracked: true, Optional: true},
			{Kind: "operator-storage-account", Type: "Microsoft.Storage.Admin/locations/storageAccounts", Versions: adminVersions, Endpoints: adminOnly, Scope: resource.InLocation, Path: "/storageAccounts", Untracked: true, Optional: true},
		},
	}
}
