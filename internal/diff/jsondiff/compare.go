package jsondiff

import (
	"slices"
	"strconv"
	"strings"

	"infrabackup/internal/diff/redact"
	"infrabackup/internal/diff/result"
)

// Reasons that come from the comparison itself.
const (
	ReasonCase       = "case of an ID"
	ReasonOrder      = "order of a list in which order means nothing"
	ReasonDefault    = "absent, null and the default are the same"
	ReasonHost       = "host of an ID"
	ReasonTranslated = "refers to what was moved or renamed"
)

// Options are what a comparison needs besides rules.
type Options struct {
	// Translate, when not nil, says what the second side calls what a text of the first one
	// names.
	Translate func(text string) string
}

// Compare adds what differs between two documents that were parsed with the same rules and
// the same key.
func Compare(a, b *Document, rules *Compiled, o Options, to *result.Details) {
	c := comparison{rules: rules, translate: o.Translate, to: to}
	c.compare(&a.root, &b.root, rules.root, "", false)
}

type comparison struct {
	rules     *Compiled
	translate func(string) string
	to        *result.Details
	path      []string
	element   element
}

// element is the innermost element with keys that is being compared: its keys are the same
// whatever the case of their letters.
type element struct {
	depth int // of the path
	keys  []string
}

var missing = node{kind: absent}

// compare compares two values at a place. Name is that of the member that they are, or are in.
func (c *comparison) compare(a, b *node, at *place, name string, verbatim bool) {
	switch {
	case equal(a, b):
	case a.kind == object && b.kind == object:
		c.objects(a, b, at, verbatim)
	case a.kind == array && b.kind == array:
		c.arrays(a, b, at, name, verbatim)
	case a.kind == text && b.kind == text:
		if reason := c.alike(a.text, b.text, at, name, verbatim); reason != "" {
			c.to.Ignore(reason)
			return
		}
		c.emit(a, b)
	default:
		c.emit(a, b)
	}
}

// alike says why two texts that differ are the same all the same, "" when they are not.
func (c *comparison) alike(a, b string, at *place, name string, verbatim bool) string {
	if !verbatim {
		isKey := len(c.path) == c.element.depth+1 && slices.Contains(c.element.keys, name)
		if (isID(a) && isID(b) || isKey || c.rules.foldedAt(at, name)) && strings.EqualFold(a, b) {
			return ReasonCase
		}
		if c.rules.hostAt(at, name) {
			if x, y := withoutHost(a), withoutHost(b); x != "" && strings.EqualFold(x, y) {
				return ReasonHost
			}
		}
	}
	if c.translate != nil {
		if t := c.translate(a); t != a && (t == b || strings.EqualFold(t, b)) {
			return ReasonTranslated
		}
	}
	return ""
}

func (c *comparison) objects(a, b *node, at *place, verbatim bool) {
	i, j := 0, 0
	for i < len(a.members) || j < len(b.members) {
		var ma, mb *member
		switch {
		case j == len(b.members) || i < len(a.members) && a.members[i].key < b.members[j].key:
			ma = &a.members[i]
			i++
		case i == len(a.members) || b.members[j].key < a.members[i].key:
			mb = &b.members[j]
			j++
		default:
			ma, mb = &a.members[i], &b.members[j]
			i, j = i+1, j+1
		}
		c.member(a, b, ma, mb, at, verbatim)
	}
}

// member compares a member of two objects; one of them may not have it.
func (c *comparison) member(inA, inB *node, ma, mb *member, at *place, verbatim bool) {
	va, vb, shown := &missing, &missing, ""
	if ma != nil {
		va, shown = &ma.value, ma.name
	}
	if mb != nil {
		vb, shown = &mb.value, mb.name
	}
	if ma != nil && mb != nil {
		shown = min(ma.name, mb.name) // the same from both sides
	}
	if ma != nil && mb != nil && equal(va, vb) {
		return
	}
	key := strings.ToLower(shown)
	below := at.member(key)
	if !verbatim {
		if reason := c.rules.reason(below, key, inA, inB); reason != "" {
			c.to.Ignore(reason)
			return
		}
		if d := c.rules.defaultOf(below, key); d != "" && isDefault(va, d) && isDefault(vb, d) {
			c.to.Ignore(ReasonDefault)
			return
		}
	}
	c.path = append(c.path, step(shown, len(c.path) == 0))
	c.compare(va, vb, below, key, verbatim || c.rules.verbatim[key])
	c.path = c.path[:len(c.path)-1]
}

