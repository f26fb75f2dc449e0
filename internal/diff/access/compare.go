package access

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"infrabackup/internal/diff/result"
)

// maxRows is how many rows are listed.
const maxRows = 20_000

// policyName stands for the role in rows about access policies of vaults.
const policyName = "access policy"

// Compare finds out who gained or lost what.
func Compare(a, b *Picture) result.Access {
	c := &comparison{a: a, b: b, numbers: &numbers{of: map[string]int32{}}, cache: map[cached]map[int32]int32{}}
	out := result.Access{Rows: []result.AccessRow{}, Roles: roles(a, b)}
	if err := c.run(); err != nil {
		out.Reason = err.Error()
		return out
	}
	out.Computed = true
	out.Rows, out.NotListed, out.Gained, out.Lost = c.rows(), c.notListed, c.gained, c.lost
	return out
}

type comparison struct {
	a, b    *Picture
	ga, gb  *graph
	numbers *numbers
	steps   int
	cache   map[cached]map[int32]int32

	found        []row
	notListed    int64
	gained, lost int64
}

// cached names the holders of something on one side.
type cached struct {
	side byte
	g    grant
}

// row is something that a principal gained or lost; the actions of access policies of one vault
// are put together.
type row struct {
	who         int32
	how         result.How
	scope, role string
	actions     []string
	path        []int32
	covered     string
}

// rowKey tells the rows about one role at one scope, or one vault, apart.
type rowKey struct {
	who int32
	how result.How
}

func sortedKeys(set map[string]bool) []string { return slices.Sorted(maps.Keys(set)) }

// run compares the holders of everything that somebody has.
func (c *comparison) run() error {
	c.ga, c.gb = newGraph(c.a, c.numbers, &c.steps), newGraph(c.b, c.numbers, &c.steps)
	grants := map[grant]bool{}
	for _, p := range []*Picture{c.a, c.b} {
		for g, principals := range p.grants {
			grants[g] = true
			for who := range principals {
				c.numbers.get(who)
			}
		}
	}
	dirty := changed(c.ga, c.gb)
	sorted := slices.SortedFunc(maps.Keys(grants), compareGrants)
	for len(sorted) > 0 {
		n := 1
		for n < len(sorted) && sorted[n].scope == sorted[0].scope && sorted[n].role == sorted[0].role {
			n++
		}
		if err := c.together(sorted[:n], dirty); err != nil {
			return err
		}
		sorted = sorted[n:]
	}
	return nil
}

// together compares the holders of one role at one scope, or of everything in one vault.
func (c *comparison) together(grants []grant, dirty map[int32]bool) error {
	found := map[rowKey]*row{}
	note := func(g grant, how result.How, holders, others map[int32]int32) {
		for who := range holders {
			if _, ok := others[who]; ok {
				continue
			}
			key := rowKey{who, how}
			if found[key] == nil {
				found[key] = &row{who: who, how: how, scope: g.scope, role: g.role, path: path(holders, who)}
			}
			if g.action != "" {
				found[key].actions = append(found[key].actions, g.action)
			}
		}
	}
	for _, g := range grants {
		before, after := c.a.grants[g], c.b.grants[g]
		if maps.Equal(before, after) && !c.anyOf(before, dirty) {
			continue
		}
		had, err := c.ga.holders(before)
		if err != nil {
			return err
		}
		has, err := c.gb.holders(after)
		if err != nil {
			return err
		}
		note(g, result.Added, has, had)
		note(g, result.Removed, had, has)
	}
	return c.list(found)
}

// list counts rows, and lists them while there is room.
func (c *comparison) list(found map[rowKey]*row) error {
	keys := slices.SortedFunc(maps.Keys(found), func(x, y rowKey) int {
		return cmp.Or(c.ga.byKey(x.who, y.who), cmp.Compare(x.how, y.how))
	})
	for _, key := range keys {
		if key.how == result.Added {
			c.gained++
		} else {
			c.lost++
		}
		if len(c.found) >= maxRows {
			c.notListed++
			continue
		}
		r := found[key]
		if r.role != "" {
			var err error
			if r.covered, err = c.coveredBy(grant{scope: r.scope, role: r.role}, r.who, r.how); err != nil {
				return err
			}
		}
		c.found = append(c.found, *r)
	}
	return nil
}

func compareGrants(x, y grant) int {
	return cmp.Or(cmp.Compare(x.scope, y.scope), cmp.Compare(x.role, y.role), cmp.Compare(x.action, y.action))
}

func (c *comparison) anyOf(principals map[string]bool, dirty map[int32]bool) bool {
	for who := range principals {
		if dirty[c.numbers.get(who)] {
			return true
		}
	}
	return false
}

// maxCached bounds how many sets of holders are kept.
const maxCached = 64

