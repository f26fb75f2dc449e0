package stamp

import (
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"infrabackup/tests/lab/stamp/inventory"
	"infrabackup/tests/lab/stamp/provider"
)

// retired is a vault that was deleted and can be recovered.
type retired struct {
	write *provider.Write // of its deletion; Old is the vault
	at    time.Time
	id    string // of the document that shows it
}

// admit refuses a name that another vault has or had, and turns a recovery into the PUT
// of what the vault was. The caller holds Stamp.writing.
func (v *vaults) admit(w *provider.Write) *provider.Refusal {
	name := strings.ToLower(w.Name())
	properties, _ := w.Body["properties"].(map[string]any)
	recover := false
	if mode, _ := properties["createMode"].(string); mode == "recover" {
		recover = true
	}
	if w.Old != nil {
		return nil
	}
	if v.stamp.vaultDocument(name) != nil {
		return &provider.Refusal{Status: http.StatusConflict, Code: "VaultAlreadyExists", Message: "The vault name '" + w.Name() + "' is already in use. Vault names are globally unique."}
	}
	v.mu.RLock()
	old := v.retired[name]
	v.mu.RUnlock()
	switch {
	case old == nil && recover:
		return &provider.Refusal{Status: http.StatusNotFound, Code: "VaultNotFound", Message: "There is no deleted vault '" + w.Name() + "' to recover."}
	case old == nil:
		return nil
	case !recover:
		return &provider.Refusal{Status: http.StatusConflict, Code: "VaultAlreadyExists", Message: "A vault with the same name '" + w.Name() + "' already exists in deleted state. You need to either recover or purge existing key vault."}
	case !strings.EqualFold(old.write.Old.ID, w.ID):
		return &provider.Refusal{Status: http.StatusConflict, Code: "VaultAlreadyExists", Message: "The deleted vault '" + w.Name() + "' belongs to " + old.write.Old.ID + "."}
	}
	body := provider.Copy(old.write.Old.Body)
	if tags, ok := w.Body["tags"]; ok {
		body["tags"] = tags
	}
	w.Body = body
	return nil
}

// made forgets that a vault was deleted: it is there again, with what it held.
func (v *vaults) made(w *provider.Write) {
	name := strings.ToLower(w.Name())
	v.mu.Lock()
	old := v.retired[name]
	delete(v.retired, name)
	v.mu.Unlock()
	if old != nil {
		v.stamp.stock(inventory.Tenant).Remove(old.id)
	}
}

// retire is what becomes of a vault that is deleted: one that keeps what is deleted can
// be recovered, another is gone with all that it held.
func (v *vaults) retire(w *provider.Write) {
	s := v.stamp
	name := strings.ToLower(w.Name())
	if !s.softDeletes(name) {
		v.forget(name)
		return
	}
	now := s.now()
	sub := w.ID[:strings.Index(w.ID[len("/subscriptions/"):]+"/", "/")+len("/subscriptions/")]
	id := sub + "/providers/Microsoft.KeyVault/locations/" + s.location() + "/deletedVaults/" + w.Name()
	copied := *w
	v.mu.Lock()
	v.retired[name] = &retired{write: &copied, at: now, id: id}
	v.mu.Unlock()
	properties := map[string]any{
		"vaultId": w.ID, "location": s.location(), "deletionDate": now.UTC().Format(time.RFC3339), "scheduledPurgeDate": now.Add(recoverable).UTC().Format(time.RFC3339),
	}
	if tags, ok := w.Old.Body["tags"]; ok {
		properties["tags"] = tags
	}
	s.stock(inventory.Tenant).Put(id, "Microsoft.KeyVault/locations/deletedVaults", provider.Object{"id": id, "name": w.Name(), "type": "Microsoft.KeyVault/deletedVaults", "properties": properties})
}

// forget takes away all that a vault holds.
func (v *vaults) forget(name string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	maps.DeleteFunc(v.objects, func(k vaultKey, _ *vaultItem) bool { return k.vault == name })
	maps.DeleteFunc(v.deleted, func(k vaultKey, _ *vaultItem) bool { return k.vault == name })
	maps.DeleteFunc(v.names, func(k vaultKey, _ []*vaultItem) bool { return k.vault == name })
	delete(v.retired, name)
}

// isRetired says whether a vault is among the deleted ones: its data plane is closed.
func (v *vaults) isRetired(name string) bool {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.retired[name] != nil
}

// purge takes a deleted vault away for good, unless it is protected from that.
func (v *vaults) purge(q *request) *answer {
	name := strings.ToLower(parsePath(q.place.parent).name)
	v.mu.RLock()
	old := v.retired[name]
	v.mu.RUnlock()
	if old == nil {
		return fail(http.StatusNotFound, "DeletedVaultNotFound", "The deleted vault '"+name+"' does not exist.")
	}
	properties, _ := old.write.Old.Body["properties"].(map[string]any)
	if properties["enablePurgeProtection"] == true {
		return fail(http.StatusConflict, "DeletedVaultPurge", "Operation \"purge\" is not allowed on vault '"+name+"': purge protection is enabled.")
	}
	v.forget(name)
	v.stamp.stock(inventory.Tenant).Remove(old.id)
	o := v.stamp.begin(q, nil, func() {})
	v.stamp.work.mu.Lock()
	o.done = true
	v.stamp.work.mu.Unlock()
	return v.stamp.announced(q, &answer{status: http.StatusAccepted}, o)
}

// nameFree answers whether a vault's name can still be had.
func (v *vaults) nameFree(body map[string]any) *answer {
	name, _ := body["name"].(string)
	if v.isRetired(strings.ToLower(name)) {
		return object(http.StatusOK, map[string]any{"nameAvailable": false, "reason": "AlreadyExists", "message": "The vault '" + name + "' is deleted and can be recovered."})
	}
	return v.stamp.nameFree(body, v.stamp.shelves[inventory.Tenant].below("", ""), "microsoft.keyvault/vaults", regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9-]{2,23}$`))
}

// changePolicies answers PUT …/accessPolicies/add, replace and remove.
func (c *change) changePolicies() *answer {
	how := c.place.name
	e := c.shelf.get(parentOf(c.place))
	switch {
	case !slices.Contains([]string{"add", "replace", "remove"}, how):
		return fail(http.StatusBadRequest, "BadRequest", "The operation '"+how+"' on access policies is not known.")
	case e == nil:
		return notFound(parsePath(parentOf(c.place)), c.s.types.rows["microsoft.keyvault/vaults"])
	}
	c.write.Old, c.write.ID = e.resource(), e.doc.ID
	if refusal := provider.ChangePolicies(c.write, how); refusal != nil {
		return refused(refusal)
	}
	after := c.shelf.get(e.place.path)
	properties, _ := after.decoded()["properties"].(map[string]any)
	return object(http.StatusOK, map[string]any{"id": e.doc.ID + "/accessPolicies/", "type": "Microsoft.KeyVault/vaults/accessPolicies", "location": c.s.location(),
		"properties": map[string]any{"accessPolicies": properties["accessPolicies"]}})
}
