package edge

import (
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"infrabackup/internal/azure/jsondoc"
	"infrabackup/internal/azure/resourceid"
	"infrabackup/internal/azure/scan"
	"infrabackup/internal/backup"
)

// Direction says which end of an edge needs the other.
type Direction uint8

// The directions.
const (
	Need Direction = iota // the document needs the target
	Back                  // the target needs the document
)

// Strength says when the target of a need has to be there.
type Strength uint8

// The strengths.
const (
	Hard Strength = iota // before the document is written
	Soft                 // before the document is complete
)

// Edge is one reference of a document.
type Edge struct {
	Relation string // what the target is to the document, such as subnet
	// Service captures the target.
	Service backup.Service
	// Target is the item: an ID in the form of [resourceid.Key], or one of its aliases,
	// such as sid:s-1-5-21-…-1104.
	Target string
	// Part is the ID that stands in the document when it is that of a part of the target's
	// document; "" when the target is meant as a whole.
	Part      string
	Direction Direction
	Strength  Strength
	// Origin says that the document stays whole when the target is gone.
	Origin bool
	// Path is where the reference stands, as in [Row]; "" for what follows from the ID.
	Path string
}

// Row is one place where a reference can stand.
type Row struct {
	// Type is the full type of the documents; letters compare without case.
	Type     string
	Relation string
	// Path names members, separated by dots; # stands for every element of an array.
	// Letters of members compare without case where the case that is given here is not
	// there.
	Path      string
	Direction Direction
	Strength  Strength
	Origin    bool
	// Resolve makes the target from a value and the ID of the document. It reports false
	// for values that refer to nothing that could be captured. When nil, values are IDs of
	// resource managers, and the service is that of their type.
	Resolve func(own, value string) (backup.Service, string, bool)
	// If, when not nil, says whether the document's references count.
	If func(document []byte) bool
}

// ParentRelation is the relation of what a resource lies in: another resource, a resource
// group, a subscription.
const ParentRelation = "parent"

// maxEdges bounds the edges of one document.
const maxEdges = 1 << 14

// Rows is the table.
var Rows = slices.Concat(computeRows, networkRows, storageRows, accessRows, coreRows, operatorRows)

// place is a row with its path taken apart.
type place struct {
	Row
	members []string
}

// byType are the rows of each type, in lower case.
var byType = func() map[string][]place {
	all := map[string][]place{}
	for _, r := range Rows {
		t := strings.ToLower(r.Type)
		all[t] = append(all[t], place{r, strings.Split(r.Path, ".")})
	}
	return all
}()

// Of gives the edges of a document, each of them once: first its parent, then those of the
// rows of its type, in the order of the document. ID is the resource's, without the endpoint's name
// that items of two resource managers may have in front. No edge leads to the document
// itself. Beyond 16,384 edges the values that would make further ones are counted, some
// perhaps more than once.
//
// What the document is does not matter: of one that is malformed, those edges are given
// that can be read. Time and memory grow with its length, which the caller bounds.
func Of(fullType, id string, document []byte) (edges []Edge, further int) {
	own := resourceid.Key(id)
	if parent, ok := Parent(own); ok {
		edges = append(edges, Edge{Relation: ParentRelation, Service: ServiceOf(parent), Target: parent})
	}
	rows := byType[rowType(fullType)]
	if len(rows) == 0 {
		return edges, 0
	}
	seen := map[Edge]bool{}
	root := gjson.ParseBytes(scan.Trim(document))
	for _, r := range rows {
		if r.If != nil && !r.If(document) {
			continue
		}
		follow(root, r.members, func(value string) {
			e, ok := r.edge(own, value)
			switch {
			case !ok || seen[e]:
			case len(edges) >= maxEdges:
				further++
			default:
				seen[e] = true
				edges = append(edges, e)
			}
		})
	}
	return edges, further
}

// edge makes the edge of a value.
func (r *Row) edge(own, value string) (Edge, bool) {
	resolve := r.Resolve
	if resolve == nil {
		resolve = toResource
	}
	service, target, ok := resolve(own, value)
	if !ok {
		return Edge{}, false
	}
	e := Edge{Relation: r.Relation, Service: service, Target: target, Direction: r.Direction, Strength: r.Strength, Origin: r.Origin, Path: r.Path}
	if whole := Whole(target); whole != target {
		e.Target, e.Part = whole, target
	}
	return e, e.Target != own
}

// References are the needs among edges that the catalog has, each of them once: what
// follows from IDs needs no place there, back references are no needs, and origins may be
// gone.
func References(edges []Edge) []backup.Reference {
	var all []backup.Reference
	seen := map[backup.Reference]bool{}
	for _, e := range edges {
		r := backup.Reference{Relation: e.Relation, Service: e.Service, Target: e.Target}
		if e.Path == "" || e.Direction != Need || e.Origin || seen[r] {
			continue
		}
		seen[r] = true
		all = append(all, r)
	}
	return all
}

// rowType is the type whose rows count: record sets of a DNS zone are of several types, of
// which the table has one.
func rowType(fullType string) string {
	t := strings.ToLower(fullType)
	if rest, ok := strings.CutPrefix(t, "microsoft.network/dnszones/"); ok && !strings.Contains(rest, "/") {
		return strings.ToLower(recordSets)
	}
	return t
}

// follow calls fn for every text at a path. An array at its end is gone through too.
func follow(value gjson.Result, path []string, fn func(string)) {
	switch {
	case len(path) > 0 && path[0] == "#":
		if value.IsArray() {
			value.ForEach(func(_, element gjson.Result) bool {
				follow(element, path[1:], fn)
				return true
			})
		}
	case len(path) > 0:
		if value.IsObject() {
			follow(jsondoc.Member(value, path[0]), path[1:], fn)
		}
	case value.IsArray():
		value.ForEach(func(_, element gjson.Result) bool {
			if element.Type == gjson.String && element.Str != "" {
				fn(element.Str)
			}
			return true
		})
	case value.Type == gjson.String && value.Str != "":
		fn(value.Str)
	}
}
