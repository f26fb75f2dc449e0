package crp

import (
	"infrabackup/internal/azure"
	"infrabackup/internal/backup"
	"infrabackup/internal/collect/resource"
)

var (
	versions     = []string{"2020-06-01", "2019-07-01", "2018-10-01", "2018-06-01", "2017-12-01", "2017-03-30", "2016-04-30-preview", "2016-03-30"}
	diskVersions = []string{"2019-07-01", "2018-09-30", "2018-06-01", "2018-04-01", "2017-03-30"}
	adminOnly    = []azure.Endpoint{azure.Admin}
)

// Table returns the service's rows.
func Table() resource.Table {
	return resource.Table{
		Service:    backup.CRP,
		Namespaces: []string{"Microsoft.Compute", "Microsoft.Compute.Admin"},
		Derived: []string{
			// Views of machines and scale sets that rows capture, and of the stamp's sizes.
			"Microsoft.Compute/virtualMachines/vmSizes", "Microsoft.Compute/virtualMachines/instanceView", "Microsoft.Compute/virtualMachines/diagnosticSettings",
			"Microsoft.Compute/availabilitySets/vmSizes", "Microsoft.Compute/virtualMachineScaleSets/instanceView",
			"Microsoft.Compute/virtualMachineScaleSets/networkInterfaces", "Microsoft.Compute/virtualMachineScaleSets/publicIPAddresses",
			"Microsoft.Compute/virtualMachineScaleSets/virtualMachines/networkInterfaces", "Microsoft.Compute/virtualMachineScaleSets/virtualMachines/instanceView",
			// Steps on the way to platform images and extensions, which rows list whole.
			"Microsoft.Compute.Admin/locations/artifactTypes", "Microsoft.Compute.Admin/locations/artifactTypes/publishers/offers/skus/versions",
			"Microsoft.Compute.Admin/locations/artifactTypes/publishers/types/versions",
		},
		Types: []resource.Type{
			{Kind: "availability-set", Type: "Microsoft.Compute/availabilitySets", Versions: versions},
			{Kind: "image", Type: "Microsoft.Compute/images", Versions: versions},
			{Kind: "disk", Type: "Microsoft.Compute/disks", Versions: diskVersions},
			{Kind: "snapshot", Type: "Microsoft.Compute/snapshots", Versions: diskVersions},
			{
				Kind: "virtual-machine", Type: "Microsoft.Compute/virtualMachines", Versions: versions,
				WriteOnly: []resource.WriteOnly{
					{Property: "osProfile.adminPassword", When: "properties.osProfile.adminUsername"},
					{Property: "osProfile.customData", When: "properties.osProfile"},
				},
			},
			{
				Kind: "virtual-machine-extension", Type: "Microsoft.Compute/virtualMachines/extensions", Versions: versions,
				Scope: resource.InParent, Parent: "virtual-machine",
				WriteOnly: []resource.WriteOnly{{Property: "protectedSettings", When: "properties"}},
			},
			{
				Kind: "scale-set", Type: "Microsoft.Compute/virtualMachineScaleSets", Versions: versions,
				WriteOnly: []resource.WriteOnly{{Property: "virtualMachineProfile.osProfile.adminPassword", When: "properties.virtualMachineProfile.osProfile.adminUsername"}},
			},
			{
				Kind: "scale-set-extension", Type: "Microsoft.Compute/virtualMachineScaleSets/extensions", Versions: versions,
				Scope: resource.InParent, Parent: "scale-set",
				WriteOnly: []resource.WriteOnly{{Property: "protectedSettings", When: "properties"}},
			},
			{Kind: "scale-set-instance", Type: "Microsoft.Compute/virtualMachineScaleSets/virtualMachines", Versions: versions, Scope: resource.InParent, Parent: "scale-set", Optional: true},

			{
				Kind: "compute-quota", Type: "Microsoft.Compute.Admin/locations/quotas", Versions: []string{"2018-02-09", "2015-12-01-preview"},
				Endpoints: adminOnly, Scope: resource.InLocation, Path: "/quotas", Untracked: true,
			},
			{
				Kind: "platform-image", Type: "Microsoft.Compute.Admin/locations/artifactTypes/platformImage", Versions: []string{"2015-12-01-preview"},
				Endpoints: adminOnly, Scope: resource.InLocation, Path: "/artifactTypes/platformImage", Untracked: true,
			},
			{
				Kind: "platform-extension", Type: "Microsoft.Compute.Admin/locations/artifactTypes/VMExtension", Versions: []string{"2015-12-01-preview"},
				Endpoints: adminOnly, Scope: resource.InLocation, Path: "/artifactTypes/VMExtension", Untracked: true,
			},
			{
				Kind: "disk-migration", Type: "Microsoft.Compute.Admin/locations/diskmigrationjobs", Versions: []string{"2018-07-30-preview"},
				Endpoints: adminOnly, Scope: resource.InLocation, Path: "/diskmigrationjobs", Untracked: true, Optional: true,
			},
			{
				Kind: "operator-disk", Type: "Microsoft.Compute.Admin/locations/disks", Versions: []string{"2018-07-30-preview"},
				Endpoints: adminOnly, Scope: resource.InLocation, Path: "/disks", Untracked: true, Optional: true,
			},
		},
	}
}
