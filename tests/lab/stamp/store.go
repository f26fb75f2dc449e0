package stamp

import (
	"bytes"
	"encoding/json"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"infrabackup/tests/lab/stamp/inventory"
)

// entry is a stored document. It never changes: a changed document is a new entry.
type entry struct {
	doc              inventory.Document
	place            place
	row              *row
	created, changed time.Time
	// summary is the entry of ARM's own list of resources, made when first asked for.
	summary func() summary
	// decoded is the body, made when first asked for; it is shared and never changed.
	decoded func() map[string]any
}

// summary is what ARM's own lists know of a resource.
type summary struct {
	head []byte // the object without its closing brace
	tags map[string]string
}

func (s *Stamp) newEntry(d inventory.Document) *entry {
	d.Body = s.reachable(d.Body)
	now := s.now()
	e := &entry{doc: d, place: parsePath(d.ID), created: now, changed: now}
	e.row = s.types.find(e.place.typ, d.Endpoint)
	if e.doc.Type == "" && e.row != nil {
		e.doc.Type = e.row.name
	}
	e.summary = sync.OnceValue(func() summary { return summarize(e) })
	e.decoded = sync.OnceValue(func() map[string]any { return decode(e.doc.Body) })
	return e
}

// reachable gives vault URLs in a body the server's port: who made the body could not
// know it. A stamp on port 443 leaves every body alone.
func (s *Stamp) reachable(body []byte) []byte {
	suffix := []byte(".vault." + s.domain)
	if s.port == "" || !bytes.Contains(body, suffix) {
		return body
	}
	body = bytes.ReplaceAll(body, append(slices.Clone(suffix), '/'), []byte(".vault."+s.domain+s.port+"/"))
	return bytes.ReplaceAll(body, append(slices.Clone(suffix), '"'), []byte(".vault."+s.domain+s.port+"\""))
}

// summarize keeps the members that ARM's own list gives.
func summarize(e *entry) summary {
	var all map[string]json.RawMessage
	var out summary
	// What is no object has no members to give.
	_ = json.Unmarshal(e.doc.Body, &all)
	_ = json.Unmarshal(all["tags"], &out.tags)
	out.head = []byte("{")
	for _, member := range []string{"id", "name", "type", "kind", "location", "managedBy", "sku", "plan", "identity", "zones", "tags"} {
		if value, ok := all[member]; ok {
			if len(out.head) > 1 {
				out.head = append(out.head, ',')
			}
			out.head = append(append(append(append(out.head, '"'), member...), `":`...), value...)
		}
	}
	return out
}

// shelf is the store of one endpoint: documents by ID, and sorted lists of them.
type shelf struct {
	mu    sync.RWMutex
	byID  map[string]*entry
	lists map[string][]*entry // see keys
	// naming is which paths name an ID, nil until a provider asks for the first time.
	naming map[string]map[string]bool
}

func newShelf() *shelf { return &shelf{byID: map[string]*entry{}, lists: map[string][]*entry{}} }

// The lists of a shelf. A collection's list has its path as key.
const (
	keyAll       = "*"          // every document
	keyExtension = "extension " // + type: extension resources at any scope
	keyTracked   = "tracked "   // + subscription or group: ARM's own list of resources
	keyVault     = "vault "     // + name: the key vault of that name
)

// keys are the lists that hold an entry.
func (e *entry) keys() []string {
	p := e.place
	keys := []string{keyAll, p.parent}
	if p.collection { // a document at a collection's path, such as …/settings
		keys = keys[:1]
	}
	if e.row == nil {
		return keys
	}
	if e.row.has(extension) {
		return append(keys, keyExtension+p.typ)
	}
	subscription := "/subscriptions/" + p.sub
	if p.level == 1 && p.group != "" && !e.row.has(exactScope) {
		keys = append(keys, subscription+"/providers/"+p.typ)
	}
	if p.level == 1 && p.group != "" && e.row.has(tracked) {
		keys = append(keys, keyTracked+subscription, keyTracked+subscription+"/resourcegroups/"+p.group)
	}
	if p.typ == "microsoft.keyvault/vaults" {
		keys = append(keys, keyVault+p.name)
	}
	if p.typ == "microsoft.keyvault/locations/deletedvaults" {
		keys = append(keys, subscription+"/providers/microsoft.keyvault/deletedvaults")
	}
	if p.typ == "microsoft.resources/offers" {
		keys = append(keys, "/offers")
	}
	return keys
}

func byPath(a, b *entry) int { return strings.Compare(a.place.path, b.place.path) }

// fill makes the lists of everything that byID holds, once after a load.
func (h *shelf) fill() {
	for _, e := range h.byID {
		for _, key := range e.keys() {
			h.lists[key] = append(h.lists[key], e)
		}
	}
	for _, list := range h.lists {
		slices.SortFunc(list, byPath)
	}
}

// insert stores an entry. The caller holds the lock.
func (h *shelf) insert(e *entry) {
	if old := h.byID[e.place.path]; old != nil {
		e.created = old.created
		h.remove(e.place.path)
	}
	h.byID[e.place.path] = e
	if h.naming != nil {
		h.name(e, true)
	}
	for _, key := range e.keys() {
		list := h.lists[key]
		at, _ := slices.BinarySearchFunc(list, e, byPath)
		h.lists[key] = slices.Insert(list, at, e)
	}
}

// remove forgets the document at a lower-case path. The caller holds the lock.
func (h *shelf) remove(path string) bool {
	e := h.byID[path]
	if e == nil {
		return false
	}
	delete(h.byID, path)
	if h.naming != nil {
		h.name(e, false)
	}
	for _, key := range e.keys() {
		list := h.lists[key]
		if at, found := slices.BinarySearchFunc(list, e, byPath); found {
			h.lists[key] = slices.Delete(list, at, at+1)
		}
		if len(h.lists[key]) == 0 {
			delete(h.lists, key)
		}
	}
	return true
}

// get finds a document by its lower-case path, nil when there is none.
func (h *shelf) get(path string) *entry {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.byID[strings.TrimRight(path, "/")]
}

// below are the documents of a list ("" for all) whose path begins with prefix.
func (h *shelf) below(key, prefix string) []*entry {
	if key == "" {
		key = keyAll
	}
	h.mu.RLock()
	defer h.mu.RUnlock()
	return slices.Clone(withPrefix(h.lists[key], prefix))
}

// exists says whether a subscription, group or resource is there: as a document, or by
// what lies below it.
func (h *shelf) exists(path string) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.byID[path] != nil || len(withPrefix(h.lists[keyAll], path+"/")) > 0
}

// withPrefix is the part of a sorted list whose paths begin with prefix.
func withPrefix(list []*entry, prefix string) []*entry {
	from := sort.Search(len(list), func(i int) bool { return list[i].place.path >= prefix })
	n := sort.Search(len(list)-from, func(i int) bool { return !strings.HasPrefix(list[from+i].place.path, prefix) })
	return list[from : from+n]
}

// after is the part of a sorted list that comes after a path.
func after(list []*entry, path string) []*entry {
	return list[sort.Search(len(list), func(i int) bool { return list[i].place.path > path }):]
}
