package shape

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Differences are the paths of what is wanted and not there, sorted; both are projections.
// With exact, what is there and not wanted counts as well; without, only elements and
// members that are wanted do. Nothing, an empty object and an empty array are the same.
func (s *Shape) Differences(want, live Object, exact bool) []string {
	c := comparison{exact: exact}
	c.object(s, want, live, "")
	slices.Sort(c.found)
	return slices.Compact(c.found)
}

// maxDifferences bounds what is listed of one document.
const maxDifferences = 200

type comparison struct {
	exact bool
	found []string
}

func (c *comparison) differs(at string) {
	if len(c.found) < maxDifferences {
		c.found = append(c.found, at)
	}
}

func (c *comparison) object(s *Shape, want, live Object, at string) {
	for i := range s.Members {
		m := &s.Members[i]
		if m.Owned || m.Fixed || m.Carried || slices.Contains(s.Key, m.Name) { // who has the key is found by it
			continue
		}
		path := strings.TrimPrefix(at+"."+m.Name, ".")
		w, l := want[m.Name], live[m.Name]
		switch {
		case empty(w) && (empty(l) || !c.exact):
		default:
			c.value(m, w, l, path)
		}
	}
}

func (c *comparison) value(m *Member, want, live any, at string) {
	if m.List {
		c.list(&m.Shape, listOf(want), listOf(live), at)
		return
	}
	if m.Members != nil {
		c.object(&m.Shape, objectOf(want), objectOf(live), at)
		return
	}
	if strings.EqualFold(m.Name, "location") && place(want) == place(live) {
		return
	}
	c.plain(want, live, at, m.Set)
}

// place is a region as it is compared: people write East US for eastus.
func place(v any) string {
	text, _ := v.(string)
	return strings.ToLower(strings.Join(strings.Fields(text), ""))
}

func (c *comparison) list(s *Shape, want, live []any, at string) {
	if len(s.Key) == 0 {
		if len(want) != len(live) {
			c.differs(at)
			return
		}
		for i := range want {
			c.object(s, objectOf(want[i]), objectOf(live[i]), fmt.Sprintf("%s[%d]", at, i))
		}
		return
	}
	for _, w := range want {
		key := s.keyOf(w)
		path := at + "[" + key + "]"
		if l := s.element(live, key); l != nil {
			c.object(s, objectOf(w), l, path)
		} else {
			c.differs(path)
		}
	}
	if c.exact {
		for _, l := range live {
			if key := s.keyOf(l); s.element(want, key) == nil {
				c.differs(at + "[" + key + "]")
			}
		}
	}
}

func (c *comparison) plain(want, live any, at string, set bool) {
	switch w := want.(type) {
	case Object:
		l, ok := live.(Object)
		if !ok && !(live == nil && len(w) == 0) {
			c.differs(at)
			return
		}
		for name, inner := range w {
			c.plain(inner, l[name], at+"."+name, false)
		}
		for name := range l {
			if _, there := w[name]; c.exact && !there {
				c.differs(at + "." + name)
			}
		}
	case []any:
		l := listOf(live)
		if len(w) != len(l) || set && !sameSet(w, l) {
			c.differs(at)
			return
		}
		for i := range w {
			if !set {
				c.plain(w[i], l[i], at, false)
			}
		}
	default:
		if !same(want, live) {
			c.differs(at)
		}
	}
}

// same compares values; letters of IDs have no case, and 1 is 1.0.
func same(a, b any) bool {
	switch x := a.(type) {
	case string:
		y, ok := b.(string)
		return ok && (x == y || strings.HasPrefix(x, "/") && strings.EqualFold(x, y))
	case json.Number:
		y, ok := b.(json.Number)
		if !ok || x == y {
			return ok
		}
		f, err := x.Float64()
		g, wrong := y.Float64()
		return err == nil && wrong == nil && f == g
	case bool:
		return a == b
	case nil:
		return empty(b)
	}
	return false
}

