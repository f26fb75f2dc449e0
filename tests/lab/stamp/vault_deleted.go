package stamp

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// recoverable is how long a soft-deleted object is kept.
const recoverable = 90 * 24 * time.Hour

// softDeletes says whether a vault keeps what is deleted. Whether the vaults of a real
// stamp do was not to be found out; here the vault's own property decides.
func (s *Stamp) softDeletes(vault string) bool {
	doc := s.vaultDocument(vault)
	if doc == nil {
		return false
	}
	var body struct {
		Properties struct {
			EnableSoftDelete bool `json:"enableSoftDelete"`
		} `json:"properties"`
	}
	return json.Unmarshal(doc.doc.Body, &body) == nil && body.Properties.EnableSoftDelete
}

// softDelete answers DELETE of an object with what a deleted bundle holds.
func (v *vaults) softDelete(r *http.Request, item *vaultItem) *answer {
	soft := v.stamp.softDeletes(item.key.vault)
	v.remove(item.key.vault, item.key.kind, item.key.name, soft)
	if item.key.kind == "certificates" { // its key and secret go with it
		for _, kind := range []string{"keys", "secrets"} {
			if own := v.get(vaultKey{item.key.vault, kind, item.key.name}); own != nil && own.Managed {
				v.remove(item.key.vault, kind, item.key.name, soft)
			}
		}
	}
	body := item.Versions[len(item.Versions)-1].Body
	if soft {
		body = v.withRecovery(r, item, v.stamp.now(), body)
	}
	return document(http.StatusOK, body)
}

// withRecovery adds the members of deleted objects.
func (v *vaults) withRecovery(r *http.Request, item *vaultItem, deleted time.Time, body []byte) []byte {
	members := `"recoveryId":"https://` + r.Host + `/deleted` + item.key.kind + `/` + item.Name + `","deletedDate":` + strconv.FormatInt(deleted.Unix(), 10) +
		`,"scheduledPurgeDate":` + strconv.FormatInt(deleted.Add(recoverable).Unix(), 10)
	return withMember(body, members)
}

// dead answers the deleted objects of a kind.
func (v *vaults) dead(r *http.Request, vault, kind string, path []string) *answer {
	if len(path) == 0 && r.Method == http.MethodGet {
		return v.list(r, v.deletedOf(vault, kind), func(i *vaultItem) []byte { return v.withRecovery(r, i, i.deleted, i.item) })
	}
	if len(path) == 0 {
		return v.unknown(r)
	}
	key := keyOf(vault, kind, path[0])
	v.mu.Lock()
	defer v.mu.Unlock()
	item := v.deleted[key]
	switch {
	case item == nil:
		singular := strings.ToUpper(kind[:1]) + kind[1:len(kind)-1]
		return fail(http.StatusNotFound, singular+"NotFound", "Deleted "+strings.ToLower(singular)+" not found: "+path[0])
	case len(path) == 1 && r.Method == http.MethodGet:
		body := item.Versions[len(item.Versions)-1].Body
		if kind == "secrets" { // a deleted bundle gives no value
			body = item.items[len(item.items)-1]
		}
		return document(http.StatusOK, v.withRecovery(r, item, item.deleted, body))
	case len(path) == 1 && r.Method == http.MethodDelete:
		for _, key := range v.together(key) {
			delete(v.deleted, key)
		}
		return &answer{status: http.StatusNoContent}
	case len(path) == 2 && path[1] == "recover" && r.Method == http.MethodPost:
		for _, key := range v.together(key) {
			back := *v.deleted[key]
			delete(v.deleted, key)
			back.deleted = time.Time{}
			v.insert(&back)
		}
		return document(http.StatusOK, item.Versions[len(item.Versions)-1].Body)
	}
	return v.unknown(r)
}

// together are a deleted object and what was deleted with it. The caller holds the lock.
func (v *vaults) together(key vaultKey) []vaultKey {
	all := []vaultKey{key}
	if key.kind == "certificates" {
		for _, kind := range []string{"keys", "secrets"} {
			if own := v.deleted[vaultKey{key.vault, kind, key.name}]; own != nil && own.Managed {
				all = append(all, own.key)
			}
		}
	}
	return all
}
