package stamp

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"infrabackup/tests/lab/stamp/inventory"
	"infrabackup/tests/lab/stamp/provider"
)

// stock is one endpoint's shelf as providers see it. Whoever uses it holds
// Stamp.writing, so that what it says stays true until the write is done.
type stock struct {
	s        *Stamp
	endpoint inventory.Endpoint
	*shelf
}

func (s *Stamp) stock(endpoint inventory.Endpoint) *stock {
	return &stock{s, endpoint, s.shelves[endpoint]}
}

// resource is an entry as providers see it.
func (e *entry) resource() *provider.Resource {
	name := e.doc.Type
	if e.row != nil {
		name = e.row.name
	}
	return &provider.Resource{ID: e.doc.ID, Type: e.place.typ, TypeName: name, Body: e.decoded()}
}

// decode reads a body; one that is no object is empty.
func decode(body []byte) provider.Object {
	o := provider.Object{}
	decoder := json.NewDecoder(strings.NewReader(string(body)))
	decoder.UseNumber()
	if decoder.Decode(&o) != nil || o == nil {
		return provider.Object{}
	}
	return o
}

// Get implements provider.Store.
func (k *stock) Get(id string) *provider.Resource {
	if e := k.get(strings.ToLower(id)); e != nil {
		return e.resource()
	}
	return nil
}

// Below implements provider.Store.
func (k *stock) Below(prefix string) []*provider.Resource {
	return resources(k.below("", strings.ToLower(prefix)))
}

// OfType implements provider.Store.
func (k *stock) OfType(typ string) []*provider.Resource {
	return resources(slices.DeleteFunc(k.below("", ""), func(e *entry) bool { return e.place.typ != typ }))
}

func resources(entries []*entry) []*provider.Resource {
	out := make([]*provider.Resource, len(entries))
	for i, e := range entries {
		out[i] = e.resource()
	}
	return out
}

// Naming implements provider.Store.
func (k *stock) Naming(id string) []*provider.Resource {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.naming == nil {
		k.naming = map[string]map[string]bool{}
		for _, e := range k.byID {
			k.name(e, true)
		}
	}
	var out []*provider.Resource
	for _, path := range slices.Sorted(maps.Keys(k.naming[strings.ToLower(id)])) {
		if e := k.byID[path]; e != nil {
			out = append(out, e.resource())
		}
	}
	return out
}

// name keeps the index of who names whom. The caller holds the lock.
func (h *shelf) name(e *entry, there bool) {
	for _, target := range e.references() {
		switch {
		case there && h.naming[target] == nil:
			h.naming[target] = map[string]bool{e.place.path: true}
		case there:
			h.naming[target][e.place.path] = true
		default:
			if delete(h.naming[target], e.place.path); len(h.naming[target]) == 0 {
				delete(h.naming, target)
			}
		}
	}
}

// references are the IDs that an entry names.
func (e *entry) references() []string { return provider.References(e.place.typ, e.doc.ID, e.decoded()) }

// Put implements provider.Store. What was written and cannot be read stays.
func (k *stock) Put(id, typ string, body provider.Object) {
	raw, err := json.Marshal(body)
	if err != nil { // it was JSON when it came
		return
	}
	d := inventory.Document{Endpoint: k.endpoint, ID: id, Type: typ, Body: raw}
	old := k.get(strings.ToLower(id))
	if old != nil {
		d.WriteOnly = old.doc.WriteOnly
		d.ID = old.doc.ID
	} else if k.endpoint == inventory.Tenant && strings.EqualFold(typ, "Microsoft.Resources/subscriptions") {
		k.s.registrations.fresh(d.ID)
	}
	k.keep(d)
}

// keep stores a document.
func (k *stock) keep(d inventory.Document) {
	e := k.s.newEntry(d)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.insert(e)
}

// Remove implements provider.Store: what lies below goes as well.
func (k *stock) Remove(id string) {
	path := strings.ToLower(id)
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, e := range slices.Clone(withPrefix(k.lists[keyAll], path+"/")) {
		k.remove(e.place.path)
	}
	k.remove(path)
}

// facts are the stamp as providers see it.
type facts struct{ s *Stamp }

// Location implements provider.Stamp.
func (f facts) Location() string { return f.s.location() }

// Domain implements provider.Stamp.
func (f facts) Domain() string { return f.s.domain }

// TenantID implements provider.Stamp.
func (f facts) TenantID() string { return f.s.tenant }

// Now implements provider.Stamp.
func (f facts) Now() time.Time { return f.s.now() }

// NewGUID implements provider.Stamp.
func (f facts) NewGUID() string { return newGUID() }

// VaultURL implements provider.Stamp.
func (f facts) VaultURL(vault string) string { return f.s.VaultURL(vault) }

// Tenant implements provider.Stamp.
func (f facts) Tenant() provider.Store { return f.s.stock(inventory.Tenant) }

// Admin implements provider.Stamp.
func (f facts) Admin() provider.Store { return f.s.stock(inventory.Admin) }

// Principal implements provider.Stamp.
func (f facts) Principal(id string) bool { return f.s.directory.knows(id, f.s.now()) }

// directory are the principals that role assignments may name.
type directory struct {
	mu    sync.Mutex
	since map[string]time.Time // by lower-case ID; nil for everybody
}

func (d *directory) knows(id string, now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	since, ok := d.since[strings.ToLower(id)]
	return d.since == nil || ok && !now.Before(since)
}

// AddPrincipals tells the resource manager of principals that the directory has. From
// the first call on, role assignments to others are refused with PrincipalNotFound; and
// so are those to new ones until the delay is over, as long as a directory takes to
// replicate.
func (s *Stamp) AddPrincipals(delay time.Duration, ids ...string) {
	s.directory.mu.Lock()
	defer s.directory.mu.Unlock()
	if s.directory.since == nil {
		s.directory.since = map[string]time.Time{}
	}
	for _, id := range ids {
		s.directory.since[strings.ToLower(id)] = s.now().Add(delay)
	}
}

// RemovePrincipal takes a principal out of the directory.
func (s *Stamp) RemovePrincipal(id string) {
	s.directory.mu.Lock()
	defer s.directory.mu.Unlock()
	delete(s.directory.since, strings.ToLower(id))
}
