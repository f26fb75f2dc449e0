package stamp

import (
	"encoding/base64"
	"encoding/json"
	"iter"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// source gives the elements of a list that come after a key, in the order of keys.
type source func(after string) iter.Seq2[string, []byte]

// envelope is how a list is wrapped.
type envelope struct {
	size int    // elements of a page; unpaged for all
	link string // member with the next page's address
	null bool   // the last page says null instead of leaving the member out
}

const unpaged = math.MaxInt

// skip is where a page begins, and where the one before it began. It names keys, not
// numbers, so that a list that changes between pages neither repeats nor loses what
// did not change.
type skip struct {
	After  string `json:"a"`
	Before string `json:"b"`
}

// page answers one page of a list, with the faults of pages.
func (s *Stamp) page(r *http.Request, from source, e envelope) *answer {
	query := r.URL.Query()
	var at skip
	paged := false
	if text := query.Get("$skiptoken"); text != "" && e.size != unpaged {
		raw, err := base64.RawURLEncoding.DecodeString(text)
		if err == nil {
			err = json.Unmarshal(raw, &at)
		}
		if err != nil {
			return fail(http.StatusBadRequest, "InvalidSkipToken", "The skip token '"+text+"' is invalid.")
		}
		paged = true
	}
	if top, err := strconv.Atoi(query.Get("$top")); err == nil && top > 0 && e.size != unpaged {
		e.size = min(e.size, top)
	}
	elements, last, more := take(from(at.After), e.size)
	next := ""
	if more {
		next = s.nextLink(r, skip{After: last, Before: at.After})
	}
	kinds := []FaultKind{UnknownField}
	if paged {
		kinds = append(kinds, RepeatPage, ShiftPage)
	}
	if e.size != unpaged {
		kinds = append(kinds, LoopPage, ForeignNextLink)
	}
	if len(elements) > 0 {
		kinds = append(kinds, DuplicateID, HugeItem)
	}
	unknown := ""
	for _, f := range s.faults.strike(r, kinds...) {
		switch f.Kind {
		case RepeatPage:
			elements, _, _ = take(from(at.Before), e.size)
		case ShiftPage:
			elements = elements[min(1, len(elements)):]
		case LoopPage:
			next = s.nextLink(r, at)
		case ForeignNextLink:
			next = "https://evil.example" + r.URL.Path + "?" + r.URL.RawQuery
		case DuplicateID:
			elements = append(slices.Clone(elements), elements[0])
		case HugeItem:
			elements[0] = withMember(elements[0], padding(f.Size))
		case UnknownField:
			unknown = unknownField + ","
			for i := range elements {
				elements[i] = withMember(elements[i], unknownField)
			}
		}
	}
	a := document(http.StatusOK, wrap(elements, unknown, next, e))
	a.page = true
	return a
}

// take collects up to n elements, the key of the last and whether there are more.
func take(from iter.Seq2[string, []byte], n int) (elements [][]byte, last string, more bool) {
	for key, body := range from {
		if len(elements) == n {
			return elements, last, true
		}
		elements, last = append(elements, body), key
	}
	return elements, last, false
}

// nextLink is the absolute address of another page of the same list.
func (s *Stamp) nextLink(r *http.Request, at skip) string {
	raw, err := json.Marshal(at)
	if err != nil { // two strings always marshal
		return ""
	}
	query := r.URL.Query()
	query.Set("$skiptoken", base64.RawURLEncoding.EncodeToString(raw))
	return (&url.URL{Scheme: "https", Host: r.Host, Path: r.URL.Path, RawQuery: query.Encode()}).String()
}

// wrap joins stored bytes to a list.
func wrap(elements [][]byte, unknown, next string, e envelope) []byte {
	size := len(unknown) + len(next) + 64
	for _, element := range elements {
		size += len(element) + 1
	}
	out := append(make([]byte, 0, size), '{')
	out = append(out, unknown...)
	out = append(out, `"value":[`...)
	for i, element := range elements {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, element...)
	}
	out = append(out, ']')
	switch {
	case next != "":
		// URL.String leaves nothing that JSON would have to escape.
		out = append(append(append(out, `,"`+e.link+`":"`...), next...), '"')
	case e.null:
		out = append(out, `,"`+e.link+`":null`...)
	}
	return append(out, '}')
}

// envelopeOf is how a type's list at a place is wrapped.
func (s *Stamp) envelopeOf(q *request) envelope {
	e := envelope{size: s.pageSize, link: "nextLink"}
	if q.row.has(onePage) || q.row.has(groupOnePage) && q.place.group != "" && q.place.level == 1 {
		e.size = unpaged
	}
	if q.row.has(odataLink) {
		e.link = "@odata.nextLink"
	}
	return e
}

