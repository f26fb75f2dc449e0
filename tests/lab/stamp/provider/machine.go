package provider

import (
	"net/http"
	"strings"
)

const profile = "properties.storageProfile."

// putMachine holds a virtual machine to the rules of its disks, interfaces and of what
// may change.
func putMachine(w *Write) *Refusal {
	if w.Old != nil {
		if refusal := unchanged(w); refusal != nil {
			return refusal
		}
	}
	system, _ := at(w.Body, profile+"osDisk").(Object)
	if system == nil {
		return bad("InvalidParameter", "Required parameter 'storageProfile.osDisk' is missing (null).")
	}
	if w.Old == nil {
		if refusal := w.newSystemDisk(system); refusal != nil {
			return refusal
		}
	}
	if refusal := w.attached(system, "storageProfile.osDisk"); refusal != nil {
		return refusal
	}
	luns := map[int64]bool{}
	for _, data := range objects(w.Body, profile+"dataDisks") {
		lun := number(data, "lun")
		if luns[lun] {
			return bad("InvalidParameter", "A disk at LUN %d already exists.", lun)
		}
		luns[lun] = true
		if text(data, "createOption") == "Empty" && text(data, "managedDisk.id") == "" && text(data, "vhd.uri") == "" {
			if refusal := w.makeDisk(data, "_disk"+itoa(lun+2), "", Object{"createOption": "Empty"}); refusal != nil {
				return refusal
			}
		}
		if refusal := w.attached(data, "storageProfile.dataDisks"); refusal != nil {
			return refusal
		}
	}
	fill(w.Body, profile+"dataDisks", []any{})
	if refusal := w.interfaces(); refusal != nil {
		return refusal
	}
	if id := text(w.Body, "properties.availabilitySet.id"); id != "" && text(system, "managedDisk.id") != "" {
		if holder := w.Get(id); holder != nil && text(holder.Body, "sku.name") != "Aligned" {
			return conflict("OperationNotAllowed", "Addition of a VM with managed disks to non-managed Availability Set '%s' is not supported.", resourceName(id))
		}
	}
	w.keep("properties.vmId", func() any { return w.Stamp.NewGUID() })
	return nil
}

// newSystemDisk holds a new machine's system disk to its create option.
func (w *Write) newSystemDisk(system Object) *Refusal {
	switch text(system, "createOption") {
	case "Attach":
		switch {
		case at(w.Body, profile+"imageReference") != nil:
			return bad("InvalidParameter", "Cannot attach an existing OS disk if the VM is created from a platform, user or a shared gallery image.")
		case at(w.Body, "properties.osProfile") != nil:
			return bad("InvalidParameter", "Parameter 'osProfile' is not allowed.")
		case text(system, "osType") == "":
			return bad("InvalidParameter", "Required parameter 'osDisk.osType' is missing (null).")
		case text(system, "managedDisk.id") == "" && text(system, "vhd.uri") == "":
			return bad("InvalidParameter", "Required parameter 'osDisk.managedDisk.id' is missing (null).")
		}
	case "FromImage":
		switch {
		case at(w.Body, profile+"imageReference") == nil && text(system, "image.uri") == "":
			return bad("InvalidParameter", "Required parameter 'imageReference' is missing (null).")
		case at(w.Body, "properties.osProfile") == nil:
			return bad("InvalidParameter", "Required parameter 'osProfile' is missing (null).")
		case text(system, "managedDisk.id") != "":
			return bad("InvalidParameter", "Parameter 'osDisk.managedDisk.id' is not allowed.")
		}
		if refusal := w.marketplace(profile + "imageReference"); refusal != nil {
			return refusal
		}
		fill(system, "osType", "Linux")
		if text(system, "vhd.uri") == "" {
			return w.makeDisk(system, "_OsDisk_1", text(system, "osType"), Object{"createOption": "FromImage"})
		}
	default:
		return bad("InvalidParameter", "The value '%s' of parameter 'osDisk.createOption' is invalid.", text(system, "createOption"))
	}
	return nil
}

// makeDisk makes the managed disk that a machine's own disk stands for.
func (w *Write) makeDisk(disk Object, suffix, system string, data Object) *Refusal {
	name := text(disk, "name")
	if name == "" {
		name = w.Name() + suffix + "_" + strings.ReplaceAll(w.Stamp.NewGUID(), "-", "")
		disk["name"] = name
	}
	id := w.ID[:strings.LastIndex(strings.ToLower(w.ID), "/providers/")] + "/providers/Microsoft.Compute/disks/" + name
	if w.disk(id) != nil {
		return conflict("ConflictingUserInput", "Disk '%s' already exists.", id)
	}
	size := number(disk, "diskSizeGB")
	if size == 0 {
		size = 30
	}
	kind := text(disk, "managedDisk.storageAccountType")
	if kind == "" {
		kind = "Standard_LRS"
	}
	tier, _, _ := strings.Cut(kind, "_")
	body := Object{"id": id, "name": name, "type": "Microsoft.Compute/disks", "location": w.Stamp.Location(), "sku": Object{"name": kind, "tier": tier}, "properties": Object{
		"creationData": data, "diskSizeGB": whole(int(size)), "diskSizeBytes": whole(int(size) << 30), "uniqueId": w.Stamp.NewGUID(),
		"timeCreated": seven(w.Stamp.Now()), "provisioningState": "Succeeded", "diskState": "Unattached",
	}}
	if system != "" {
		set(body, "properties.osType", system)
	}
	w.made = append(w.made, &Resource{ID: id, Type: compute + "disks", TypeName: "Microsoft.Compute/disks", Body: body})
	set(disk, "managedDisk.id", id)
	return nil
}

