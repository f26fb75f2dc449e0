package stamp

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"infrabackup/tests/lab/stamp/inventory"
)

// arm answers as one of the two resource managers.
func (s *Stamp) arm(r *http.Request, endpoint inventory.Endpoint) *answer {
	if strings.EqualFold(strings.TrimRight(r.URL.Path, "/"), "/metadata/endpoints") {
		return s.metadata(r, endpoint)
	}
	version := strings.ToLower(r.URL.Query().Get("api-version"))
	if version == "" {
		return fail(http.StatusBadRequest, "MissingApiVersionParameter", "The api-version query parameter (?api-version=) is required for all requests.")
	}
	client, code, message := s.whoIs(r, s.audience[endpoint])
	if client == nil {
		challenge := fmt.Sprintf(`Bearer authorization_uri="%sadfs", error="invalid_token", error_description="%s"`, s.AuthorityURL(), message)
		return fail(http.StatusUnauthorized, code, message).with("WWW-Authenticate", challenge)
	}
	if access, _ := s.access(r); client.denied(access) {
		return s.forbidden(r)
	}
	s.settle()
	p := parsePath(r.URL.Path)
	if a := s.register(&request{Request: r, endpoint: endpoint, shelf: s.shelves[endpoint], place: p, client: client, version: version}); a != nil {
		return a
	}
	row, refusal := s.offeredType(p, endpoint, version)
	if refusal != nil {
		return refusal
	}
	h := s.shelves[endpoint]
	if p.sub != "" && !h.exists("/subscriptions/"+p.sub) && (r.Method != http.MethodPut || p.typ != "microsoft.resources/subscriptions") {
		return fail(http.StatusNotFound, "SubscriptionNotFound", "The subscription '"+p.sub+"' could not be found.")
	}
	if group := "/subscriptions/" + p.sub + "/resourcegroups/" + p.group; p.group != "" && !h.exists(group) && (r.Method != http.MethodPut || p.typ != "microsoft.resources/resourcegroups") {
		return fail(http.StatusNotFound, "ResourceGroupNotFound", "Resource group '"+p.group+"' could not be found.")
	}
	q := &request{Request: r, endpoint: endpoint, shelf: h, place: p, row: row, client: client, version: version}
	switch r.Method {
	case http.MethodGet:
		return s.read(q)
	case http.MethodHead:
		if a := s.read(q); a.status != http.StatusOK {
			return &answer{status: a.status}
		}
		return &answer{status: http.StatusNoContent}
	default:
		return s.write(q)
	}
}

// request is a request that the resource manager lets in.
type request struct {
	*http.Request
	endpoint inventory.Endpoint
	shelf    *shelf
	place    place
	row      *row
	client   *Client
	version  string
}

// metadata is what tells clients of a stamp where to get tokens, and for whom.
func (s *Stamp) metadata(r *http.Request, endpoint inventory.Endpoint) *answer {
	if version := r.URL.Query().Get("api-version"); version != "2015-01-01" && version != "1.0" {
		return fail(http.StatusBadRequest, "InvalidApiVersionParameter", "The api-version '"+version+"' is invalid. The supported versions are '2015-01-01,1.0'.")
	}
	portal := "portal"
	if endpoint == inventory.Admin {
		portal = "adminportal"
	}
	return object(http.StatusOK, map[string]any{
		"galleryEndpoint": "https://" + s.host(portal) + ":30015/", "graphEndpoint": "https://" + s.host("graph") + "/", "portalEndpoint": "https://" + s.host(portal) + "/",
		"authentication": map[string]any{"loginEndpoint": s.AuthorityURL() + "adfs", "audiences": []string{s.audience[endpoint]}},
	})
}

