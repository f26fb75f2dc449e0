package access

import (
	"errors"
	"slices"
	"strings"
)

// maxSteps bounds how many memberships are gone through in one comparison.
const maxSteps = 50_000_000

var errTooMany = errors.New("there are more memberships than are gone through")

// numbers gives the principals of both sides numbers, so that memberships take four bytes.
type numbers struct {
	of   map[string]int32
	keys []string
}

func (n *numbers) get(key string) int32 {
	if i, ok := n.of[key]; ok {
		return i
	}
	i := int32(len(n.keys))
	n.of[key] = i
	n.keys = append(n.keys, key)
	return i
}

// graph is the groups of one side.
type graph struct {
	numbers *numbers
	object  map[int32]*Object
	members map[int32][]int32
	steps   *int
}

// newGraph puts the objects of a picture together.
func newGraph(p *Picture, n *numbers, steps *int) *graph {
	g := &graph{numbers: n, object: make(map[int32]*Object, len(p.objects)), members: map[int32][]int32{}, steps: steps}
	byGUID := make(map[string]int32, len(p.objects))
	var byName map[string]int32
	for _, o := range p.objects {
		i := n.get(p.key(o))
		byGUID[o.guid] = i
		// One SID may be that of an account and of what stands for it as one of another domain.
		if known := g.object[i]; known == nil || known.class == "foreignSecurityPrincipal" {
			g.object[i] = o
		}
		if len(o.unnamed) > 0 && byName == nil {
			byName = map[string]int32{}
		}
	}
	if byName != nil {
		for _, o := range p.objects {
			byName[strings.ToLower(o.name)] = n.get(p.key(o))
		}
	}
	for _, o := range p.objects {
		i := n.get(p.key(o))
		for _, guid := range o.members {
			if m, ok := byGUID[guid]; ok {
				g.members[i] = append(g.members[i], m)
			}
		}
		for _, name := range o.unnamed {
			if m, ok := byName[name]; ok {
				g.members[i] = append(g.members[i], m)
			}
		}
		if o.primary != "" {
			group := n.get(p.identities.SID(o.primary))
			g.members[group] = append(g.members[group], i)
		}
	}
	for i, list := range g.members {
		g.members[i] = sorted(list)
	}
	return g
}

// passes reports whether a principal passes on what it has to its members.
func (g *graph) passes(i int32) bool {
	o := g.object[i]
	return o == nil || o.group && o.security
}

// changed are the principals whose members, direct or not, are not the same on both sides.
func changed(a, b *graph) map[int32]bool {
	dirty := map[int32]bool{}
	var queue []int32
	mark := func(i int32) {
		if !dirty[i] {
			dirty[i] = true
			queue = append(queue, i)
		}
	}
	containers := map[int32][]int32{}
	for _, g := range []*graph{a, b} {
		for group, list := range g.members {
			for _, m := range list {
				containers[m] = append(containers[m], group)
			}
		}
	}
	for i := range int32(len(a.numbers.keys)) {
		x, y := a.members[i], b.members[i]
		if a.passes(i) != b.passes(i) && len(x)+len(y) > 0 || !slices.Equal(x, y) {
			mark(i)
		}
	}
	for len(queue) > 0 {
		i := queue[0]
		queue = queue[1:]
		for _, group := range containers[i] {
			mark(group)
		}
	}
	return dirty
}

// holders are all who have what some principals have, each with the group that it has it from,
// or -1 for those themselves. The shortest way counts, of equal ones the first by key.
func (g *graph) holders(principals map[string]bool) (map[int32]int32, error) {
	found := map[int32]int32{}
	var queue []int32
	for _, key := range sortedKeys(principals) {
		i := g.numbers.get(key)
		found[i] = -1
		queue = append(queue, i)
	}
	for len(queue) > 0 {
		var next []int32
		slices.SortFunc(queue, g.byKey)
		for _, group := range queue {
			if !g.passes(group) {
				continue
			}
			for _, m := range g.members[group] {
				if *g.steps++; *g.steps > maxSteps {
					return nil, errTooMany
				}
				if _, ok := found[m]; !ok {
					found[m] = group
					next = append(next, m)
				}
			}
		}
		queue = next
	}
	return found, nil
}

func (g *graph) byKey(x, y int32) int { return strings.Compare(g.numbers.keys[x], g.numbers.keys[y]) }

// path is the groups from the one that has something to the one that a holder is in.
func path(found map[int32]int32, i int32) []int32 {
	var way []int32
	for from := found[i]; from >= 0; from = found[from] {
		way = append(way, from)
	}
	slices.Reverse(way)
	return way
}
