package resource

import (
	"iter"
	"strings"

	"infrabackup/internal/azure"
	"infrabackup/internal/compact"
)

// groups are resource groups, once each, in the letters of who named them first.
type groups struct {
	known compact.Table[compact.Digest, struct{}] // addresses
	names compact.Texts                           // endpoint, a blank, and the group
}

func (g *groups) add(address string, endpoint azure.Endpoint, group string) {
	if g.known.Put(compact.DigestOf(address), struct{}{}) {
		g.names.Add(string(endpoint) + " " + group)
	}
}

// all are the groups in the order in which they came. Some may be added meanwhile.
func (g *groups) all() iter.Seq2[azure.Endpoint, string] {
	return func(yield func(azure.Endpoint, string) bool) {
		for text := range g.names.All() {
			endpoint, group, _ := strings.Cut(text, " ")
			if !yield(azure.Endpoint(endpoint), group) {
				return
			}
		}
	}
}

func (g *groups) bytes() int { return g.known.Bytes() + g.names.Bytes() }
