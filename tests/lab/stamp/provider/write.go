package provider

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Object is a decoded JSON object; numbers are json.Number.
type Object = map[string]any

// Resource is one that the stamp holds. Its body is shared: it is replaced, not changed.
type Resource struct {
	ID       string // with the case of its creation
	Type     string // full type in lower case
	TypeName string // with the case that people want to see
	Body     Object
}

// Store is what a provider sees and changes of a stamp. IDs are found whatever their
// case.
type Store interface {
	// Get is nil when there is none.
	Get(id string) *Resource
	// Naming are the resources whose bodies name an ID, what is derived left out.
	Naming(id string) []*Resource
	// Below are the resources whose IDs begin with a prefix.
	Below(prefix string) []*Resource
	// OfType are all resources of a lower-case type.
	OfType(typ string) []*Resource
	// Put stores a resource; typ has the case that people want to see. A body that it is
	// given is not changed any more.
	Put(id, typ string, body Object)
	Remove(id string)
}

// Stamp is what a provider knows of the stamp as a whole.
type Stamp interface {
	Location() string
	Domain() string
	// TenantID is the directory tenant of the stamp.
	TenantID() string
	Now() time.Time
	NewGUID() string
	// Principal says whether the directory knows a principal by now.
	Principal(id string) bool
	// VaultURL is the base of a vault's data plane, without a slash at its end.
	VaultURL(vault string) string
	// Tenant and Admin are the stores of the two endpoints.
	Tenant() Store
	Admin() Store
}

// Write is one change that a client wants.
type Write struct {
	Store
	Stamp Stamp
	// ID is the resource's, with the client's case; Type is its type with the provider's.
	ID, Type string
	// What follows is in lower case: the type, the scope before the last provider, the
	// resource that this is a child of ("" for none), subscription and group.
	Kind, Scope, Parent, Subscription, Group string
	// Old is nil when the resource is new.
	Old *Resource
	// Body is what the definition leaves of the client's body. [Put] completes it.
	Body Object
	// made are resources that come to be with this one.
	made []*Resource
}

// Name is the last segment of the ID.
func (w *Write) Name() string { return w.ID[strings.LastIndexByte(w.ID, '/')+1:] }

// Refusal is why a write is not done.
type Refusal struct {
	Status        int
	Code, Message string
}

func refuse(status int, code, format string, args ...any) *Refusal {
	return &Refusal{status, code, fmt.Sprintf(format, args...)}
}

func bad(code, format string, args ...any) *Refusal {
	return refuse(http.StatusBadRequest, code, format, args...)
}

func conflict(code, format string, args ...any) *Refusal {
	return refuse(http.StatusConflict, code, format, args...)
}

// at is the value at a dotted path, nil for none.
func at(o Object, path string) any {
	var v any = o
	for name := range strings.SplitSeq(path, ".") {
		inner, ok := v.(Object)
		if !ok {
			return nil
		}
		v = inner[name]
	}
	return v
}

// text is the string at a dotted path, "" for none.
func text(o Object, path string) string {
	s, _ := at(o, path).(string)
	return s
}

// truth is the boolean at a dotted path.
func truth(o Object, path string) bool {
	b, _ := at(o, path).(bool)
	return b
}

// number is the whole number at a dotted path.
func number(o Object, path string) int64 {
	n, _ := at(o, path).(json.Number)
	i, _ := n.Int64() // not there is 0
	return i
}

func whole(n int) json.Number { return json.Number(fmt.Sprint(n)) }

// objects are the objects of the array at a dotted path.
func objects(o Object, path string) []Object {
	array, _ := at(o, path).([]any)
	var out []Object
	for _, v := range array {
		if inner, ok := v.(Object); ok {
			out = append(out, inner)
		}
	}
	return out
}

// texts are the strings of the array at a dotted path.
func texts(o Object, path string) []string {
	array, _ := at(o, path).([]any)
	var out []string
	for _, v := range array {
		if s, ok := v.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// set puts a value at a dotted path, and what leads to it.
func set(o Object, path string, v any) {
	names := strings.Split(path, ".")
	for _, name := range names[:len(names)-1] {
		inner, ok := o[name].(Object)
		if !ok {
			inner = Object{}
			o[name] = inner
		}
		o = inner
	}
	o[names[len(names)-1]] = v
}

// unset takes away what is at a dotted path.
func unset(o Object, path string) {
	cut := strings.LastIndexByte(path, '.')
	if cut < 0 {
		delete(o, path)
		return
	}
	if inner, ok := at(o, path[:cut]).(Object); ok {
		delete(inner, path[cut+1:])
	}
}

// fill puts a value where there is none.
func fill(o Object, path string, v any) {
	if at(o, path) == nil {
		set(o, path, v)
	}
}

// keep takes over what stood at a path before, or fills in something new.
func (w *Write) keep(path string, fresh func() any) {
	if w.Old != nil {
		if v := at(w.Old.Body, path); v != nil {
			set(w.Body, path, v)
			return
		}
	}
	if fresh != nil {
		set(w.Body, path, fresh())
	} else {
		unset(w.Body, path)
	}
}

// Copy is a deep copy, which may be changed.
func Copy(o Object) Object { return copyOf(o).(Object) }

func copyOf(v any) any {
	switch v := v.(type) {
	case Object:
		out := make(Object, len(v))
		for name, inner := range v {
			out[name] = copyOf(inner)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, inner := range v {
			out[i] = copyOf(inner)
		}
		return out
	}
	return v
}

func same(a, b string) bool { return strings.EqualFold(a, b) }

// between is the part of an ID after a marker, up to the next slash.
func segment(id, marker string) string {
	_, rest, ok := strings.Cut(strings.ToLower(id), marker)
	if !ok {
		return ""
	}
	value, _, _ := strings.Cut(rest, "/")
	return value
}

// subscriptionOf is the subscription of an ID, in lower case.
func subscriptionOf(id string) string {
	if !strings.HasPrefix(strings.ToLower(id), "/subscriptions/") {
		return ""
	}
	return segment(id, "/subscriptions/")
}

// resourceName is the last segment of an ID, in lower case.
func resourceName(id string) string {
	id = strings.TrimRight(id, "/")
	return strings.ToLower(id[strings.LastIndexByte(id, '/')+1:])
}

// seven is a time with seven digits after the second.
func seven(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.0000000Z") }