// list answers a collection, or refuses one that no definition has.
func (s *Stamp) list(q *request) *answer {
	p, row := q.place, q.row
	switch {
	case row.has(single):
		return s.singleton(q)
	case row.has(array):
		return s.array(q)
	case row.has(extension):
		return s.extensions(q)
	}
	var wanted trait
	switch {
	case p.level > 1:
		wanted = belowParent | siblings
	case p.sub == "":
		wanted = atRoot
	case p.group == "":
		wanted = inSubscription
	default:
		wanted = inGroup
	}
	if p.level > 0 && !row.has(wanted) {
		return fail(http.StatusNotFound, "InvalidResourceType", "There is no list of '"+row.name+"' at '"+p.path+"'.")
	}
	if missing := s.missingParent(q); missing != nil {
		return missing
	}
	key, prefix := p.path, ""
	if row.has(siblings) {
		key, prefix = keyAll, p.parent+"/"
	}
	if row.embedded != "" && !q.shelf.exists(p.path) {
		return s.page(q.Request, listOf(embeddedIn(q.shelf.get(p.parent), row)), s.envelopeOf(q))
	}
	return s.page(q.Request, q.shelf.source(nil, bodyOf, span{key, prefix}), s.envelopeOf(q))
}

// missingParent refuses a child collection whose parent does not exist.
func (s *Stamp) missingParent(q *request) *answer {
	for path := parentOf(q.place); ; {
		p := parsePath(path)
		if p.level == 0 || p.typ == "" || p.collection {
			return nil
		}
		row := s.types.find(p.typ, q.endpoint)
		if row == nil { // a part of the path only, such as a location
			return nil
		}
		if !row.has(virtual) && q.shelf.get(path) == nil {
			return fail(http.StatusNotFound, "ParentResourceNotFound", "Can not perform requested operation on nested resource. Parent resource '"+p.name+"' not found.")
		}
		if p.level == 1 {
			return nil
		}
		path = parentOf(p)
	}
}

// singleton answers the one object of a collection's path.
func (s *Stamp) singleton(q *request) *answer {
	if e := q.shelf.get(q.place.path); e != nil {
		return document(http.StatusOK, e.doc.Body)
	}
	if all := q.shelf.below("", q.place.path+"/"); len(all) > 0 {
		return document(http.StatusOK, all[0].doc.Body)
	}
	return notFound(q.place, q.row)
}

// array answers a collection, or everything below a path, without an envelope.
func (s *Stamp) array(q *request) *answer {
	all := q.shelf.below(q.place.path, "")
	if len(all) == 0 {
		all = q.shelf.below("", q.place.path+"/")
	}
	out := []byte{'['}
	for i, e := range all {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, e.doc.Body...)
	}
	return document(http.StatusOK, append(out, ']'))
}

// span is the part of a shelf's list whose paths begin with prefix.
type span struct{ key, prefix string }

func bodyOf(e *entry) []byte { return e.doc.Body }

// source merges spans in the order of paths. keep may be nil.
func (h *shelf) source(keep func(*entry) bool, give func(*entry) []byte, spans ...span) source {
	return func(start string) iter.Seq2[string, []byte] {
		return func(yield func(string, []byte) bool) {
			// Entries never change, but the slices that hold them do: the lock is held while a
			// page is collected, and nothing that yield does waits.
			h.mu.RLock()
			defer h.mu.RUnlock()
			var parts [][]*entry
			for _, s := range spans {
				if part := after(withPrefix(h.lists[s.key], s.prefix), start); len(part) > 0 {
					parts = append(parts, part)
				}
			}
			var previous *entry
			for len(parts) > 0 {
				least := 0
				for i := range parts {
					if byPath(parts[i][0], parts[least][0]) < 0 {
						least = i
					}
				}
				e := parts[least][0]
				if parts[least] = parts[least][1:]; len(parts[least]) == 0 {
					parts = slices.Delete(parts, least, least+1)
				}
				if e != previous && (keep == nil || keep(e)) && !yield(e.place.path, give(e)) {
					return
				}
				previous = e
			}
		}
	}
}

// listOf is a source of elements in the order in which they stand.
func listOf(children []child) source {
	return func(start string) iter.Seq2[string, []byte] {
		return func(yield func(string, []byte) bool) {
			for i, c := range children {
				if key := strconv.Itoa(1_000_000 + i); key > start && !yield(key, c.body) {
					return
				}
			}
		}
	}
}

// extensions answers a list of extension resources of a scope: those at it and below
// it, and of some types those above.
func (s *Stamp) extensions(q *request) *answer {
	p, row := q.place, q.row
	if scope := parsePath(p.scope); scope.level > 0 && q.shelf.get(p.scope) == nil {
		if scopeRow := s.types.find(scope.typ, q.endpoint); scopeRow == nil || !scopeRow.has(virtual) {
			return fail(http.StatusNotFound, "ResourceNotFound", "The Resource '"+strings.TrimPrefix(p.scope, "/")+"' was not found.")
		}
	}
	filter, refusal := parseExtensionFilter(q.URL.Query().Get("$filter"))
	if refusal != nil {
		return refusal
	}
	key, here := keyExtension+p.typ, "/providers/"+p.typ+"/"
	below := !row.has(notBelow) && !filter.atScope || filter.below
	spans := []span{{key, p.scope + here}}
	if below && p.scope != "" {
		spans = []span{{key, p.scope + "/"}}
	}
	if row.has(withAbove) {
		for _, scope := range scopesAbove(p.scope) {
			if scope != p.scope {
				spans = append(spans, span{key, scope + here})
			}
		}
	}
	return s.page(q.Request, q.shelf.source(filter.keep, bodyOf, spans...), s.envelopeOf(q))
}
