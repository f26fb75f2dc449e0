package resources

import (
	"slices"
	"strings"

	"infrabackup/internal/azure/jsondoc"
	"infrabackup/internal/azure/resourceid"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/mapping"
	"infrabackup/internal/restore/resources/shape"

	"github.com/tidwall/gjson"
)

// Verdict implements [restore.Restorer].
func (r *Restorer) Verdict(want restore.Want, live restore.State, m *mapping.Map) restore.Verdict {
	t, k, err := r.opened(want, m)
	if err != nil {
		return restore.Verdict{Refused: &restore.Refusal{Key: want.Key, Code: "UNKNOWN_TYPE", Detail: err.Error()}}
	}
	refused := func(code, detail string) restore.Verdict {
		return restore.Verdict{Refused: &restore.Refusal{Key: want.Key, Code: code, Detail: detail}}
	}
	switch {
	case want.Absent:
		return restore.Verdict{Same: !live.Exists, Action: restore.Remove, Reversible: restore.Reversibility{Grade: restore.Reversible}}
	case live.Tag == notOffered && !live.Exists:
		return refused("NOT_OFFERED", "the target does not have "+t.Type+" with api-version "+t.Version)
	case !live.Exists && k.initial != "" && isInitial(shape.Of(k.fullType), k, t.Body): // undo wants that
		return restore.Verdict{Same: true, Action: restore.Update, Reversible: restore.Reversibility{Grade: restore.Reversible}}
	case live.Deleted && !resourceid.Same(deletedID(live), t.ID):
		return refused("NAME_TAKEN", "a deleted vault has the name, and can be recovered as "+deletedID(live)+"; purge it, or recover it there")
	case live.Deleted:
		return restore.Verdict{Action: restore.Undelete, Reversible: r.reversible(k, t, live)}
	case !live.Exists && r.concernsOwn(want, t):
		return refused("OWN", "it is of the restore's own account")
	case !live.Exists && contents(k, t) && !r.options.EmptyDisks:
		return refused("DISK_MISSING", "it is gone, and its contents are in no backup of this product; bring the disk back first, or restore with empty disks")
	case !live.Exists && blobDisk(t):
		return refused("DISK_MISSING", "it is gone, and its disk is a blob, which is in no backup of this product; upload the blob and make the machine by hand")
	case !live.Exists:
		return restore.Verdict{Action: restore.Create, Reversible: r.reversible(k, t, live)}
	}
	fields, err := differences(k, t, live)
	if err != nil {
		return refused("UNKNOWN_TYPE", err.Error())
	}
	v := restore.Verdict{Same: len(fields) == 0, Action: restore.Update, Fields: fields, Reversible: r.reversible(k, t, live)}
	switch path := immutable(k, fields); {
	case v.Same:
	case r.concernsOwn(want, t):
		return refused("OWN", "it is of the restore's own account")
	case path != "":
		return refused("IMMUTABLE", path+" differs, which cannot be changed; delete it in the target, or leave it")
	}
	return v
}

// differences compares what is wanted with a live document.
func differences(k kind, t target, live restore.State) ([]string, error) {
	o, err := shape.Decode(live.Document)
	if err != nil {
		return nil, err
	}
	is := projected(k, o, false)
	if k.action {
		if strings.EqualFold(text(is, "registrationState"), text(t.Body, "registrationState")) {
			return nil, nil
		}
		return []string{"registrationState"}, nil
	}
	wanted := shape.Of(k.fullType).Project(t.Body, false) // a copy
	if k.compared != nil {
		k.compared(wanted)
	}
	fields := shape.Of(k.fullType).Differences(wanted, is, t.Exact)
	if failed(o) {
		fields = append(fields, "properties.provisioningState")
	}
	return fields, nil
}

// immutable is the first path that cannot be changed, "" for none.
func immutable(k kind, fields []string) string {
	for _, field := range fields {
		if field == "location" || slices.ContainsFunc(k.immutable, func(path string) bool { return field == path || strings.HasPrefix(field, path+".") }) {
			return field
		}
	}
	return ""
}

