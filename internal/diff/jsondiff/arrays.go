package jsondiff

import (
	"slices"
	"strconv"
	"strings"
)

// arrays compares two arrays by what the rules, or their elements, say they are.
func (c *comparison) arrays(a, b *node, at *place, name string, verbatim bool) {
	if !verbatim {
		if keys, ok := c.rules.keyed[name]; ok {
			keyedA, okA := keysOf(a.elements, keys.members)
			keyedB, okB := keysOf(b.elements, keys.members)
			if okA && okB {
				c.byKey(a, b, keyedA, keyedB, keys, at)
				return
			}
		}
		if c.rules.sets[name] || idList(a) && idList(b) {
			c.asSets(a, b, at, name)
			return
		}
	}
	c.byPosition(a, b, at, name, verbatim)
}

// keysOf are the keys of elements, when each has one of its own.
func keysOf(elements []node, members []string) (map[string]int, bool) {
	keys := make(map[string]int, len(elements))
	for i := range elements {
		if elements[i].kind != object {
			return nil, false
		}
		var parts []string
		for j, name := range members {
			m := elements[i].member(name)
			switch {
			case m != nil && (m.kind == text || m.kind == scalar):
				parts = append(parts, strings.ToLower(m.text))
			case j > 0 && (m == nil || m.kind == null):
				// Only the first member has to be there.
			default:
				return nil, false
			}
		}
		key := strings.Join(parts, ",")
		if _, taken := keys[key]; taken {
			return nil, false
		}
		keys[key] = i
	}
	return keys, true
}

// byKey compares arrays whose elements have keys.
func (c *comparison) byKey(a, b *node, keysA, keysB map[string]int, keys keying, at *place) {
	var all []string
	var orderA, orderB []int
	for key, i := range keysA {
		all = append(all, key)
		if j, ok := keysB[key]; ok {
			orderA, orderB = append(orderA, i), append(orderB, j)
		}
	}
	for key := range keysB {
		if _, ok := keysA[key]; !ok {
			all = append(all, key)
		}
	}
	if !sameOrder(orderA, orderB) {
		c.to.Ignore(ReasonOrder)
	}
	slices.Sort(all)
	for _, key := range all {
		va, vb := &missing, &missing
		if i, ok := keysA[key]; ok {
			va = &a.elements[i]
		}
		if j, ok := keysB[key]; ok {
			vb = &b.elements[j]
		}
		c.path = append(c.path, "["+keys.shown+"="+shownKey(va, vb, keys.members)+"]")
		outer := c.element
		c.element = element{depth: len(c.path), keys: keys.members}
		c.compare(va, vb, at, "", false)
		c.element = outer
		c.path = c.path[:len(c.path)-1]
	}
}

// shownKey is the key of an element as it is written, the same from both sides.
func shownKey(a, b *node, names []string) string {
	key := func(n *node) string {
		var parts []string
		for _, name := range names {
			if m := n.member(name); m != nil && m.kind > null {
				parts = append(parts, m.text)
			}
		}
		return strings.Join(parts, ",")
	}
	switch {
	case a.kind == absent:
		return key(b)
	case b.kind == absent:
		return key(a)
	}
	return min(key(a), key(b))
}

// sameOrder reports whether pairs of positions are in the same order on both sides.
func sameOrder(a, b []int) bool {
	pairs := make([][2]int, len(a))
	for i := range a {
		pairs[i] = [2]int{a[i], b[i]}
	}
	slices.SortFunc(pairs, func(x, y [2]int) int { return x[0] - y[0] })
	return slices.IsSortedFunc(pairs, func(x, y [2]int) int { return x[1] - y[1] })
}

// idList reports whether every element of an array is an ID, or an object that is nothing but
// one.
func idList(n *node) bool {
	for i := range n.elements {
		e := &n.elements[i]
		switch {
		case e.kind == text && isID(e.text):
		case e.kind == object && len(e.members) == 1 && e.members[0].key == "id" && e.members[0].value.kind == text && isID(e.members[0].value.text):
		default:
			return false
		}
	}
	return true
}

// asSets compares arrays in which order means nothing.
func (c *comparison) asSets(a, b *node, at *place, name string) {
	left := map[string][]*node{}
	for i := range b.elements {
		key := c.elementKey(&b.elements[i], at, name, false)
		left[key] = append(left[key], &b.elements[i])
	}
	var gone []*node
	for i := range a.elements {
		key := c.elementKey(&a.elements[i], at, name, true)
		if same := left[key]; len(same) > 0 {
			left[key] = same[1:]
			continue
		}
		gone = append(gone, &a.elements[i])
	}
	var come []*node
	for _, rest := range left {
		come = append(come, rest...)
	}
	if len(gone)+len(come) == 0 {
		c.to.Ignore(ReasonOrder)
		return
	}
	c.path = append(c.path, "[]")
	for _, list := range [][]*node{gone, come} {
		slices.SortFunc(list, func(x, y *node) int { return strings.Compare(x.shown(), y.shown()) })
	}
	for _, n := range gone {
		c.emit(n, &missing)
	}
	for _, n := range come {
		c.emit(&missing, n)
	}
	c.path = c.path[:len(c.path)-1]
}

// elementKey is what an element of a set is compared by.
func (c *comparison) elementKey(n *node, at *place, name string, ofA bool) string {
	value := n
	if n.kind == object && len(n.members) == 1 && n.members[0].key == "id" {
		value = &n.members[0].value
	}
	if value.kind != text {
		return string(n.appendJSON(nil, true))
	}
	s := value.text
	if ofA && c.translate != nil {
		s = c.translate(s)
	}
	if isID(s) || c.rules.foldedAt(at, name) {
		s = strings.ToLower(s)
	}
	return "\x00" + s
}

// byPosition compares arrays in which order matters: what is equal at the beginning and at the
// end is passed over, what is between them is compared one by one.
func (c *comparison) byPosition(a, b *node, at *place, name string, verbatim bool) {
	from, shorter := 0, min(len(a.elements), len(b.elements))
	for from < shorter && equal(&a.elements[from], &b.elements[from]) {
		from++
	}
	behind := 0
	for behind < shorter-from && equal(&a.elements[len(a.elements)-1-behind], &b.elements[len(b.elements)-1-behind]) {
		behind++
	}
	restA, restB := a.elements[from:len(a.elements)-behind], b.elements[from:len(b.elements)-behind]
	for i := range max(len(restA), len(restB)) {
		va, vb := &missing, &missing
		if i < len(restA) {
			va = &restA[i]
		}
		if i < len(restB) {
			vb = &restB[i]
		}
		c.path = append(c.path, "["+strconv.Itoa(from+i)+"]")
		c.compare(va, vb, at, name, verbatim)
		c.path = c.path[:len(c.path)-1]
	}
}
