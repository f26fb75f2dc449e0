package resources

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"infrabackup/internal/azure"
	"infrabackup/internal/restore/mapping"
	"infrabackup/internal/restore/resources/shape"
)

// target is the canonical form of what is wanted: where it goes, and the body.
type target struct {
	Endpoint azure.Endpoint `json:"endpoint"`
	Type     string         `json:"type"`
	ID       string         `json:"id"`
	Version  string         `json:"version"`
	// Exact says that nothing else may be there. Only undo wants that.
	Exact bool         `json:"exact,omitempty"`
	Body  shape.Object `json:"body,omitempty"`
}

func (t target) encode() ([]byte, error) {
	data, err := json.Marshal(t)
	if err != nil {
		return nil, fmt.Errorf("encode what is wanted of %s: %w", t.ID, err)
	}
	return data, nil
}

func decodeTarget(data []byte) (target, error) {
	d := json.NewDecoder(strings.NewReader(string(data)))
	d.UseNumber()
	var t target
	if err := d.Decode(&t); err != nil {
		return t, fmt.Errorf("decode what is wanted: %w", err)
	}
	return t, nil
}

// inTarget is the one function that all IDs pass on their way from the backup to the target.
// Within one site they stay as they are.
func inTarget(m *mapping.Map, id string) string { return m.Names().ID(id) }

// renamed gives all of a document the names that it has in the target.
func renamed(m *mapping.Map, document shape.Object) shape.Object {
	out, _ := m.Names().Document(document).(shape.Object)
	return out
}

// assigned gives accounts in a value the identities that the target gave them. These are not
// known when a want is made.
func assigned(m *mapping.Map, member string, value any) any {
	switch v := value.(type) {
	case shape.Object:
		for name, inner := range v {
			v[name] = assigned(m, name, inner)
		}
	case []any:
		for i, inner := range v {
			v[i] = assigned(m, member, inner)
		}
	case string:
		if pair, ok := m.Find(v); ok && (strings.EqualFold(member, "principalId") || strings.EqualFold(member, "objectId")) {
			return pair.New
		}
		return mapping.SIDsIn(v, func(sid string) (string, bool) {
			pair, ok := m.Find(sid)
			return pair.New, ok
		})
	}
	return value
}

// fieldsOf are the names of a body's members, those of its properties among them.
func fieldsOf(body shape.Object) []string {
	var all []string
	for name, value := range body {
		inner, ok := value.(shape.Object)
		if !ok || name != "properties" {
			all = append(all, name)
			continue
		}
		for property := range inner {
			all = append(all, name+"."+property)
		}
	}
	slices.Sort(all)
	return all
}

// at is the value at a dotted path, nil for none.
func at(o shape.Object, path string) any {
	var v any = o
	for name := range strings.SplitSeq(path, ".") {
		inner, ok := v.(shape.Object)
		if !ok {
			return nil
		}
		v = inner[name]
	}
	return v
}

func text(o shape.Object, path string) string {
	s, _ := at(o, path).(string)
	return s
}

// objects are the objects of the array at a path.
func objects(o shape.Object, path string) []shape.Object {
	list, _ := at(o, path).([]any)
	var all []shape.Object
	for _, v := range list {
		if inner, ok := v.(shape.Object); ok {
			all = append(all, inner)
		}
	}
	return all
}

// last is the last segment of an ID, in lower case.
func last(id string) string {
	id = strings.TrimRight(id, "/")
	return strings.ToLower(id[strings.LastIndexByte(id, '/')+1:])
}