// concernsOwn reports whether an item gives rights to the restore's own account.
func (r *Restorer) concernsOwn(want restore.Want, t target) bool {
	return want.Kind == "role-assignment" && r.isOwn(text(t.Body, "properties.principalId"))
}

// contents reports whether what would be made holds data. A disk that was empty does too.
func contents(k kind, _ target) bool { return k.contents }

// blobDisk reports whether a machine's disks are blobs.
func blobDisk(t target) bool {
	if !strings.EqualFold(t.Type, "Microsoft.Compute/virtualMachines") {
		return false
	}
	return text(t.Body, "properties.storageProfile.osDisk.vhd.uri") != "" ||
		slices.ContainsFunc(objects(t.Body, "properties.storageProfile.dataDisks"), func(d shape.Object) bool { return text(d, "vhd.uri") != "" })
}

// deletedID is the vault that a deleted one was.
func deletedID(live restore.State) string {
	return jsondoc.Member(jsondoc.Member(gjson.ParseBytes(live.Document), "properties"), "vaultId").String()
}

// reversible says what undo brings back of a write.
func (r *Restorer) reversible(k kind, t target, before restore.State) restore.Reversibility {
	no := func(why string) restore.Reversibility {
		return restore.Reversibility{Grade: restore.Irreversible, Why: why}
	}
	switch {
	case !before.Exists && k.undeletable:
		return no("it cannot be deleted")
	case k.fullType == vaultType && turnsOn(t, before):
		return no("soft delete and purge protection of a vault cannot be turned off again")
	case k.fullType == vaultType && !before.Exists:
		return restore.Reversibility{Grade: restore.PartlyReversible, Why: "a deleted vault keeps its name until it is purged, when it has soft delete"}
	}
	return restore.Reversibility{Grade: restore.Reversible}
}

// turnsOn reports whether a write sets what no write takes back in a vault that is there.
func turnsOn(t target, before restore.State) bool {
	if !before.Exists {
		return false
	}
	properties := jsondoc.Member(gjson.ParseBytes(before.Document), "properties")
	for _, name := range []string{"enableSoftDelete", "enablePurgeProtection"} {
		if wanted, _ := at(t.Body, "properties."+name).(bool); wanted && !jsondoc.Member(properties, name).Bool() {
			return true
		}
	}
	return false
}

// Inverse implements [restore.Restorer].
func (r *Restorer) Inverse(want restore.Want, before, _ restore.State) (restore.Want, restore.Reversibility) {
	t, k, err := r.opened(want, nil)
	if err != nil {
		return restore.Want{}, restore.Reversibility{Grade: restore.Irreversible, Why: err.Error()}
	}
	how := r.reversible(k, t, before)
	if how.Grade == restore.Irreversible {
		return restore.Want{}, how
	}
	inverse := restore.Want{Key: want.Key, Name: want.Name, Stage: want.Stage}
	back := target{Endpoint: t.Endpoint, Type: t.Type, ID: t.ID, Version: t.Version}
	var was shape.Object
	switch {
	case before.Exists && k.action:
		was = shape.Object{"registrationState": "Registered"}
	case before.Exists:
		o, err := shape.Decode(before.Document)
		if err != nil {
			return restore.Want{}, restore.Reversibility{Grade: restore.Irreversible, Why: "its state before cannot be read"}
		}
		was = shape.Of(k.fullType).Project(o, false)
	case k.initial != "":
		if was, err = shape.Decode([]byte(k.initial)); err != nil {
			return restore.Want{}, restore.Reversibility{Grade: restore.Irreversible, Why: err.Error()}
		}
		was = shape.Of(k.fullType).Project(was, false)
	default:
		inverse.Absent = true
		if location, ok := t.Body["location"]; ok { // says where a deleted vault is looked for
			back.Body = shape.Object{"location": location}
		}
	}
	if was != nil {
		back.Body, back.Exact = was, true
		inverse.Fields = fieldsOf(was)
	}
	if inverse.Body, err = back.encode(); err != nil {
		return restore.Want{}, restore.Reversibility{Grade: restore.Irreversible, Why: err.Error()}
	}
	return inverse, how
}
