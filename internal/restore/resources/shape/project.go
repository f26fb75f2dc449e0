package shape

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// Object is a decoded JSON object; numbers are [json.Number].
type Object = map[string]any

// Decode reads a document, which the caller has bounded in depth and size.
func Decode(document []byte) (Object, error) {
	d := json.NewDecoder(bytes.NewReader(document))
	d.UseNumber()
	var o Object
	if err := d.Decode(&o); err != nil {
		return nil, fmt.Errorf("decode a document: %w", err)
	}
	if o == nil {
		return nil, errors.New("decode a document: it is null")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("decode a document: there is something behind it")
	}
	return o, nil
}

// Project is what a PUT takes of a document. The document is not changed. Members that a PUT
// carries are left out unless carried is set.
func (s *Shape) Project(document Object, carried bool) Object {
	return s.object(document, carried, 0)
}

func (s *Shape) object(o Object, carried bool, depth int) Object {
	out := Object{}
	if depth > maxDepth {
		return out
	}
	for _, name := range slices.Sorted(maps.Keys(o)) { // of two spellings of a name the last counts, always
		value, m := o[name], s.find(name)
		if m == nil || m.Owned || value == nil || m.Carried && !carried {
			continue
		}
		out[m.Name] = m.value(value, carried, depth)
	}
	return settled(out)
}

// settled leaves out an address that the network chooses: sent, it would be another one's.
func settled(o Object) Object {
	if how, _ := o["privateIPAllocationMethod"].(string); strings.EqualFold(how, "Dynamic") {
		delete(o, "privateIPAddress")
	}
	return o
}

func (s *Shape) value(value any, carried bool, depth int) any {
	switch v := value.(type) {
	case Object:
		if s.Members != nil && !s.List {
			return s.object(v, carried, depth+1)
		}
	case []any:
		if s.List {
			out := make([]any, 0, len(v))
			for _, element := range v {
				if o, ok := element.(Object); ok {
					out = append(out, s.object(o, carried, depth+1))
				}
			}
			return out
		}
	}
	return plain(value, depth)
}

// plain is a copy without nulls.
func plain(value any, depth int) any {
	switch v := value.(type) {
	case Object:
		out := Object{}
		for name, inner := range v {
			if inner != nil && depth < maxDepth {
				out[name] = plain(inner, depth+1)
			}
		}
		return out
	case []any:
		out := make([]any, 0, len(v))
		for _, inner := range v {
			if inner != nil && depth < maxDepth {
				out = append(out, plain(inner, depth+1))
			}
		}
		return out
	}
	return value
}

// Unknown are members of a document that the shape says nothing of, sorted: what a newer
// version of a service has, and this program does not send.
func (s *Shape) Unknown(document Object) []string {
	var found []string
	s.unknown(document, "", 0, &found)
	slices.Sort(found)
	return slices.Compact(found)
}

// maxUnknown bounds what is listed.
const maxUnknown = 50

func (s *Shape) unknown(o Object, at string, depth int, found *[]string) {
	for name, value := range o {
		path := strings.TrimPrefix(at+"."+name, ".")
		m := s.find(name)
		switch {
		case len(*found) >= maxUnknown || depth > maxDepth || value == nil:
		case m == nil && (depth > 0 || !everywhere[strings.ToLower(name)]):
			*found = append(*found, path)
		case m == nil || m.Owned || m.Members == nil || m.reference():
		default:
			inner := []any{value}
			if list, ok := value.([]any); ok {
				inner = list
			}
			for _, element := range inner {
				if object, ok := element.(Object); ok {
					m.unknown(object, path, depth+1, found)
				}
			}
		}
	}
}

// reference reports whether a member only names another resource, whose document may be
// repeated there.
func (s *Shape) reference() bool { return len(s.Members) == 1 && s.Members[0].Name == "id" }

// everywhere are members of every document that no PUT takes.
var everywhere = map[string]bool{"id": true, "name": true, "type": true, "etag": true, "systemdata": true, "resources": true}
