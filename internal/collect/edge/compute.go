package edge

// The types of Microsoft.Compute that refer to others.
const (
	machines  = "Microsoft.Compute/virtualMachines"
	scaleSets = "Microsoft.Compute/virtualMachineScaleSets"
	instances = scaleSets + "/virtualMachines"
	sets      = "Microsoft.Compute/availabilitySets"
	images    = "Microsoft.Compute/images"
	disks     = "Microsoft.Compute/disks"
	snapshots = "Microsoft.Compute/snapshots"
)

// toImage leaves out platform images, which have the same member and no document of that
// ID: see [Exceptions].
var toImage = only("microsoft.compute/images")

// computeRows are from Microsoft's definitions for Microsoft.Compute, 2019-07-01.
var computeRows = []Row{
	{Type: machines, Relation: "disk", Path: "properties.storageProfile.osDisk.managedDisk.id"},
	{Type: machines, Relation: "disk", Path: "properties.storageProfile.dataDisks.#.managedDisk.id"},
	{Type: machines, Relation: "network-interface", Path: "properties.networkProfile.networkInterfaces.#.id"},
	{Type: machines, Relation: "availability-set", Path: "properties.availabilitySet.id"},
	// A machine that is made again takes its disk, and no image.
	{Type: machines, Relation: "image", Path: "properties.storageProfile.imageReference.id", Resolve: toImage, Strength: Soft, Origin: true},
	{Type: machines, Relation: "vault", Path: "properties.osProfile.secrets.#.sourceVault.id"},
	{Type: machines, Relation: "vault", Path: "properties.storageProfile.osDisk.encryptionSettings.diskEncryptionKey.sourceVault.id"},
	{Type: machines, Relation: "vault", Path: "properties.storageProfile.osDisk.encryptionSettings.keyEncryptionKey.sourceVault.id"},

	{Type: sets, Relation: "virtual-machine", Path: "properties.virtualMachines.#.id", Direction: Back},

	{Type: scaleSets, Relation: "subnet", Path: scaleSetNIC + ipConfigurations + "properties.subnet.id"},
	{Type: scaleSets, Relation: "load-balancer", Path: scaleSetNIC + ipConfigurations + "properties.loadBalancerBackendAddressPools.#.id"},
	{Type: scaleSets, Relation: "load-balancer", Path: scaleSetNIC + ipConfigurations + "properties.loadBalancerInboundNatPools.#.id"},
	{Type: scaleSets, Relation: "load-balancer", Path: "properties.virtualMachineProfile.networkProfile.healthProbe.id"},
	{Type: scaleSets, Relation: "network-security-group", Path: scaleSetNIC + "properties.networkSecurityGroup.id"},
	{Type: scaleSets, Relation: "image", Path: "properties.virtualMachineProfile.storageProfile.imageReference.id", Resolve: toImage},
	{Type: scaleSets, Relation: "vault", Path: "properties.virtualMachineProfile.osProfile.secrets.#.sourceVault.id"},

	{Type: instances, Relation: "disk", Path: "properties.storageProfile.osDisk.managedDisk.id"},
	{Type: instances, Relation: "disk", Path: "properties.storageProfile.dataDisks.#.managedDisk.id"},
	{Type: instances, Relation: "image", Path: "properties.storageProfile.imageReference.id", Resolve: toImage, Strength: Soft, Origin: true},
	{Type: instances, Relation: "availability-set", Path: "properties.availabilitySet.id"},

	{Type: images, Relation: "disk", Path: "properties.storageProfile.osDisk.managedDisk.id", Origin: true},
	{Type: images, Relation: "disk", Path: "properties.storageProfile.dataDisks.#.managedDisk.id", Origin: true},
	{Type: images, Relation: "snapshot", Path: "properties.storageProfile.osDisk.snapshot.id", Origin: true},
	{Type: images, Relation: "snapshot", Path: "properties.storageProfile.dataDisks.#.snapshot.id", Origin: true},
	{Type: images, Relation: "virtual-machine", Path: "properties.sourceVirtualMachine.id", Origin: true},

	{Type: disks, Relation: "virtual-machine", Path: "managedBy", Direction: Back},
	{Type: disks, Relation: "source", Path: "properties.creationData.sourceResourceId", Origin: true},
	{Type: disks, Relation: "image", Path: "properties.creationData.imageReference.id", Resolve: toImage, Origin: true},
	{Type: disks, Relation: "storage-account", Path: "properties.creationData.storageAccountId", Origin: true},
	{Type: disks, Relation: "vault", Path: "properties.encryptionSettingsCollection.encryptionSettings.#.diskEncryptionKey.sourceVault.id"},
	{Type: disks, Relation: "vault", Path: "properties.encryptionSettingsCollection.encryptionSettings.#.keyEncryptionKey.sourceVault.id"},

	{Type: snapshots, Relation: "source", Path: "properties.creationData.sourceResourceId", Origin: true},
	{Type: snapshots, Relation: "image", Path: "properties.creationData.imageReference.id", Resolve: toImage, Origin: true},
	{Type: snapshots, Relation: "storage-account", Path: "properties.creationData.storageAccountId", Origin: true},
	{Type: snapshots, Relation: "vault", Path: "properties.encryptionSettingsCollection.encryptionSettings.#.diskEncryptionKey.sourceVault.id"},
	{Type: snapshots, Relation: "vault", Path: "properties.encryptionSettingsCollection.encryptionSettings.#.keyEncryptionKey.sourceVault.id"},
}

// Parts of paths.
const (
	scaleSetNIC      = "properties.virtualMachineProfile.networkProfile.networkInterfaceConfigurations.#."
	ipConfigurations = "properties.ipConfigurations.#."
)