// disk is a managed disk that is there, or is made with the machine.
func (w *Write) disk(id string) *Resource {
	for _, r := range w.made {
		if same(r.ID, id) {
			return r
		}
	}
	if r := w.Get(id); r != nil && r.Type == compute+"disks" {
		return r
	}
	return nil
}

// attached checks a disk that a machine names and completes what the machine shows of it.
func (w *Write) attached(disk Object, parameter string) *Refusal {
	if uri := text(disk, "vhd.uri"); uri != "" {
		if refusal := w.accountOf(uri); refusal != nil {
			return refusal
		}
		for _, other := range w.OfType(compute + "virtualmachines") {
			if !same(other.ID, w.ID) && (same(text(other.Body, profile+"osDisk.vhd.uri"), uri)) {
				return conflict("DiskInUse", "The blob %s of '%s' is in use by VM %s.", uri, parameter, other.ID)
			}
		}
		return nil
	}
	id := text(disk, "managedDisk.id")
	if id == "" {
		return bad("InvalidParameter", "Required parameter '%s.managedDisk.id' is missing (null).", parameter)
	}
	held := w.disk(id)
	if held == nil {
		return refuse(http.StatusNotFound, "NotFound", "Disk %s is not found.", id)
	}
	if users := w.users(id, compute+"virtualmachines"); len(users) > 0 {
		return conflict("ConflictingUserInput", "Disk '%s' cannot be attached as the disk is already owned by VM '%s'.", held.ID, users[0].ID)
	}
	for _, other := range w.disks() {
		if !isSame(other, disk) && same(text(other, "managedDisk.id"), id) {
			return conflict("ConflictingUserInput", "Disk '%s' is given more than once.", held.ID)
		}
	}
	has := text(held.Body, "sku.name")
	if want := text(disk, "managedDisk.storageAccountType"); want != "" && w.Old == nil && text(disk, "createOption") == "Attach" && want != has {
		return bad("InvalidParameter", "Parameter '%s.managedDisk.storageAccountType' is not allowed to differ from that of disk %s.", parameter, held.ID)
	}
	fill(disk, "managedDisk.storageAccountType", has)
	fill(disk, "name", held.ID[strings.LastIndexByte(held.ID, '/')+1:])
	fill(disk, "diskSizeGB", at(held.Body, "properties.diskSizeGB"))
	fill(disk, "caching", "None")
	return nil
}

// disks are all disks of the machine.
func (w *Write) disks() []Object {
	all := objects(w.Body, profile+"dataDisks")
	if system, ok := at(w.Body, profile+"osDisk").(Object); ok {
		all = append(all, system)
	}
	return all
}

// isSame says whether two are one object.
func isSame(a, b Object) bool {
	const mark = "\x00mark"
	a[mark] = true
	defer delete(a, mark)
	return b[mark] == true
}

func (w *Write) interfaces() *Refusal {
	all := objects(w.Body, "properties.networkProfile.networkInterfaces")
	if len(all) == 0 {
		return bad("InvalidParameter", "Required parameter 'networkProfile' is missing (null).")
	}
	seen := map[string]bool{}
	for i, one := range all {
		id := text(one, "id")
		held := w.Get(id)
		switch {
		case held == nil || held.Type != network+"networkinterfaces":
			return refuse(http.StatusNotFound, "NotFound", "Network interface %s was not found.", id)
		case seen[strings.ToLower(id)]:
			return bad("NetworkInterfaceSpecifiedMoreThanOnce", "Network interface %s is specified more than once.", id)
		}
		seen[strings.ToLower(id)] = true
		if users := w.users(id, interfaceUsers...); len(users) > 0 {
			return bad("NicInUse", "Network Interface %s is used by existing VM %s.", id, users[0].ID)
		}
		fill(one, "properties.primary", i == 0)
	}
	return nil
}

// unchanged refuses changes of what a machine is made with, and keeps what the client
// does not repeat.
func unchanged(w *Write) *Refusal {
	for _, path := range []string{"location", profile + "osDisk.createOption", profile + "osDisk.name", profile + "osDisk.osType", profile + "osDisk.managedDisk.id", profile + "osDisk.vhd",
		profile + "imageReference", "properties.osProfile", "properties.availabilitySet"} {
		was, is := at(w.Old.Body, path), at(w.Body, path)
		switch {
		case is == nil && was != nil:
			set(w.Body, path, copyOf(was))
		case is != nil && was == nil, is != nil && !equal(was, is):
			return conflict("PropertyChangeNotAllowed", "Changing property '%s' is not allowed.", strings.TrimPrefix(strings.TrimPrefix(path, profile), "properties."))
		}
	}
	return nil
}

// afterMachine shows at the disks whose they are.
func afterMachine(w *Write) {
	ids := func(body Object) map[string]bool {
		out := map[string]bool{}
		for _, path := range []string{profile + "osDisk.managedDisk.id", profile + "dataDisks.managedDisk.id"} {
			for _, id := range values(body, path) {
				out[strings.ToLower(id)] = true
			}
		}
		return out
	}
	is := ids(w.Body)
	if w.Old != nil {
		for id := range ids(w.Old.Body) {
			if !is[id] {
				w.change(id, func(o Object) {
					delete(o, "managedBy")
					set(o, "properties.diskState", "Unattached")
				})
			}
		}
	}
	for id := range is {
		if held := w.Get(id); held != nil && (!same(text(held.Body, "managedBy"), w.ID) || text(held.Body, "properties.diskState") != "Attached") {
			w.change(id, func(o Object) {
				o["managedBy"] = w.ID
				set(o, "properties.diskState", "Attached")
			})
		}
	}
}
