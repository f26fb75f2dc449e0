package restore

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"infrabackup/internal/backup"
)

// Source is the backup that is restored, opened with its key.
type Source struct {
	// Catalog gives every entry of the catalog, in its order.
	Catalog func(ctx context.Context, fn func(backup.CatalogEntry) error) error
	// Item gives the bytes of one, compared with its digest. It may be called from several
	// goroutines.
	Item func(ctx context.Context, entry backup.CatalogEntry) ([]byte, error)
}

// groupKey names a group of items.
type groupKey struct {
	service backup.Service
	name    string
}

// index is a catalog in memory, some 500 bytes an item.
type index struct {
	entries []backup.CatalogEntry
	groups  map[groupKey][]int
	order   []groupKey
	names   map[name][]groupKey
	// key is of all digests of the catalog. Digests of items that a plan shows are keyed with
	// it, so that nobody finds out by them what a short item holds.
	key []byte
}

// name is an ID or an alias, in lower case.
type name struct {
	service backup.Service
	text    string
}

// index reads the catalog. Of an item that was captured more than once the last counts.
// Items of services without a restorer are left out.
func (s *Source) index(ctx context.Context, restorers map[backup.Service]Restorer) (*index, error) {
	type identity struct {
		service  backup.Service
		kind, id string
	}
	x := &index{groups: map[groupKey][]int{}, names: map[name][]groupKey{}}
	at := map[identity]int{}
	all := sha256.New()
	err := s.Catalog(ctx, func(e backup.CatalogEntry) error {
		all.Write([]byte(e.SHA256))
		if restorers[e.Service] == nil {
			return nil
		}
		id := identity{e.Service, e.Kind, e.ID}
		if i, ok := at[id]; ok {
			x.entries[i] = e
			return nil
		}
		at[id] = len(x.entries)
		x.entries = append(x.entries, e)
		return nil
	})
	if err != nil {
		return nil, err
	}
	x.key = all.Sum(nil)
	for i, e := range x.entries {
		g := groupKey{e.Service, restorers[e.Service].Group(e)}
		if x.groups[g] == nil {
			x.order = append(x.order, g)
		}
		x.groups[g] = append(x.groups[g], i)
		x.call(e.ID, g)
		for _, alias := range e.Aliases {
			x.call(alias, g)
		}
		if namer, ok := restorers[e.Service].(Namer); ok {
			for _, further := range namer.Names(e) {
				x.call(further, g)
			}
		}
	}
	return x, nil
}

// call notes that a group goes by a name.
func (x *index) call(text string, g groupKey) {
	n := name{g.service, strings.ToLower(text)}
	for _, known := range x.names[n] {
		if known == g {
			return
		}
	}
	x.names[n] = append(x.names[n], g)
}

// find returns the groups that a need is about.
func (x *index) find(need Need) []groupKey {
	return x.names[name{need.Service, strings.ToLower(need.Target)}]
}

// selected reports whether any item of a group was asked for.
func (x *index) selected(g groupKey, s Selection) bool {
	for _, i := range x.groups[g] {
		if s.Takes(x.entries[i]) {
			return true
		}
	}
	return false
}

// items are those of a group.
func (x *index) items(g groupKey, s *Source) []Item {
	items := make([]Item, 0, len(x.groups[g]))
	for _, i := range x.groups[g] {
		e := x.entries[i]
		items = append(items, Item{CatalogEntry: e, Read: func(ctx context.Context) ([]byte, error) { return s.Item(ctx, e) }})
	}
	return items
}

// digest names items by their digests. Only who has the whole catalog can tell what it is of.
func (x *index) digest(items []Item) string {
	h := hmac.New(sha256.New, x.key)
	for _, item := range items {
		h.Write([]byte(item.Kind + "\x00" + item.ID + "\x00" + item.SHA256 + "\n"))
	}
	return hex.EncodeToString(h.Sum(nil))
}
