package stamp

import (
	"cmp"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"infrabackup/tests/lab/stamp/inventory"
)

// digest is a value that nobody can tell from a random one and that is the same every
// time.
func digest(text string) string {
	sum := sha256.Sum256([]byte("stand-in stamp " + text))
	return hex.EncodeToString(sum[:])
}

// vaultKey names an object: vault, kind and name in lower case.
type vaultKey struct{ vault, kind, name string }

func keyOf(vault, kind, name string) vaultKey {
	return vaultKey{strings.ToLower(vault), strings.ToLower(kind), strings.ToLower(name)}
}

// vaultItem is a stored object. It never changes: a changed object is a new item.
type vaultItem struct {
	inventory.VaultObject
	key     vaultKey
	items   [][]byte // what lists of versions say of each version
	item    []byte   // what the list of objects says
	deleted time.Time
}

// vaults is the store of the key vaults' data planes.
type vaults struct {
	stamp *Stamp
	key   [32]byte // of backup blobs

	writing sync.Mutex            // held by who looks before it changes
	pending map[vaultKey]*pending // certificates that are being made

	mu      sync.RWMutex
	objects map[vaultKey]*vaultItem
	deleted map[vaultKey]*vaultItem
	retired map[string]*retired       // deleted vaults, by lower-case name
	names   map[vaultKey][]*vaultItem // objects by vault and kind (name ""), sorted
}

func newVaults(s *Stamp) *vaults {
	v := &vaults{stamp: s, pending: map[vaultKey]*pending{}, objects: map[vaultKey]*vaultItem{}, deleted: map[vaultKey]*vaultItem{}, retired: map[string]*retired{}, names: map[vaultKey][]*vaultItem{}}
	// The key belongs to the deployment, so that blobs of one run open in another.
	v.key = sha256.Sum256([]byte("backup blobs of " + s.deployment))
	return v
}

func byName(a, b *vaultItem) int { return cmp.Compare(a.key.name, b.key.name) }

func (v *vaults) newItem(o inventory.VaultObject) *vaultItem {
	o.Versions = slices.Clone(o.Versions)
	item := &vaultItem{VaultObject: o, key: keyOf(o.Vault, o.Kind, o.Name)}
	item.Policy = v.stamp.reachable(o.Policy)
	for i := range o.Versions {
		version := &item.Versions[i]
		version.Body = v.stamp.reachable(version.Body)
		item.items = append(item.items, listItem(item.key.kind, version.Body, ""))
	}
	if n := len(item.Versions); n > 0 {
		item.item = listItem(item.key.kind, item.Versions[n-1].Body, item.Versions[n-1].Version)
	}
	return item
}

// listItem keeps what a list says of a bundle: KeyItem, SecretItem or CertificateItem
// of the definition. With a version the ID is the object's, without that version.
func listItem(kind string, bundle []byte, version string) []byte {
	var all map[string]json.RawMessage
	// What is no object has no members to give.
	_ = json.Unmarshal(bundle, &all)
	members := []string{"id", "attributes", "tags", "contentType", "managed"}
	switch kind {
	case "keys":
		var key struct {
			Key struct {
				KID string `json:"kid"`
			} `json:"key"`
		}
		_ = json.Unmarshal(bundle, &key)
		all["kid"], _ = json.Marshal(key.Key.KID) // a string always marshals
		members = []string{"kid", "attributes", "tags", "managed"}
	case "certificates":
		members = []string{"id", "attributes", "tags", "x5t"}
	}
	out := []byte{'{'}
	for _, member := range members {
		value, ok := all[member]
		if !ok {
			continue
		}
		if (member == "id" || member == "kid") && version != "" {
			var id string
			_ = json.Unmarshal(value, &id)
			value, _ = json.Marshal(strings.TrimSuffix(id, "/"+version)) // a string always marshals
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(append(append(out, '"'), member...), `":`...), value...)
	}
	return append(out, '}')
}

// put stores an object. One without versions does not exist: putting it removes it.
func (v *vaults) put(o inventory.VaultObject) {
	if len(o.Versions) == 0 {
		v.remove(o.Vault, o.Kind, o.Name, false)
		return
	}
	item := v.newItem(o)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.insert(item)
}

// putDeleted stores an object among the soft-deleted ones.
func (v *vaults) putDeleted(o inventory.VaultObject) {
	item := v.newItem(o)
	item.deleted = v.stamp.now()
	v.mu.Lock()
	defer v.mu.Unlock()
	v.deleted[item.key] = item
}

