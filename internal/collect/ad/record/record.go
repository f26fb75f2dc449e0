package record

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Kind is that of an item whose bytes are a [Record] in JSON. Its ID is the GUID, its name the
// distinguished name.
const Kind = "directory-object"

// MaxBytes bounds an encoded record. It has room for a group of about
// 200,000 members; larger objects end a capture with LIMIT_EXCEEDED.
const MaxBytes = 64 << 20

// Record is one directory object as it was read.
type Record struct {
	// DN is the distinguished name (RFC 4514) as the controller writes it.
	DN string `json:"dn"`
	// GUID is the objectGUID in lower case, such as
	// 31b2f340-016d-11d2-945f-00c04fb984f9.
	GUID string `json:"guid"`
	// NamingContext is the distinguished name of the partition that holds it.
	NamingContext string `json:"namingContext"`
	// Deleted says that isDeleted is TRUE: a tombstone, or an object in the recycle
	// bin.
	Deleted bool `json:"deleted,omitempty"`
	// Attributes are sorted by name, and each has at least one value.
	Attributes []Attribute `json:"attributes"`
}

// Attribute is one attribute with all its values.
type Attribute struct {
	// Name is the lDAPDisplayName as the controller writes it.
	Name string `json:"name"`
	// Values are the raw bytes in the controller's order: a set for AD, but that of
	// objectClass means something. JSON holds them in base64 (RFC 4648, 4).
	Values [][]byte `json:"values"`
	// Targets, when there, has for each value the objectGUID of the object that the
	// value names, or "" when the controller did not say. Only attributes that hold
	// distinguished names have it.
	Targets []string `json:"targets,omitempty"`
}

// Attribute returns the attribute with that name, whatever its case, or nil.
func (r *Record) Attribute(name string) *Attribute {
	for i := range r.Attributes {
		if strings.EqualFold(r.Attributes[i].Name, name) {
			return &r.Attributes[i]
		}
	}
	return nil
}

// Value returns the first value of an attribute, or "".
func (r *Record) Value(name string) string {
	if a := r.Attribute(name); a != nil && len(a.Values) > 0 {
		return string(a.Values[0])
	}
	return ""
}

// Has reports whether an attribute holds the value, whatever its case.
func (r *Record) Has(name, value string) bool {
	a := r.Attribute(name)
	if a == nil {
		return false
	}
	for _, v := range a.Values {
		if strings.EqualFold(string(v), value) {
			return true
		}
	}
	return false
}

// AppendJSON appends the record's one and only encoding to dst: JSON without
// spaces or line breaks, in the order of the fields above. It needs no second
// buffer, which matters for large groups.
func (r *Record) AppendJSON(dst []byte) []byte {
	dst = appendString(append(dst, `{"dn":`...), r.DN)
	dst = appendString(append(dst, `,"guid":`...), r.GUID)
	dst = appendString(append(dst, `,"namingContext":`...), r.NamingContext)
	if r.Deleted {
		dst = append(dst, `,"deleted":true`...)
	}
	dst = append(dst, `,"attributes":[`...)
	for i := range r.Attributes {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = r.Attributes[i].appendJSON(dst)
	}
	return append(dst, ']', '}')
}

func (a *Attribute) appendJSON(dst []byte) []byte {
	dst = appendString(append(dst, `{"name":`...), a.Name)
	dst = append(dst, `,"values":[`...)
	for i, value := range a.Values {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(base64.StdEncoding.AppendEncode(append(dst, '"'), value), '"')
	}
	dst = append(dst, ']')
	if len(a.Targets) > 0 {
		dst = append(dst, `,"targets":[`...)
		for i, target := range a.Targets {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendString(dst, target)
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

// Size estimates the length of the record's JSON, rather too long than too short.
func (r *Record) Size() int {
	n := len(r.DN) + len(r.NamingContext) + 200
	for _, a := range r.Attributes {
		n += len(a.Name) + 50
		for _, value := range a.Values {
			n += len(value)*4/3 + 8
		}
		n += len(a.Targets) * 40
	}
	return n
}

// appendString appends a JSON string. Marshalling a valid string cannot fail.
func appendString(dst []byte, s string) []byte {
	encoded, err := json.Marshal(s)
	if err != nil {
		return dst
	}
	return append(dst, encoded...)
}

// Decode reads a record that others may have written. It accepts exactly what
// [Record.AppendJSON] writes for a valid record, and no other spelling of it.
func Decode(document []byte) (*Record, error) {
	if len(document) > MaxBytes {
		return nil, fmt.Errorf("a directory record has more than %d bytes", MaxBytes)
	}
	dec := json.NewDecoder(bytes.NewReader(document))
	dec.DisallowUnknownFields()
	var r Record
	if err := dec.Decode(&r); err != nil {
		return nil, fmt.Errorf("decode directory record: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("decode directory record: something follows it")
	}
	if err := r.validate(); err != nil {
		return nil, err
	}
	if !bytes.Equal(r.AppendJSON(make([]byte, 0, len(document))), document) {
		return nil, errors.New("a directory record is not in the form in which it was written")
	}
	return &r, nil
}

func (r *Record) validate() error {
	switch {
	case r.DN == "" || r.NamingContext == "":
		return errors.New("a directory record has no name or no naming context")
	case !ValidGUID(r.GUID):
		return errors.New("a directory record has no valid GUID")
	case len(r.Attributes) == 0:
		return errors.New("a directory record has no attributes")
	}
	previous := ""
	for _, a := range r.Attributes {
		switch {
		case !ValidAttributeName(a.Name):
			return fmt.Errorf("a directory record has an attribute named %.40q", a.Name)
		case a.Name <= previous:
			return fmt.Errorf("attribute %s of a directory record is out of order", a.Name)
		case len(a.Values) == 0:
			return fmt.Errorf("attribute %s of a directory record has no value", a.Name)
		case len(a.Targets) != 0 && len(a.Targets) != len(a.Values):
			return fmt.Errorf("attribute %s of a directory record has %d values and %d targets", a.Name, len(a.Values), len(a.Targets))
		}
		for _, target := range a.Targets {
			if target != "" && !ValidGUID(target) {
				return fmt.Errorf("attribute %s of a directory record has a target that is no GUID", a.Name)
			}
		}
		previous = a.Name
	}
	return nil
}

// ValidAttributeName accepts attribute descriptions (RFC 4512, 2.5): letters,
// digits and hyphens, OIDs, and options behind semicolons.
func ValidAttributeName(name string) bool {
	for i := range len(name) {
		switch c := name[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case i > 0 && (c == '-' || c == '.' || c == ';' || c == '_' || c == '='):
		default:
			return false
		}
	}
	return name != ""
}
