package resource

import (
	"iter"
	"strings"

	"infrabackup/internal/azure"
	"infrabackup/internal/compact"
)

// mark is what is remembered of an item.
type mark struct {
	sum       uint64 // of its document
	weight    uint32 // of its document
	most      uint32 // of the fullest document that the last look to see it was given
	round     uint8  // the look that saw it last
	tracked   bool
	confirmed bool  // the resource itself was read in that look
	qualified bool  // another endpoint has an item of this ID, which came first
	from      uint8 // the endpoint that gave the document, as its place among endpoints
}

// endpoints are those that give documents.
var endpoints = [...]azure.Endpoint{"", azure.Tenant, azure.Admin, azure.Vault}

// endpoint is the one that gave the document.
func (m mark) endpoint() azure.Endpoint { return endpoints[m.from] }

// gave notes which endpoint gave the document.
func (m *mark) gave(endpoint azure.Endpoint) {
	for i, known := range endpoints {
		if known == endpoint {
			m.from = uint8(i)
		}
	}
}

// key names an item within a service. Two resource managers may have the same ID.
type key struct {
	endpoint azure.Endpoint
	kind, id string
}

// text is the key as one text: endpoints and kinds have no blanks.
func (k key) text() string { return string(k.endpoint) + " " + k.kind + " " + k.id }

// items are what the part has: marks by digests of keys, and the keys themselves in the
// order in which they came, compressed, for the few that are asked for by their IDs.
type items struct{ index compact.Index[mark] }

func (i *items) get(at key) (mark, bool) { return i.index.Get(at.text()) }

// put stores what is remembered of an item.
func (i *items) put(at key, m mark) { i.index.Put(at.text(), m) }

// all are the items in the order in which they came. Marks may be put meanwhile.
func (i *items) all() iter.Seq2[key, mark] {
	return func(yield func(key, mark) bool) {
		for text, m := range i.index.All() {
			endpoint, rest, _ := strings.Cut(text, " ")
			kind, id, _ := strings.Cut(rest, " ")
			if !yield(key{azure.Endpoint(endpoint), kind, id}, m) {
				return
			}
		}
	}
}

// any reports whether there is an item of a kind. It is quick, since it needs no keys.
func (i *items) any(of func(mark) bool) bool {
	for m := range i.index.Values() {
		if of(m) {
			return true
		}
	}
	return false
}
