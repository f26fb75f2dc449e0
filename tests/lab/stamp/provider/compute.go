package provider

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
)

func putAvailabilitySet(w *Write) *Refusal {
	if name := text(w.Body, "sku.name"); name != "Aligned" && name != "Classic" {
		return bad("InvalidParameter", "The value '%s' of sku.name is neither 'Aligned' nor 'Classic'.", name)
	}
	return nil
}

func removeAvailabilitySet(w *Write) *Refusal {
	if users := w.users(w.ID, compute+"virtualmachines"); len(users) > 0 {
		return conflict("OperationNotAllowed", "Availability Set '%s' cannot be deleted. Before deleting an Availability Set please ensure that it does not contain any VM, such as %s.", w.Name(), users[0].ID)
	}
	return nil
}

// platformImage is the ID of an image of the marketplace as disks name it.
var platformImage = regexp.MustCompile(`(?i)/publishers/([^/]+)/artifacttypes/vmimage/offers/([^/]+)/skus/([^/]+)/versions/([^/]+)$`)

// offered says whether the operator has a platform image; "latest" is any version.
func (w *Write) offered(publisher, offer, sku, version string) bool {
	end := strings.ToLower("/publishers/" + publisher + "/offers/" + offer + "/skus/" + sku + "/versions/")
	for _, r := range w.Stamp.Admin().OfType("microsoft.compute.admin/locations/artifacttypes/publishers/offers/skus/versions") {
		id := strings.ToLower(r.ID)
		if before, of, ok := strings.Cut(id, end); ok && before != "" && (same(version, "latest") || same(of, version)) {
			return true
		}
	}
	return false
}

func putDisk(w *Write) *Refusal {
	fill(w.Body, "sku.name", "Standard_LRS")
	tier, _, _ := strings.Cut(text(w.Body, "sku.name"), "_")
	set(w.Body, "sku.tier", tier)
	if refusal := putContents(w); refusal != nil {
		return refusal
	}
	if w.Old == nil {
		set(w.Body, "properties.diskState", "Unattached")
		unset(w.Body, "managedBy")
	}
	return nil
}

func putSnapshot(w *Write) *Refusal {
	fill(w.Body, "sku.name", "Standard_LRS")
	tier, _, _ := strings.Cut(text(w.Body, "sku.name"), "_")
	set(w.Body, "sku.tier", tier)
	fill(w.Body, "properties.incremental", false)
	return putContents(w)
}

// putContents is what disks and snapshots have in common: where their contents are from.
func putContents(w *Write) *Refusal {
	const data = "properties.creationData."
	size := number(w.Body, "properties.diskSizeGB")
	if w.Old == nil {
		switch option := text(w.Body, data+"createOption"); option {
		case "Empty":
			if size <= 0 {
				return bad("InvalidParameter", "Required parameter 'disk.diskSizeGB' is missing (null).")
			}
		case "FromImage":
			m := platformImage.FindStringSubmatch(text(w.Body, data+"imageReference.id"))
			if m == nil || !w.offered(m[1], m[2], m[3], m[4]) {
				return refuse(http.StatusNotFound, "PlatformImageNotFound", "The platform image '%s' is not available.", text(w.Body, data+"imageReference.id"))
			}
			if size <= 0 {
				size = 30
			}
		case "Copy", "Restore":
			id := text(w.Body, data+"sourceResourceId")
			source := w.Get(id)
			if source == nil || source.Type != compute+"disks" && source.Type != compute+"snapshots" {
				return refuse(http.StatusNotFound, "NotFound", "The source '%s' of disk %s was not found.", id, w.ID)
			}
			if least := number(source.Body, "properties.diskSizeGB"); size == 0 {
				size = least
			} else if size < least {
				return bad("InvalidParameter", "The disk is smaller than its source: %d GB, want at least %d GB.", size, least)
			}
			if system := text(source.Body, "properties.osType"); system != "" {
				fill(w.Body, "properties.osType", system)
			}
			unique := text(source.Body, "properties.uniqueId")
			set(w.Body, data+"sourceUniqueId", unique)
		case "Import":
			if text(w.Body, data+"sourceUri") == "" {
				return bad("InvalidParameter", "Required parameter 'disk.creationData.sourceUri' is missing (null).")
			}
			if refusal := w.accountOf(text(w.Body, data+"sourceUri")); refusal != nil {
				return refusal
			}
			if size <= 0 {
				size = 30
			}
		case "Upload":
			if number(w.Body, data+"uploadSizeBytes") <= 0 {
				return bad("InvalidParameter", "Required parameter 'disk.creationData.uploadSizeBytes' is missing (null).")
			}
			size = max(1, number(w.Body, data+"uploadSizeBytes")>>30)
		default:
			return bad("InvalidParameter", "The value '%s' of parameter 'disk.creationData.createOption' is invalid.", option)
		}
	} else {
		was := number(w.Old.Body, "properties.diskSizeGB")
		if size == 0 {
			size = was
		}
		if size < was {
			return bad("ResizeDiskError", "The size of disk %s can only be increased: %d GB to %d GB.", w.ID, was, size)
		}
		w.keep("properties.creationData", nil)
	}
	set(w.Body, "properties.diskSizeGB", whole(int(size)))
	set(w.Body, "properties.diskSizeBytes", whole(int(size)<<30))
	w.keep("properties.uniqueId", func() any { return w.Stamp.NewGUID() })
	w.keep("properties.timeCreated", func() any { return seven(w.Stamp.Now()) })
	return nil
}

