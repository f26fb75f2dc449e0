package stamp

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"infrabackup/tests/lab/stamp/inventory"
)

// writeOnly are the members that are taken and never given.
var writeOnly = []string{"adminPassword", "protectedSettings", "sharedKey", "customData"}

// write answers PUT, PATCH, DELETE and POST: enough for a restore to be tried, without
// the checks and side effects of real resource providers.
func (s *Stamp) write(q *request) *answer {
	p := q.place
	if q.Method == http.MethodPost && p.typ == "microsoft.storage/storageaccounts/listkeys" {
		if e := q.shelf.get(p.parent); e != nil {
			return object(http.StatusOK, map[string]any{"keys": storageKeys(e)})
		}
		return notFound(parsePath(p.parent), q.row)
	}
	if q.Method == http.MethodPost || p.collection || q.row.has(array) && q.row.has(virtual) {
		return fail(http.StatusMethodNotAllowed, "HttpResourceMethodNotAllowed", "The request method '"+q.Method+"' is not supported at '"+p.path+"'.")
	}
	raw, err := io.ReadAll(q.Body)
	if err != nil {
		return fail(http.StatusRequestEntityTooLarge, "RequestContentTooLarge", "The request's content is too large.")
	}
	q.shelf.mu.Lock()
	defer q.shelf.mu.Unlock()
	old := q.shelf.byID[p.path]
	if refusal := precondition(q.Request, old); refusal != nil {
		return refusal
	}
	if q.Method == http.MethodDelete {
		return s.delete(q, old)
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var body map[string]any
	if err := decoder.Decode(&body); err != nil || body == nil {
		return fail(http.StatusBadRequest, "InvalidRequestContent", "The request content was invalid and could not be deserialized.")
	}
	d := inventory.Document{Endpoint: q.endpoint, ID: "/" + strings.Trim(q.URL.Path, "/"), Type: q.row.name, WriteOnly: map[string]string{}}
	status := http.StatusCreated
	if old != nil {
		status = http.StatusOK
		d.ID, d.WriteOnly = old.doc.ID, maps.Clone(old.doc.WriteOnly)
		if d.WriteOnly == nil {
			d.WriteOnly = map[string]string{}
		}
	}
	if q.Method == http.MethodPatch {
		if old == nil {
			return notFound(p, q.row)
		}
		body = merged(old.doc.Body, body)
	}
	strip(body, "", d.WriteOnly)
	s.setBy(q, d.ID, body)
	if d.Body, err = json.Marshal(body); err != nil { // it was JSON a moment ago
		return fail(http.StatusBadRequest, "InvalidRequestContent", err.Error())
	}
	q.shelf.insert(s.newEntry(d))
	stored := q.shelf.byID[p.path].doc.Body
	a := document(status, stored)
	if p.typ == "microsoft.compute/virtualmachines" {
		a.with("Azure-AsyncOperation", s.operation(q))
	}
	return a
}

// precondition checks If-Match and If-None-Match.
func precondition(r *http.Request, old *entry) *answer {
	match, noneMatch := r.Header.Get("If-Match"), r.Header.Get("If-None-Match")
	tag := ""
	if old != nil {
		tag = etagOf(old.doc.Body)
	}
	failed := noneMatch == "*" && old != nil || match == "*" && old == nil || match != "" && match != "*" && match != tag
	if failed {
		return fail(http.StatusPreconditionFailed, "PreconditionFailed", "The condition '"+match+noneMatch+"' set in the request's headers is not satisfied.")
	}
	return nil
}

// setBy sets the members that the service sets.
func (s *Stamp) setBy(q *request, id string, body map[string]any) {
	if q.place.typ == "microsoft.resources/subscriptions" {
		return
	}
	body["id"], body["name"] = id, id[strings.LastIndexByte(id, '/')+1:]
	if q.place.typ != "microsoft.resources/resourcegroups" {
		body["type"] = q.row.name
	}
	properties, _ := body["properties"].(map[string]any)
	if properties == nil {
		properties = map[string]any{}
	}
	switch {
	case strings.HasPrefix(q.place.typ, "microsoft.authorization/"):
		if q.place.typ == "microsoft.authorization/roleassignments" {
			properties["scope"] = strings.TrimSuffix(id, id[len(q.place.scope):])
		}
	default:
		properties["provisioningState"] = "Succeeded"
	}
	body["properties"] = properties
	if _, tagged := body["etag"]; tagged || strings.HasPrefix(q.place.typ, "microsoft.network/") {
		body["etag"] = `W/"` + newGUID() + `"`
	}
}

// merged is RFC 7396's merge of a change into a document.
func merged(document []byte, change map[string]any) map[string]any {
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.UseNumber()
	var base map[string]any
	// What is no object is replaced.
	_ = decoder.Decode(&base)
	return mergeInto(base, change)
}

func mergeInto(base, change map[string]any) map[string]any {
	if base == nil {
		base = map[string]any{}
	}
	for name, value := range change {
		switch value := value.(type) {
		case nil:
			delete(base, name)
		case map[string]any:
			inner, _ := base[name].(map[string]any)
			base[name] = mergeInto(inner, value)
		default:
			base[name] = value
		}
	}
	return base
}

// strip moves write-only members out of a body, by their path.
func strip(value any, path string, out map[string]string) {
	switch value := value.(type) {
	case map[string]any:
		for name, inner := range value {
			at := strings.TrimPrefix(path+"."+name, ".")
			if !slices.Contains(writeOnly, name) {
				strip(inner, at, out)
				continue
			}
			delete(value, name)
			if text, ok := inner.(string); ok {
				out[at] = text
			} else if raw, err := json.Marshal(inner); err == nil {
				out[at] = string(raw)
			}
		}
	case []any:
		for _, inner := range value {
			strip(inner, path, out)
		}
	}
}

// delete removes a resource with everything below it. The caller holds the lock.
func (s *Stamp) delete(q *request, old *entry) *answer {
	if old == nil {
		return &answer{status: http.StatusNoContent}
	}
	for _, e := range slices.Clone(withPrefix(q.shelf.lists[keyAll], q.place.path+"/")) {
		q.shelf.remove(e.place.path)
	}
	q.shelf.remove(q.place.path)
	if q.place.typ == "microsoft.compute/virtualmachines" {
		location := s.operation(q)
		return (&answer{status: http.StatusAccepted}).with("Azure-AsyncOperation", location).with("Location", location)
	}
	return &answer{status: http.StatusOK}
}

// operations are long-running operations. Their work is done at once; only the first
// look at one says that it is still in progress.
type operations struct {
	mu     sync.Mutex
	looked map[string]bool
	order  []string
}

// maxOperations bounds how many are remembered.
const maxOperations = 1000

// operation starts one and gives its address.
func (s *Stamp) operation(q *request) string {
	id := newGUID()
	s.work.mu.Lock()
	defer s.work.mu.Unlock()
	if s.work.looked == nil {
		s.work.looked = map[string]bool{}
	}
	s.work.looked[id] = false
	if s.work.order = append(s.work.order, id); len(s.work.order) > maxOperations {
		delete(s.work.looked, s.work.order[0])
		s.work.order = s.work.order[1:]
	}
	return "https://" + q.Host + "/subscriptions/" + q.place.sub + "/providers/Microsoft.Compute/locations/" + s.location() + "/operations/" + id + "?api-version=" + q.version
}

// operationStatus answers how far an operation is.
func (s *Stamp) operationStatus(q *request) *answer {
	id := q.place.name
	s.work.mu.Lock()
	defer s.work.mu.Unlock()
	looked, ok := s.work.looked[id]
	if !ok {
		return notFound(q.place, q.row)
	}
	s.work.looked[id] = true
	if !looked {
		return object(http.StatusOK, map[string]any{"name": id, "status": "InProgress"}).with("Retry-After", "1")
	}
	return object(http.StatusOK, map[string]any{"name": id, "status": "Succeeded"})
}
