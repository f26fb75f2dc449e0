package compact

import (
	"iter"
	"unsafe"
)

// Key is what a [Table] finds values by: of a fixed size, without pointers, and as good as
// random.
type Key interface {
	comparable
	// Hash is a part of it of which all bits are as good as random.
	Hash() uint64
}

const (
	// least is how many slots a shard begins with.
	least = 8
	// small is how many entries a table has in one shard, and shards in how many it has
	// more. Each grows by itself, so that growing needs no second table.
	small  = 4 << 10
	shards = 256
)

// Table holds values by keys, in slots next to each other. Seven of eight to ten slots are
// in use, so that an entry of a large table takes at most 1.45 times its size; in a Go map
// it is up to 2.4 times. Values should have no pointers: the garbage collector then passes
// over the whole. The zero value is an empty table.
type Table[K Key, V any] struct {
	shards []shard[K, V]
	count  int
	slots  int
	zero   *V // of the key that marks a free slot
}

// slot has the value first: one of no size takes no room there.
type slot[K Key, V any] struct {
	value V
	key   K
}

// shard is a hash table with linear probing.
type shard[K Key, V any] struct {
	slots []slot[K, V]
	used  int
}

// Len is how many entries there are.
func (t *Table[K, V]) Len() int { return t.count }

// Bytes is how much memory the entries take.
func (t *Table[K, V]) Bytes() int {
	return t.slots * int(unsafe.Sizeof(slot[K, V]{}))
}

// Get finds a value.
func (t *Table[K, V]) Get(key K) (V, bool) {
	if at := t.find(key); at != nil {
		return *at, true
	}
	var none V
	return none, false
}

// Put stores a value. It reports whether the key is new.
func (t *Table[K, V]) Put(key K, value V) bool {
	if at := t.find(key); at != nil {
		*at = value
		return false
	}
	t.count++
	var free K
	if key == free {
		t.zero = &value
		return true
	}
	switch {
	case t.shards == nil:
		t.shards = make([]shard[K, V], 1)
	case len(t.shards) == 1 && t.count > small:
		t.split()
	}
	t.add(key, value)
	return true
}

// All are all keys and values, in no order. Nothing may be put meanwhile.
func (t *Table[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		var free K
		if t.zero != nil && !yield(free, *t.zero) {
			return
		}
		for _, s := range t.shards {
			for _, e := range s.slots {
				if e.key != free && !yield(e.key, e.value) {
					return
				}
			}
		}
	}
}

// find is where the value of a key is, nil when there is none.
func (t *Table[K, V]) find(key K) *V {
	var free K
	if key == free {
		return t.zero
	}
	if t.shards == nil {
		return nil
	}
	s := t.of(key)
	if len(s.slots) == 0 {
		return nil
	}
	for i := s.start(key); ; i = s.next(i) {
		switch s.slots[i].key {
		case key:
			return &s.slots[i].value
		case free:
			return nil
		}
	}
}

// of is the shard of a key.
func (t *Table[K, V]) of(key K) *shard[K, V] { return &t.shards[key.Hash()%uint64(len(t.shards))] }

// add stores a key that is not there.
func (t *Table[K, V]) add(key K, value V) {
	s := t.of(key)
	if s.used >= len(s.slots)-len(s.slots)/8 {
		old := s.slots
		*s = shard[K, V]{slots: make([]slot[K, V], max(least, len(old)+len(old)/4))}
		t.slots += len(s.slots) - len(old)
		s.fill(old)
	}
	s.insert(key, value)
}

// split divides a table that is no longer small.
func (t *Table[K, V]) split() {
	old := t.shards[0].slots
	t.shards, t.slots = make([]shard[K, V], shards), 0
	var free K
	for _, e := range old {
		if e.key != free {
			t.add(e.key, e.value)
		}
	}
}

// fill stores what is in other slots.
func (s *shard[K, V]) fill(old []slot[K, V]) {
	var free K
	for _, e := range old {
		if e.key != free {
			s.insert(e.key, e.value)
		}
	}
}

// insert stores a key that is not there. There is a free slot.
func (s *shard[K, V]) insert(key K, value V) {
	var free K
	i := s.start(key)
	for s.slots[i].key != free {
		i = s.next(i)
	}
	s.slots[i] = slot[K, V]{value, key}
	s.used++
}

// start is the slot where a key belongs. The number of slots is no power of two: the upper
// half of a product takes the place of a remainder.
func (s *shard[K, V]) start(key K) int {
	return int(key.Hash() >> 32 * uint64(len(s.slots)) >> 32)
}

func (s *shard[K, V]) next(i int) int {
	if i++; i == len(s.slots) {
		return 0
	}
	return i
}