// accountOf refuses the address of a blob whose storage account is not there.
func (w *Write) accountOf(uri string) *Refusal {
	_, rest, _ := strings.Cut(uri, "://")
	host, _, _ := strings.Cut(rest, "/")
	name, suffix, _ := strings.Cut(host, ".")
	if !same(suffix, "blob."+w.Stamp.Domain()) {
		return bad("InvalidParameter", "The blob URI %s is not in a storage account of this location.", uri)
	}
	for _, account := range w.OfType(storage + "storageaccounts") {
		if same(resourceName(account.ID), name) {
			return nil
		}
	}
	return bad("StorageAccountNotFound", "The storage account '%s' of blob URI %s was not found.", name, uri)
}

func removeDisk(w *Write) *Refusal {
	if users := w.users(w.ID, compute+"virtualmachines"); len(users) > 0 {
		return conflict("OperationNotAllowed", "Disk %s is attached to VM %s.", w.Name(), users[0].ID)
	}
	return nil
}

func putImage(w *Write) *Refusal {
	const system = "properties.storageProfile.osDisk."
	if text(w.Body, "properties.sourceVirtualMachine.id") == "" {
		sources := 0
		for _, member := range []string{"managedDisk.id", "snapshot.id", "blobUri"} {
			if text(w.Body, system+member) != "" {
				sources++
			}
		}
		if sources != 1 {
			return bad("InvalidParameter", "Image %s must have exactly one of osDisk.managedDisk, osDisk.snapshot, osDisk.blobUri and sourceVirtualMachine.", w.ID)
		}
	}
	if w.Old == nil {
		if disk := w.Get(text(w.Body, system+"managedDisk.id")); disk != nil {
			fill(w.Body, system+"diskSizeGB", at(disk.Body, "properties.diskSizeGB"))
		}
		fill(w.Body, "properties.storageProfile.dataDisks", []any{})
		fill(w.Body, "properties.storageProfile.zoneResilient", false)
	}
	fill(w.Body, "properties.hyperVGeneration", "V1")
	return nil
}

func putScaleSet(w *Write) *Refusal {
	const profile = "properties.virtualMachineProfile."
	if refusal := w.marketplace(profile + "storageProfile.imageReference"); refusal != nil {
		return refusal
	}
	w.keep("properties.uniqueId", func() any { return w.Stamp.NewGUID() })
	for _, e := range objects(w.Body, profile+"extensionProfile.extensions") {
		e["id"] = w.ID + "/extensions/" + text(e, "name")
		set(e, "properties.provisioningState", "Succeeded")
	}
	wanted := map[string]bool{}
	for _, e := range objects(w.Body, profile+"extensionProfile.extensions") {
		wanted[resourceName(text(e, "id"))] = true
		full := Copy(e)
		full["type"] = w.Type + "/extensions"
		w.Put(text(e, "id"), w.Type+"/extensions", full)
	}
	for _, r := range w.Below(w.ID + "/extensions/") {
		if !wanted[resourceName(r.ID)] {
			w.Remove(r.ID)
		}
	}
	return nil
}

// marketplace refuses an image reference to a platform image that is not there.
func (w *Write) marketplace(path string) *Refusal {
	image, _ := at(w.Body, path).(Object)
	if publisher := text(image, "publisher"); publisher != "" && !w.offered(publisher, text(image, "offer"), text(image, "sku"), text(image, "version")) {
		return refuse(http.StatusNotFound, "PlatformImageNotFound", "The platform image '%s:%s:%s:%s' is not available. Verify that all fields in the storage profile are correct.",
			publisher, text(image, "offer"), text(image, "sku"), text(image, "version"))
	}
	return nil
}

// afterScaleSetExtension makes the scale set's profile show the extension as well.
func afterScaleSetExtension(w *Write) {
	const list = "properties.virtualMachineProfile.extensionProfile.extensions"
	scaleSet := w.Get(w.Parent)
	if scaleSet == nil {
		return
	}
	body := Copy(scaleSet.Body)
	extensions, _ := at(body, list).([]any)
	extensions = slices.DeleteFunc(extensions, func(v any) bool {
		o, ok := v.(Object)
		return ok && same(text(o, "name"), w.Name())
	})
	if w.Body != nil {
		shown := Copy(w.Body)
		delete(shown, "type")
		extensions = append(extensions, shown)
	}
	set(body, list, extensions)
	w.Put(scaleSet.ID, scaleSet.TypeName, body)
}

func putGallery(w *Write) *Refusal {
	set(w.Body, "properties.identifier", Object{"uniqueName": w.Subscription + "-" + w.Name()})
	return nil
}
