package resources

import (
	"slices"
	"strings"

	"infrabackup/internal/restore/resources/shape"
)

// attached makes of a machine one that takes the disks that are there. With an image, or a
// profile of the operating system, the provider refuses disks that exist.
func attached(_ *Restorer, body shape.Object) {
	properties, _ := body["properties"].(shape.Object)
	delete(properties, "osProfile")
	storage, _ := properties["storageProfile"].(shape.Object)
	delete(storage, "imageReference")
	disks := objects(storage, "dataDisks")
	if system, ok := storage["osDisk"].(shape.Object); ok {
		disks = append(disks, system)
		delete(system, "image")
	}
	for _, disk := range disks {
		disk["createOption"] = "Attach"
		if managed, ok := disk["managedDisk"].(shape.Object); ok { // the disk itself says the rest
			delete(managed, "storageAccountType")
			delete(disk, "diskSizeGB")
			delete(disk, "name")
		}
	}
}

// emptied makes a disk without contents. It matters for disks that are made only.
func emptied(_ *Restorer, body shape.Object) {
	if properties, ok := body["properties"].(shape.Object); ok {
		properties["creationData"] = shape.Object{"createOption": "Empty"}
	}
}

// withoutOwn leaves out a vault's access policies of the restore's own accounts: they stay as
// they are in the target.
func withoutOwn(r *Restorer, body shape.Object) {
	properties, ok := body["properties"].(shape.Object)
	if !ok {
		return
	}
	policies, _ := properties["accessPolicies"].([]any)
	properties["accessPolicies"] = slices.DeleteFunc(policies, func(v any) bool {
		policy, _ := v.(shape.Object)
		return r.isOwn(text(policy, "objectId")) || r.isOwn(text(policy, "applicationId"))
	})
	if policies == nil { // the definition demands it
		properties["accessPolicies"] = []any{}
	}
}

// byRole compares assignments by the role itself: its definition is listed below every
// subscription.
func byRole(body shape.Object) {
	properties, _ := body["properties"].(shape.Object)
	if id, ok := properties["roleDefinitionId"].(string); ok {
		properties["roleDefinitionId"] = last(id)
	}
	if id, ok := properties["principalId"].(string); ok {
		properties["principalId"] = strings.ToLower(id)
	}
}

// named completes the gateways that a connection names: the definition has whole gateways
// there, whose properties are required and not looked at.
func named(body shape.Object) {
	properties, _ := body["properties"].(shape.Object)
	for _, name := range []string{"virtualNetworkGateway1", "virtualNetworkGateway2", "localNetworkGateway2"} {
		if gateway, ok := properties[name].(shape.Object); ok {
			gateway["properties"] = shape.Object{}
		}
	}
}