// offeredType finds the type of a path, or the refusal of a type or version that the
// endpoint does not offer.
func (s *Stamp) offeredType(p place, endpoint inventory.Endpoint, version string) (*row, *answer) {
	namespace, name, _ := strings.Cut(p.typ, "/")
	row := s.types.find(p.typ, endpoint)
	if row == nil {
		for _, other := range s.types.offered(endpoint) {
			if strings.EqualFold(namespace, strings.SplitN(other.name, "/", 2)[0]) {
				return nil, fail(http.StatusNotFound, "InvalidResourceType", "The resource type '"+name+"' could not be found in the namespace '"+namespace+"' for api version '"+version+"'.")
			}
		}
		if p.typ == "" {
			return nil, fail(http.StatusNotFound, "NotFound", "The path '"+p.path+"' is none of the resource manager's.")
		}
		return nil, fail(http.StatusNotFound, "InvalidResourceNamespace", "The resource namespace '"+namespace+"' is invalid.")
	}
	if slices.Contains(row.versions, version) {
		return row, nil
	}
	// ARM's own types name the supported versions in other words than those of providers.
	if namespace == "microsoft.resources" || namespace == "microsoft.authorization" {
		return nil, fail(http.StatusBadRequest, "InvalidApiVersionParameter", "The api-version '"+version+"' is invalid. The supported versions are '"+strings.Join(row.versions, ",")+"'.")
	}
	_, name, _ = strings.Cut(row.name, "/")
	return nil, fail(http.StatusBadRequest, "NoRegisteredProviderFound", "No registered resource provider found for location '"+s.location()+"' and API version '"+version+"' for type '"+name+
		"'. The supported api-versions are '"+strings.Join(row.versions, ", ")+"'. The supported locations are '"+s.location()+"'.")
}

// location is the stamp's only region, the first label of its domain.
func (s *Stamp) location() string {
	location, _, _ := strings.Cut(s.domain, ".")
	return location
}

// read answers GET.
func (s *Stamp) read(q *request) *answer {
	if special := s.special(q); special != nil {
		return special
	}
	if q.place.collection || q.row.has(array) && q.row.has(virtual) {
		return s.list(q)
	}
	if e := s.find(q); e != nil {
		s.look(q)
		a := document(http.StatusOK, e.doc.Body)
		if tag := etagOf(e.doc.Body); tag != "" {
			a.with("ETag", tag)
		}
		return a
	}
	if body := embeddedIn(q.shelf.get(parentOf(q.place)), q.row); body != nil && !q.shelf.exists(q.place.parent) {
		for _, child := range body {
			if strings.EqualFold(child.name, q.place.name) {
				return document(http.StatusOK, child.body)
			}
		}
	}
	return notFound(q.place, q.row)
}

// find is the document that a path means.
func (s *Stamp) find(q *request) *entry {
	if e := q.shelf.get(q.place.path); e != nil {
		return e
	}
	// A definition is the same one at every scope where it may be used.
	if q.row.has(withAbove) && q.row.has(notBelow) {
		for _, scope := range scopesAbove(q.place.scope) {
			if e := q.shelf.get(scope + "/providers/" + q.place.typ + "/" + q.place.name); e != nil {
				return e
			}
		}
	}
	return nil
}

func notFound(p place, row *row) *answer {
	under := ""
	if p.group != "" {
		under = " under resource group '" + p.group + "'"
	}
	return fail(http.StatusNotFound, "ResourceNotFound", "The Resource '"+row.name+"/"+p.name+"'"+under+" was not found.")
}

// parentOf is the path of the resource above a child's collection.
func parentOf(p place) string {
	if p.collection {
		return p.parent
	}
	return p.parent[:max(strings.LastIndexByte(p.parent, '/'), 0)]
}

// child is an element of a parent's property.
type child struct {
	name string
	body json.RawMessage
}

// embeddedIn reads a parent's children out of its own body.
func embeddedIn(parent *entry, row *row) []child {
	if parent == nil || row.embedded == "" {
		return nil
	}
	var body struct {
		Properties map[string]json.RawMessage `json:"properties"`
	}
	var elements []json.RawMessage
	if json.Unmarshal(parent.doc.Body, &body) != nil || json.Unmarshal(body.Properties[row.embedded], &elements) != nil {
		return nil
	}
	children := make([]child, 0, len(elements))
	for _, element := range elements {
		var named struct {
			Name string `json:"name"`
		}
		// One without a name is in the list and cannot be asked for.
		_ = json.Unmarshal(element, &named)
		children = append(children, child{named.Name, element})
	}
	return children
}

// etagOf is the etag member of a document.
func etagOf(body []byte) string {
	if !bytes.Contains(body, []byte(`"etag"`)) {
		return ""
	}
	var tagged struct {
		ETag string `json:"etag"`
	}
	_ = json.Unmarshal(body, &tagged)
	return tagged.ETag
}
