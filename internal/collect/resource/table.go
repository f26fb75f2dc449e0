package resource

import (
	"context"
	"regexp"
	"strings"

	"github.com/tidwall/gjson"

	"infrabackup/internal/azure"
	"infrabackup/internal/backup"
)

// Scope says below what a collection lies.
type Scope int

// The scopes. Paths are from Microsoft's definitions of each type.
const (
	InSubscription Scope = iota // /subscriptions/{s}/providers/<type>
	InGroup                     // /subscriptions/{s}/resourceGroups/{g}/providers/<type>
	InLocation                  // /subscriptions/{s}/providers/<namespace>/locations/{l}/<rest of the type>
	InRoot                      // Path itself
	InParent                    // <ID of the parent>/<last segment of the type>
)

// Type is one row: a resource type, or one of several places where it is listed.
type Type struct {
	// Kind is the kind of its items.
	Kind string
	// Type is the full resource type, such as Microsoft.Network/virtualNetworks/subnets.
	Type string
	// Versions are the api-versions that are known, in any order.
	Versions []string
	// Endpoints are the resource managers that have it; when nil, that of tenants and,
	// for the provider subscription's own resources, that of the operator.
	Endpoints []azure.Endpoint
	Scope     Scope
	// Path replaces what Scope says about the end of the collection's path: with
	// InRoot it is the whole, with InParent what follows the parent's ID, otherwise
	// what follows the subscription or group.
	Path string
	// Parent is the kind of the resources below which it lies, for InParent.
	Parent string
	// Below, when not nil, gives the path of a parent whose collections do not lie
	// below its ID.
	Below func(parent Resource) string
	// Single says that the path is one document and no list.
	Single bool
	// Names is the member of a document that names it within its collection, for the
	// few types whose documents have no id; "name" when empty.
	Names string
	// Untracked says that the resource manager's own list of resources does not have
	// it, so that the second look lists it again. Rows InParent follow their parents.
	Untracked bool
	// Optional says that a stamp may refuse the collection although it offers the
	// type. That is noted as a gap.
	Optional bool
	// Verifies says that an earlier row of the same kind should have listed all of
	// this already. When it did not, stamps of this kind list only what lies at a
	// scope itself, and the collection is read below every tracked resource too.
	Verifies bool
	// References are what a document refers to.
	References []Reference
	// Aliases gives further names of a document, nil for none.
	Aliases func(document []byte) []string
	// WriteOnly are properties that no answer gives.
	WriteOnly []WriteOnly
	// Descend, when not nil, captures what lies below resources elsewhere than in
	// resource managers. It is called at the end of a look, with those that it found new
	// or changed.
	Descend func(ctx context.Context, w *Walk, parents []Resource) error
	// Probe, when not nil, says for [Collector.Check] whether Descend could read. It is
	// called for the first few resources.
	Probe func(ctx context.Context, w *Walk, parent Resource) error
}

// Reference tells where in a document a reference stands.
type Reference struct {
	Relation string
	// Path is in the syntax of gjson; it may name many values.
	Path string
	// Resolve makes the reference from a value. It reports false for values that refer
	// to nothing that could be captured.
	Resolve func(value string) (backup.Service, string, bool)
	// If, when not nil, says whether the document's references count.
	If func(document []byte) bool
}

// To resolves ARM IDs to a service.
func To(s backup.Service) func(string) (backup.Service, string, bool) {
	return func(value string) (backup.Service, string, bool) {
		return s, strings.ToLower(value), strings.HasPrefix(value, "/")
	}
}

// domainSID is a SID of a domain's own object; others, such as S-1-5-11, stand for
// something that every Windows knows (MS-DTYP 2.4.2.4).
var domainSID = regexp.MustCompile(`(?i)^S-1-5-21(-\d{1,10}){4}$`)

// ToPrincipal resolves SIDs of directory objects. IDs of another form, such as those
// of an Entra style directory, refer to nothing that is captured.
func ToPrincipal(value string) (backup.Service, string, bool) {
	return backup.AD, "sid:" + strings.ToLower(value), domainSID.MatchString(value)
}

// WriteOnly is a property that can be set and not read.
type WriteOnly struct {
	Property string // as Microsoft's definition names it
	When     string // gjson path that exists in documents which have it
}

// Table is a service's rows.
type Table struct {
	Service backup.Service
	// Namespaces are the providers whose types all belong to this service: a type that
	// no row has is captured if the resource manager tracks it, else named as a gap.
	Namespaces []string
	// Others says that namespaces which Elsewhere does not name belong here too.
	Others bool
	// Elsewhere are namespaces, or full types, that belong to other services.
	Elsewhere []string
	// Derived are full types that hold nothing of their own: operations, usage,
	// sizes, other views of what rows capture. What is not named here is a gap.
	Derived []string
	Types   []Type
}

// Resource is one captured document.
type Resource struct {
	Endpoint azure.Endpoint
	Type     string
	ID       string // as the stamp wrote it
	Version  string // api-version that gave the document
	Document []byte
}

// Extras is what a document alone does not say about its item.
type Extras struct {
	ID         string // of the item, when it is not the resource's
	Name       string // for people, when it is not the last parts of the ID
	Aliases    []string
	References []backup.Reference
}

// namespace is the provider.
func (t *Type) namespace() string {
	namespace, _, _ := strings.Cut(t.Type, "/")
	return namespace
}

func (t *Type) on(endpoint azure.Endpoint) bool {
	if t.Endpoints == nil {
		return true
	}
	for _, e := range t.Endpoints {
		if e == endpoint {
			return true
		}
	}
	return false
}

// collection is the path of the collection below base, which is what Scope says.
func (t *Type) collection(base string) string {
	switch {
	case t.Path != "":
		return base + t.Path
	case t.Scope == InParent:
		return base + "/" + t.Type[strings.LastIndexByte(t.Type, '/')+1:]
	default:
		return base + "/providers/" + t.Type
	}
}

// referencesIn finds what a document refers to.
func (t *Type) referencesIn(document []byte) []backup.Reference {
	var all []backup.Reference
	for _, r := range t.References {
		if r.If != nil && !r.If(document) {
			continue
		}
		each(gjson.GetBytes(document, r.Path), func(value string) {
			service, target, ok := r.Resolve(value)
			if !ok {
				return
			}
			found := backup.Reference{Relation: r.Relation, Service: service, Target: target}
			for _, known := range all {
				if known == found {
					return
				}
			}
			all = append(all, found)
		})
	}
	return all
}

// each calls fn for every string in a value and in the arrays that it holds.
func each(value gjson.Result, fn func(string)) {
	switch {
	case value.IsArray():
		value.ForEach(func(_, element gjson.Result) bool {
			each(element, fn)
			return true
		})
	case value.Type == gjson.String && value.Str != "":
		fn(value.Str)
	}
}
