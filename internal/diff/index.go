package diff

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"infrabackup/internal/backup"
	"infrabackup/internal/diff/identity"
	"infrabackup/internal/fault"
)

// maxItems bounds the items of a side.
const maxItems = 20_000_000

// slot is what is kept of every item.
type slot struct {
	key     [16]byte // of service, kind and ID
	digest  [sha256.Size]byte
	offset  int64
	length  int64
	service uint8 // position in backup.Services
	state   state
	ref     int32 // of what is kept of an item that differs
}

type state uint8

const (
	equal   state = iota // the other side has it with the same digest
	differs              // the other side has it
	alone                // the other side does not
)

// item is what is kept of an item that differs.
type item struct {
	kind, id, name string
	digest         [sha256.Size]byte
	offset, length int64
}

// entry is what a part is asked for.
func (i *item) entry(service backup.Service) backup.CatalogEntry {
	return backup.CatalogEntry{
		Service: service, Item: backup.Item{Kind: i.kind, ID: i.id, Name: i.name}, SHA256: hex.EncodeToString(i.digest[:]), Offset: i.offset, Length: i.length,
	}
}

// side is one of the two, with its index.
type side struct {
	source     Source
	identities identity.Map // of the first side
	slots      []slot
	items      []item
	count      map[backup.Service]int64
	gaps       map[backup.Service]map[string]string // code by object, in small letters
}

// key is by what an item is found on the other side.
func (s *side) key(e *backup.CatalogEntry) (key [16]byte) {
	id := e.ID
	if e.Service == backup.AD && !s.identities.Empty() {
		id = s.identities.GUID(id)
	}
	h := sha256.New()
	_, _ = h.Write([]byte(string(e.Service) + "\x00" + e.Kind + "\x00" + id)) // a hash takes everything
	copy(key[:], h.Sum(nil))
	return key
}

// index reads the catalog: of several records of one item the last one counts.
func (s *side) index(ctx context.Context, wanted map[backup.Service]bool) error {
	var digest [sha256.Size]byte
	err := s.source.Catalog(ctx, func(e backup.CatalogEntry) error {
		if !wanted[e.Service] {
			return ctx.Err()
		}
		if len(s.slots) >= maxItems {
			return fault.Newf(fault.LimitExceeded, "%s has more than %d items, which cannot be compared", s.source.Side().Name, maxItems)
		}
		if n, err := hex.Decode(digest[:], []byte(e.SHA256)); err != nil || n != len(digest) {
			return fault.Newf(fault.BackupDamaged, "item %.200q of %s has no digest", e.ID, s.source.Side().Name)
		}
		s.slots = append(s.slots, slot{key: s.key(&e), digest: digest, offset: e.Offset, length: e.Length, service: uint8(e.Service.Order()), ref: -1, state: alone})
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	slices.SortStableFunc(s.slots, func(x, y slot) int { return bytes.Compare(x.key[:], y.key[:]) })
	kept := s.slots[:0]
	for i := range s.slots {
		if i+1 == len(s.slots) || s.slots[i].key != s.slots[i+1].key {
			kept = append(kept, s.slots[i])
		}
	}
	s.slots = kept
	s.count = map[backup.Service]int64{}
	for i := range s.slots {
		s.count[backup.Services()[s.slots[i].service]]++
	}
	return nil
}

// match compares the digests of both sides.
func match(a, b *side) (equals map[backup.Service]int64) {
	equals = map[backup.Service]int64{}
	services := backup.Services()
	for i, j := 0, 0; i < len(a.slots) && j < len(b.slots); {
		x, y := &a.slots[i], &b.slots[j]
		switch c := bytes.Compare(x.key[:], y.key[:]); {
		case c < 0:
			i++
		case c > 0:
			j++
		default:
			x.state, y.state = differs, differs
			if x.digest == y.digest {
				x.state, y.state = equal, equal
				equals[services[x.service]]++
			}
			i, j = i+1, j+1
		}
	}
	return equals
}

// find is the slot of a key, nil when there is none.
func (s *side) find(key [16]byte) *slot {
	if i, ok := slices.BinarySearchFunc(s.slots, key, func(x slot, key [16]byte) int { return bytes.Compare(x.key[:], key[:]) }); ok {
		return &s.slots[i]
	}
	return nil
}

// collect reads the catalog again, for the names of what differs. Also, when not nil, is called
// for the last records of items that are equal.
func (s *side) collect(ctx context.Context, wanted map[backup.Service]bool, also func(backup.CatalogEntry)) error {
	kinds := map[string]string{} // so that equal ones are in memory once
	return s.source.Catalog(ctx, func(e backup.CatalogEntry) error {
		if !wanted[e.Service] {
			return ctx.Err()
		}
		slot := s.find(s.key(&e))
		switch {
		case slot == nil:
			return fault.Newf(fault.BackupDamaged, "the catalog of %s is not what it was a moment ago", s.source.Side().Name)
		case slot.offset != e.Offset: // a record that a later one supersedes
			return ctx.Err()
		case slot.state == equal:
			if also != nil {
				also(e)
			}
			return ctx.Err()
		case slot.ref >= 0:
			return ctx.Err()
		}
		if kinds[e.Kind] == "" {
			kinds[e.Kind] = e.Kind
		}
		slot.ref = int32(len(s.items))
		s.items = append(s.items, item{kind: kinds[e.Kind], id: e.ID, name: e.Name, digest: slot.digest, offset: e.Offset, length: e.Length})
		return ctx.Err()
	})
}

// readGaps notes what a side knows and does not hold.
func (s *side) readGaps() {
	s.gaps = map[backup.Service]map[string]string{}
	for _, service := range s.source.Services() {
		s.gaps[service.Service] = map[string]string{}
		for _, gap := range service.Gaps {
			s.gaps[service.Service][lower(gap.Object)] = gap.Code
		}
	}
}