// insert stores an item. The caller holds the lock.
func (v *vaults) insert(item *vaultItem) {
	list := vaultKey{item.key.vault, item.key.kind, ""}
	at, found := slices.BinarySearchFunc(v.names[list], item, byName)
	if found {
		v.names[list][at] = item
	} else {
		v.names[list] = slices.Insert(v.names[list], at, item)
	}
	v.objects[item.key] = item
}

// remove forgets an object; softly, it stays among the deleted ones.
func (v *vaults) remove(vault, kind, name string, softly bool) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	key := keyOf(vault, kind, name)
	item := v.objects[key]
	if item == nil {
		return false
	}
	delete(v.objects, key)
	list := vaultKey{key.vault, key.kind, ""}
	v.names[list] = slices.DeleteFunc(v.names[list], func(o *vaultItem) bool { return o == item })
	if softly {
		gone := *item
		gone.deleted = v.stamp.now()
		v.deleted[key] = &gone
	}
	return true
}

// get finds an object, nil when there is none.
func (v *vaults) get(key vaultKey) *vaultItem {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.objects[key]
}

// all are all objects, by vault, kind and name.
func (v *vaults) all() []inventory.VaultObject {
	v.mu.RLock()
	items := make([]*vaultItem, 0, len(v.objects))
	for _, item := range v.objects {
		items = append(items, item)
	}
	v.mu.RUnlock()
	slices.SortFunc(items, func(a, b *vaultItem) int {
		return cmp.Or(cmp.Compare(a.key.vault, b.key.vault), cmp.Compare(a.key.kind, b.key.kind), byName(a, b))
	})
	objects := make([]inventory.VaultObject, len(items))
	for i, item := range items {
		objects[i] = item.VaultObject
	}
	return objects
}

// of are the objects of a kind in a vault, by name.
func (v *vaults) of(vault, kind string) []*vaultItem {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return slices.Clone(v.names[vaultKey{vault, kind, ""}])
}

// deletedOf are the soft-deleted objects of a kind in a vault, by name.
func (v *vaults) deletedOf(vault, kind string) []*vaultItem {
	v.mu.RLock()
	defer v.mu.RUnlock()
	var items []*vaultItem
	for key, item := range v.deleted {
		if key.vault == vault && key.kind == kind {
			items = append(items, item)
		}
	}
	slices.SortFunc(items, byName)
	return items
}

// holds says whether a vault holds anything.
func (v *vaults) holds(vault string) bool {
	return slices.ContainsFunc([]string{"keys", "secrets", "certificates"}, func(kind string) bool { return len(v.of(vault, kind)) > 0 })
}

// blob is what a backup holds: it goes back into vaults of the same subscription only.
type blob struct {
	Subscription string
	Object       inventory.VaultObject
}

// subscriptionOf is the subscription of a vault, "" for one that no document tells of.
func (v *vaults) subscriptionOf(vault string) string {
	if doc := v.stamp.vaultDocument(strings.ToLower(vault)); doc != nil {
		return doc.place.sub
	}
	return ""
}

// export is the opaque backup of an object with all its versions. It is encrypted with a
// nonce made from the content (SIV), so that an unchanged object gives the same bytes.
func (v *vaults) export(item *vaultItem) (string, error) {
	plain, err := json.Marshal(blob{v.subscriptionOf(item.key.vault), item.VaultObject})
	if err != nil {
		return "", err
	}
	mac := hmac.New(sha256.New, v.key[:])
	mac.Write(plain)
	tag := mac.Sum(nil)
	return base64.RawURLEncoding.EncodeToString(append(tag, v.crypt(tag, plain)...)), nil
}

// crypt is AES-CTR under the blob key.
func (v *vaults) crypt(tag, in []byte) []byte {
	block, err := aes.NewCipher(v.key[:])
	if err != nil {
		panic(err) // 32 bytes are a key
	}
	out := make([]byte, len(in))
	cipher.NewCTR(block, tag[:aes.BlockSize]).XORKeyStream(out, in)
	return out
}

// open reads a blob that this stamp, or one of the same deployment, has made, and tells
// of which subscription it is.
func (v *vaults) open(text string) (o inventory.VaultObject, subscription string, err error) {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(raw) < sha256.Size {
		return inventory.VaultObject{}, "", errors.New("the blob is malformed")
	}
	tag := raw[:sha256.Size]
	plain := v.crypt(tag, raw[sha256.Size:])
	mac := hmac.New(sha256.New, v.key[:])
	mac.Write(plain)
	if !hmac.Equal(mac.Sum(nil), tag) {
		return inventory.VaultObject{}, "", errors.New("the blob was not made here")
	}
	var b blob
	err = json.Unmarshal(plain, &b)
	return b.Object, b.Subscription, err
}
