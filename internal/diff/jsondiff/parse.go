package jsondiff

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"infrabackup/internal/diff/redact"
)

// Limits of a document.
const (
	// MaxDepth is how many levels of objects and arrays a document can have.
	MaxDepth = 64
	// MaxValues is how many values it can have.
	MaxValues = 1 << 18
)

// Document is a document that was read.
type Document struct {
	root node
	key  *redact.Key
}

type kind uint8

const (
	absent kind = iota
	null
	scalar // a number or a truth value, as it is written
	text
	hidden // a secret
	object
	array
)

// node is one value.
type node struct {
	kind     kind
	text     string
	secret   *redact.Fingerprint
	members  []member // sorted by key
	elements []node
}

// member is a member of an object. Key is what it is compared by.
type member struct {
	key, name string
	value     node
}

// Value is a value within a document, for conditions of rules.
type Value struct{ node *node }

// Text is the text of the member of an object, "" when it has none.
func (v Value) Text(name string) string {
	if m := v.member(name); m != nil && m.kind == text {
		return m.text
	}
	return ""
}

// Member is the member of an object, whatever the case of its name. It may be absent.
func (v Value) Member(name string) Value { return Value{v.member(name)} }

// Present reports whether there is a value other than null.
func (v Value) Present() bool { return v.node != nil && v.node.kind > null }

// Elements are the elements of an array.
func (v Value) Elements() []Value {
	if v.node == nil {
		return nil
	}
	all := make([]Value, len(v.node.elements))
	for i := range v.node.elements {
		all[i] = Value{&v.node.elements[i]}
	}
	return all
}

// AsText is the value itself, when it is a text.
func (v Value) AsText() string {
	if v.node == nil || v.node.kind != text {
		return ""
	}
	return v.node.text
}

func (v Value) member(name string) *node {
	if v.node == nil {
		return nil
	}
	return v.node.member(strings.ToLower(name))
}

func (n *node) member(key string) *node {
	if i, ok := slices.BinarySearchFunc(n.members, key, func(m member, key string) int { return cmp.Compare(m.key, key) }); ok {
		return &n.members[i].value
	}
	return nil
}

// Root is the whole document, for those who look for single members.
func (d *Document) Root() Value { return Value{&d.root} }

var errTooLarge = fmt.Errorf("it has more than %d levels or %d values", MaxDepth, MaxValues)

// Parse reads a document. A byte order mark and blanks around it do not count. Secrets by the
// rules become fingerprints of key.
func Parse(document []byte, rules *Compiled, key *redact.Key) (*Document, error) {
	document = bytes.TrimSpace(bytes.TrimPrefix(document, []byte("\ufeff")))
	if !json.Valid(document) {
		return nil, errors.New("it is no JSON")
	}
	return ParseValue(gjson.ParseBytes(document), rules, key)
}

// ParseValue is [Parse] of a value of a document that is known to be valid JSON.
func ParseValue(value gjson.Result, rules *Compiled, key *redact.Key) (*Document, error) {
	p := parser{rules: rules, key: key}
	root, err := p.parse(value, rules.root, "", false, 0)
	return &Document{root: root, key: key}, err
}

type parser struct {
	rules  *Compiled
	key    *redact.Key
	values int
}

// parse reads a value. Verbatim says that it is users' data.
func (p *parser) parse(value gjson.Result, at *place, name string, verbatim bool, depth int) (n node, err error) {
	if p.values++; depth > MaxDepth || p.values > MaxValues {
		return n, errTooLarge
	}
	switch {
	case value.Type == gjson.Null:
		n.kind = null
	case value.Type == gjson.String:
		n.kind, n.text = text, value.Str
		if strings.ContainsRune(n.text, '\uFFFD') {
			n.text = value.Raw // what cannot be decoded is not the same for that
		}
	case value.IsObject():
		n.kind = object
		n.members, err = p.members(value, at, verbatim, depth)
	case value.IsArray():
		n.kind = array
		value.ForEach(func(_, element gjson.Result) bool {
			var one node
			if one, err = p.parse(element, at, name, verbatim, depth+1); err == nil {
				n.elements = append(n.elements, one)
			}
			return err == nil
		})
	default:
		n.kind, n.text = scalar, value.Raw
	}
	return n, err
}

func (p *parser) members(value gjson.Result, at *place, verbatim bool, depth int) (all []member, err error) {
	value.ForEach(func(key, value gjson.Result) bool {
		m := member{key: key.Str, name: key.Str}
		if strings.ContainsRune(m.name, '\uFFFD') {
			m.key, m.name = key.Raw, key.Raw
		}
		known := p.rules.nameOf(m.name)
		if !verbatim {
			m.key = known.folded
		}
		below := at.member(known.folded)
		m.value, err = p.parse(value, below, known.folded, verbatim || p.rules.verbatim[known.folded], depth+1)
		if known.secret || !verbatim && p.rules.secretAt(below, known.folded) {
			m.value = p.hide(m.value)
		}
		all = append(all, m)
		return err == nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b member) int { return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.name, b.name)) })
	for i := 1; i < len(all); i++ {
		if all[i].name == all[i-1].name {
			return nil, errors.New("a member appears twice in it")
		}
		if all[i].key == all[i-1].key {
			return nil, errors.New("two members differ in the case of their letters only")
		}
	}
	return all, nil
}

// hide makes a fingerprint of a value. Null and truth values tell nothing.
func (p *parser) hide(n node) node {
	if n.kind <= null || n.kind == hidden || n.kind == scalar && (n.text == "true" || n.text == "false") {
		return n
	}
	plain := n.appendJSON(nil, true)
	print := p.key.Of(plain)
	clear(plain)
	return node{kind: hidden, secret: &print}
}

// appendJSON writes a value as compact JSON, its members sorted. Secrets of it are a mark;
// with prints their fingerprints, which is for making another one.
func (n *node) appendJSON(dst []byte, prints bool) []byte {
	switch n.kind {
	case absent, null:
		return append(dst, "null"...)
	case scalar:
		return append(dst, n.text...)
	case text:
		return appendString(dst, n.text)
	case hidden:
		if prints {
			return appendString(dst, string(n.secret[:]))
		}
		return append(dst, secretMark...)
	case object:
		dst = append(dst, '{')
		for i := range n.members {
			if i > 0 {
				dst = append(dst, ',')
			}
			m := &n.members[i]
			dst = append(appendString(dst, m.name), ':')
			if !prints && m.value.kind == text && redact.Text(m.value.text) {
				dst = append(dst, secretMark...)
				continue
			}
			dst = m.value.appendJSON(dst, prints)
		}
		return append(dst, '}')
	}
	dst = append(dst, '[')
	for i := range n.elements {
		if i > 0 {
			dst = append(dst, ',')
		}
		if !prints && n.elements[i].kind == text && redact.Text(n.elements[i].text) {
			dst = append(dst, secretMark...)
			continue
		}
		dst = n.elements[i].appendJSON(dst, prints)
	}
	return append(dst, ']')
}

// secretMark stands for a secret in a value that is shown.
const secretMark = `"(secret)"`

func appendString(dst []byte, s string) []byte {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil { // a string always encodes
		return append(dst, `""`...)
	}
	return append(dst, bytes.TrimSuffix(buf.Bytes(), []byte("\n"))...)
}

// AppendPrints appends the value as JSON, with fingerprints in place of secrets: for making a
// fingerprint of it, and for nothing else.
func (v Value) AppendPrints(dst []byte) []byte {
	if v.node == nil {
		return append(dst, "null"...)
	}
	return v.node.appendJSON(dst, true)
}
