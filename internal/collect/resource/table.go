package resource

import (
	"context"
	"strings"

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
	// NeverEmpty says that the list is never empty on a stamp: one that is says so as a gap.
	NeverEmpty bool
	// Optional says that a stamp may refuse the collection although it offers the
	// type. That is noted as a gap.
	Optional bool
	// AtResources says that resources are scopes of this type too, and that the lists of
	// subscriptions and groups have what lies at them by custom, not by definition. So
	// resources are asked themselves, up to a limit beyond which a gap says how many
	// were not.
	AtResources bool
	// Aliases gives further names of a document, nil for none.
	Aliases func(document []byte) []string
	// WriteOnly are properties that no answer gives.
	WriteOnly []WriteOnly
	// Descend, when not nil, captures what lies below resources elsewhere than in
	// resource managers. It is called at the end of a look, with those that it found new
	// or changed, whose documents it may forget.
	Descend func(ctx context.Context, w *Walk, parents []Resource) error
	// Probe, when not nil, says for [Collector.Check] whether Descend could read. It is
	// called for the first few resources.
	Probe func(ctx context.Context, w *Walk, parent Resource) error
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
	read     bool // by its ID, not from a list
}

// bytes is about what is remembered of it while it waits.
func (r Resource) bytes() int { return len(r.Document) + len(r.ID) + 128 }

// Extras is what a document alone does not say about its item.
type Extras struct {
	ID         string // of the item, when it is not the resource's
	Name       string // for people, when it is not the last parts of the ID
	Aliases    []string
	References []backup.Reference
	// ReferencesLeftOut counts further ones.
	ReferencesLeftOut int64
	// Address is the ID that the document itself says, in the form of [Resource.ID], of
	// documents that do not say it as ARM's do; "" when it says none.
	Address string
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