func sameSet(a, b []any) bool {
	return !slices.ContainsFunc(a, func(x any) bool {
		return !slices.ContainsFunc(b, func(y any) bool {
			s, ok := x.(string)
			t, okay := y.(string)
			return same(x, y) || ok && okay && strings.EqualFold(s, t)
		})
	})
}

func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case Object:
		for _, inner := range v {
			if !empty(inner) {
				return false
			}
		}
		return true
	case []any:
		return len(v) == 0
	}
	return false
}

func objectOf(v any) Object {
	o, _ := v.(Object)
	return o
}

func listOf(v any) []any {
	l, _ := v.([]any)
	return l
}

// keyOf is what tells an element of an array apart, in lower case.
func (s *Shape) keyOf(element any) string {
	o, parts := objectOf(element), make([]string, len(s.Key))
	for i, name := range s.Key {
		if o[name] != nil {
			parts[i] = fmt.Sprint(o[name])
		}
	}
	return strings.ToLower(strings.Join(parts, "+"))
}

// element finds an element by its key.
func (s *Shape) element(of []any, key string) Object {
	for _, e := range of {
		if o := objectOf(e); o != nil && s.keyOf(o) == key {
			return o
		}
	}
	return nil
}

// Merge is the body of a PUT that makes what is live be as wanted and removes nothing: what
// the live document has besides stays, as members of the document and of its properties, and
// as elements of arrays that have keys. With exact only what a PUT has to carry is kept. Both are
// projections, live with what is carried. Neither is changed.
func (s *Shape) Merge(want, live Object, exact bool) Object {
	return s.merge(want, live, exact, 0)
}

// open is how deep members of live documents are kept: the document's own and those of its
// properties. Below, what is wanted is one thing, such as a rule with either a prefix or a
// list of them.
const open = 2

func (s *Shape) merge(want, live Object, exact bool, depth int) Object {
	out := Object{}
	for i := range s.Members {
		m := &s.Members[i]
		w, l := want[m.Name], live[m.Name]
		switch {
		case m.Owned:
		case m.Carried:
			put(out, m.Name, l)
		case m.Fixed && l != nil:
			put(out, m.Name, l)
		case w == nil && exact, w == nil && depth >= open:
			if kept := m.fixed(objectOf(l), depth); len(kept) > 0 {
				out[m.Name] = kept
			}
		case w == nil:
			put(out, m.Name, l)
		case l == nil:
			put(out, m.Name, w)
		case m.List && len(m.Key) > 0:
			out[m.Name] = m.mergeList(listOf(w), listOf(l), exact, depth)
		case m.Members != nil && !m.List:
			out[m.Name] = m.merge(objectOf(w), objectOf(l), exact, depth+1)
		default:
			out[m.Name] = overlaid(w, l, exact || depth >= open)
		}
	}
	return settled(out)
}

func put(o Object, name string, v any) {
	if v != nil {
		o[name] = v
	}
}

// fixed is what has to be sent again of an object that is not wanted.
func (s *Shape) fixed(live Object, depth int) Object {
	if live == nil || s.Members == nil || s.List || depth > maxDepth {
		return nil
	}
	out := Object{}
	for i := range s.Members {
		if m := &s.Members[i]; m.Fixed || m.Carried {
			put(out, m.Name, live[m.Name])
		}
	}
	return out
}

func (s *Shape) mergeList(want, live []any, exact bool, depth int) []any {
	out := make([]any, 0, len(want)+len(live))
	for _, w := range want {
		key := s.keyOf(w)
		if l := s.element(live, key); l != nil {
			out = append(out, s.merge(objectOf(w), l, exact, max(depth, open)))
		} else {
			out = append(out, w)
		}
	}
	for _, l := range live {
		if !exact && s.element(want, s.keyOf(l)) == nil {
			out = append(out, l)
		}
	}
	return out
}

// overlaid keeps what a map such as tags has besides.
func overlaid(want, live any, exact bool) any {
	w, isMap := want.(Object)
	l, ok := live.(Object)
	if !isMap || !ok || exact {
		return want
	}
	out := Object{}
	for name, v := range l {
		out[name] = v
	}
	for name, v := range w {
		out[name] = v
	}
	return out
}