// isDefault reports whether a value is absent, null, or a default that is given as JSON.
func isDefault(n *node, defaultsTo string) bool {
	return n.kind <= null || string(n.appendJSON(nil, false)) == defaultsTo
}

// emit notes that two values differ.
func (c *comparison) emit(a, b *node) {
	path := strings.Join(c.path, "")
	how := result.Changed
	switch {
	case a.kind == absent:
		how = result.Added
	case b.kind == absent:
		how = result.Removed
	}
	switch {
	case a.secretive() || b.secretive():
		c.to.Secret(path, how)
	case how == result.Added:
		c.to.Masked(path, how, "", b.shown())
	case how == result.Removed:
		c.to.Masked(path, how, a.shown(), "")
	default:
		c.to.Masked(path, how, a.shown(), b.shown())
	}
}

// secretive reports whether a value is a secret as a whole.
func (n *node) secretive() bool { return n.kind == hidden || n.kind == text && redact.Text(n.text) }

// shown is a value for people: a text as it is, everything else as JSON without secrets.
func (n *node) shown() string {
	if n.kind == text {
		return n.text
	}
	return string(n.appendJSON(nil, false))
}

// step is a member's name in a path.
func step(name string, first bool) string {
	for i := range len(name) {
		switch ch := name[i]; {
		case ch >= 'a' && ch <= 'z', ch >= 'A' && ch <= 'Z', ch >= '0' && ch <= '9', ch == '_', ch == '$', ch == '-':
		default:
			return "[" + strconv.Quote(name) + "]"
		}
	}
	switch {
	case name == "":
		return `[""]`
	case first:
		return name
	}
	return "." + name
}

// equal reports whether two values are the same in every way.
func equal(a, b *node) bool {
	if a.kind != b.kind || a.text != b.text || len(a.members) != len(b.members) || len(a.elements) != len(b.elements) {
		return false
	}
	if a.kind == hidden {
		return *a.secret == *b.secret
	}
	for i := range a.members {
		if a.members[i].key != b.members[i].key || !equal(&a.members[i].value, &b.members[i].value) {
			return false
		}
	}
	for i := range a.elements {
		if !equal(&a.elements[i], &b.elements[i]) {
			return false
		}
	}
	return true
}

// isID reports whether a text is an ID that means the same whatever the case of its letters: an
// ARM ID, a GUID or a SID.
func isID(s string) bool {
	switch {
	case strings.HasPrefix(s, "/"):
		return len(s) > 1 && (hasPrefixFold(s, "/subscriptions/") || hasPrefixFold(s, "/providers/") || hasPrefixFold(s, "/tenants/"))
	case len(s) == 36:
		for i := range len(s) {
			dash := i == 8 || i == 13 || i == 18 || i == 23
			if ch := s[i]; dash != (ch == '-') || !dash && !isHex(ch) {
				return false
			}
		}
		return true
	}
	return hasPrefixFold(s, "s-1-") && strings.IndexFunc(s[4:], func(r rune) bool { return r != '-' && (r < '0' || r > '9') }) < 0
}

func isHex(ch byte) bool {
	return ch >= '0' && ch <= '9' || ch >= 'a' && ch <= 'f' || ch >= 'A' && ch <= 'F'
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// withoutHost is what follows scheme and host of a URL, "" for what is none.
func withoutHost(s string) string {
	_, rest, ok := strings.Cut(s, "://")
	if !ok {
		return ""
	}
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		return rest[i:]
	}
	return "/"
}
