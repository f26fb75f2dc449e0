package dnsrecord

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"
)

// Types of records (RFC 1035, 3.2.2; RFC 2782; RFC 3596), besides those that only the length of
// their data matters of.
const (
	Tombstone = 0 // of a node that was deleted, MS-DNSP 2.2.2.1.1
	A         = 1
	NS        = 2
	CNAME     = 5
	SOA       = 6
	AAAA      = 28
)

const (
	headSize  = 24
	serialAt  = 8
	stampAt   = 20
	maxLabel  = 63
	maxName   = 255 // of a name with the lengths of its labels, RFC 1035, 2.3.4
	maxString = 255
)

// form is how the data of a type are made up: bytes, then names; or texts.
type form struct {
	before, names int
	texts         bool
}

// forms are those of types whose data have names or texts (MS-DNSP 2.2.2.2.4).
var forms = map[uint16]form{
	NS: {names: 1}, 3: {names: 1}, 4: {names: 1}, CNAME: {names: 1}, SOA: {before: 20, names: 2}, 7: {names: 1}, 8: {names: 1}, 9: {names: 1},
	12: {names: 1}, 13: {texts: true}, 14: {names: 2}, 15: {before: 2, names: 1}, 16: {texts: true}, 17: {names: 2}, 18: {before: 2, names: 1},
	19: {texts: true}, 20: {texts: true}, 21: {before: 2, names: 1}, 33: {before: 6, names: 1}, 39: {names: 1},
}

var errMalformed = errors.New("is no record of DNS (MS-DNSP 2.3.2.2)")

// Record is one value.
type Record struct {
	Type uint16
	raw  []byte
}

// Parse reads a value.
func Parse(raw []byte) (*Record, error) {
	if len(raw) < headSize || len(raw) != headSize+int(binary.LittleEndian.Uint16(raw)) {
		return nil, errMalformed
	}
	r := &Record{Type: binary.LittleEndian.Uint16(raw[2:]), raw: slices.Clone(raw)}
	if _, err := r.change(func(s string) string { return s }); err != nil {
		return nil, err
	}
	return r, nil
}

// Key is what records are compared by: all but the serial of the zone and the hour of the last
// refresh, which servers change by themselves.
func (r *Record) Key() []byte {
	key := slices.Clone(r.raw)
	clear(key[serialAt : serialAt+4])
	clear(key[stampAt : stampAt+4])
	return key
}

// Texts are the names in it, with dots, and its texts.
func (r *Record) Texts() (all []string) {
	_, _ = r.change(func(s string) string { all = append(all, s); return s }) // Parse made sure that it can be read
	return all
}

// Renamed is the value with other names and texts. It fails where these are too long.
func (r *Record) Renamed(rename func(text string) string) ([]byte, error) {
	data, err := r.change(rename)
	if err != nil {
		return nil, err
	}
	out := append(slices.Clone(r.raw[:headSize]), data...)
	if len(data) > 1<<16-1 {
		return nil, errMalformed
	}
	binary.LittleEndian.PutUint16(out, uint16(len(data)))
	return out, nil
}

// change is the data with every name and text replaced.
func (r *Record) change(to func(string) string) ([]byte, error) {
	data, form := r.raw[headSize:], forms[r.Type]
	if form.texts {
		return changeTexts(data, to)
	}
	if len(data) < form.before {
		return nil, errMalformed
	}
	out, rest := slices.Clone(data[:form.before]), data[form.before:]
	for range form.names {
		labels, after, err := readName(rest)
		if err != nil {
			return nil, err
		}
		name := strings.Join(labels, ".")
		if changed := to(name); changed != name {
			labels = strings.Split(changed, ".")
		}
		if out, err = appendName(out, labels); err != nil {
			return nil, err
		}
		rest = after
	}
	return append(out, rest...), nil
}

// readName reads a counted name (MS-DNSP 2.2.2.2.2): its length, the number of labels, and these,
// each with its length, up to an empty one.
func readName(raw []byte) (labels []string, rest []byte, err error) {
	if len(raw) < 2 || len(raw) < 2+int(raw[0]) {
		return nil, nil, errMalformed
	}
	count, name, rest := int(raw[1]), raw[2:2+int(raw[0])], raw[2+int(raw[0]):]
	for range count {
		if len(name) == 0 || name[0] == 0 || int(name[0]) > maxLabel || len(name) < 1+int(name[0]) {
			return nil, nil, errMalformed
		}
		labels = append(labels, string(name[1:1+int(name[0])]))
		name = name[1+int(name[0]):]
	}
	if len(name) != 1 || name[0] != 0 {
		return nil, nil, errMalformed
	}
	return labels, rest, nil
}

func appendName(out []byte, labels []string) ([]byte, error) {
	var name []byte
	for _, label := range labels {
		if label == "" || len(label) > maxLabel {
			return nil, errMalformed
		}
		name = append(append(name, byte(len(label))), label...)
	}
	if name = append(name, 0); len(name) > maxName {
		return nil, errMalformed
	}
	return append(append(out, byte(len(name)), byte(len(labels))), name...), nil
}

func changeTexts(data []byte, to func(string) string) (out []byte, err error) {
	for len(data) > 0 {
		n := 1 + int(data[0])
		if len(data) < n {
			return nil, errMalformed
		}
		text := to(string(data[1:n]))
		if len(text) > maxString {
			return nil, errMalformed
		}
		out, data = append(append(out, byte(len(text))), text...), data[n:]
	}
	return out, nil
}