// coveredBy is the scope above at which a principal has the same role on the other side: then
// what was gained or lost here changes nothing.
func (c *comparison) coveredBy(g grant, who int32, how result.How) (string, error) {
	side, p, graph := byte('a'), c.a, c.ga
	if how == result.Removed {
		side, p, graph = 'b', c.b, c.gb
	}
	for scope := above(g.scope); scope != ""; scope = above(scope) {
		up := grant{scope: scope, role: g.role}
		if len(p.grants[up]) == 0 {
			continue
		}
		at := cached{side, up}
		holders := c.cache[at]
		if holders == nil {
			var err error
			if holders, err = graph.holders(p.grants[up]); err != nil {
				return "", err
			}
			if len(c.cache) >= maxCached {
				clear(c.cache)
			}
			c.cache[at] = holders
		}
		if _, ok := holders[who]; ok {
			return scope, nil
		}
	}
	return "", nil
}

// above is the scope that a scope lies in, "" for the root: /subscriptions/a of
// /subscriptions/a/resourcegroups/b, and so on.
func above(scope string) string {
	if scope == "" || scope == "/" {
		return ""
	}
	rest, count := strings.TrimPrefix(scope, "/"), strings.Count(scope, "/")
	switch parts := strings.Split(rest, "/"); {
	case count <= 2:
		return "/"
	case len(parts) > 4 && parts[len(parts)-4] == "providers":
		// The type and the name of a resource, and the provider in front of them.
		return "/" + strings.Join(parts[:len(parts)-4], "/")
	default:
		return "/" + strings.Join(parts[:len(parts)-2], "/")
	}
}

// rows are what was found, in order.
func (c *comparison) rows() []result.AccessRow {
	all := make([]result.AccessRow, 0, len(c.found))
	for _, r := range c.found {
		graph := c.gb
		if r.how == result.Removed {
			graph = c.ga
		}
		one := result.AccessRow{
			Principal: c.principal(r.who), How: r.how, Scope: r.scope, Role: c.roleName(r.role), RoleID: r.role,
			Actions: append([]string{}, r.actions...), Path: []string{}, Covered: r.covered,
		}
		slices.Sort(one.Actions)
		for _, group := range r.path {
			one.Path = append(one.Path, nameIn(graph, group, c.numbers))
		}
		all = append(all, one)
	}
	slices.SortFunc(all, func(x, y result.AccessRow) int {
		return cmp.Or(cmp.Compare(x.Principal.Name, y.Principal.Name), cmp.Compare(x.Principal.SID, y.Principal.SID), cmp.Compare(x.Scope, y.Scope),
			cmp.Compare(x.Role, y.Role), cmp.Compare(x.RoleID, y.RoleID), cmp.Compare(x.How, y.How))
	})
	return all
}

func nameIn(g *graph, i int32, n *numbers) string {
	if o := g.object[i]; o != nil {
		return o.name
	}
	return cmp.Or(wellKnown[n.keys[i]], shownID(n.keys[i]))
}

// shownID is a principal's ID for people: SIDs are written in capitals.
func shownID(key string) string {
	if strings.HasPrefix(key, "s-1-") {
		return strings.ToUpper(key)
	}
	return key
}

func (c *comparison) principal(i int32) result.Principal {
	key := c.numbers.keys[i]
	p := result.Principal{SID: shownID(key)}
	o := c.gb.object[i]
	if o == nil {
		o = c.ga.object[i]
	}
	switch {
	case o != nil:
		p.Name, p.Class, p.Disabled = o.name, o.class, o.disabled
	default:
		p.Name = wellKnown[key]
	}
	if p.Class == "foreignSecurityPrincipal" && wellKnown[key] != "" {
		p.Name = wellKnown[key]
	}
	return p
}

func (c *comparison) roleName(id string) string {
	if id == "" {
		return policyName
	}
	for _, p := range []*Picture{c.b, c.a} {
		if r := p.roles[id]; r != nil && r.name != "" {
			return r.name
		}
	}
	return id
}

// roles are the roles of both sides that allow something else on one of them.
func roles(a, b *Picture) []result.RoleChange {
	out := []result.RoleChange{}
	for id, now := range b.roles {
		before := a.roles[id]
		if before == nil {
			continue
		}
		change := result.RoleChange{RoleID: id, Name: now.name, Type: now.kind, Assignments: b.assignments[id]}
		change.Gained = append(without(now.allows, before.allows), without(before.forbids, now.forbids)...)
		change.Lost = append(without(before.allows, now.allows), without(now.forbids, before.forbids)...)
		if len(change.Gained)+len(change.Lost) > 0 {
			slices.Sort(change.Gained)
			slices.Sort(change.Lost)
			out = append(out, change)
		}
	}
	slices.SortFunc(out, func(x, y result.RoleChange) int {
		return cmp.Or(cmp.Compare(x.Name, y.Name), cmp.Compare(x.RoleID, y.RoleID))
	})
	return out
}

// without are the members of a that b does not have; never nil.
func without(a, b map[string]bool) []string {
	out := []string{}
	for key := range a {
		if !b[key] {
			out = append(out, key)
		}
	}
	return out
}
