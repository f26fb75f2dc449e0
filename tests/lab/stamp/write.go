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

	"infrabackup/tests/lab/stamp/definition"
	"infrabackup/tests/lab/stamp/inventory"
	"infrabackup/tests/lab/stamp/provider"
	"infrabackup/tests/spec"
)

// writeOnly are the members that are taken and never given.
var writeOnly = []string{"adminPassword", "protectedSettings", "sharedKey", "customData"}

// definitions are what may be written; reading them takes a while.
var definitions = sync.OnceValues(func() (*definition.Set, error) {
	return definition.Load(spec.Definitions, spec.Written)
})

// write answers PUT, PATCH, DELETE and POST as the provider of the type would.
func (s *Stamp) write(q *request) *answer {
	raw, err := io.ReadAll(q.Body)
	if err != nil {
		return fail(http.StatusRequestEntityTooLarge, "RequestContentTooLarge", "The request's content is too large.")
	}
	all, err := definitions()
	if err != nil {
		return fail(http.StatusInternalServerError, "InternalServerError", err.Error())
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	if q.Method == http.MethodPost {
		return s.act(q, all, raw)
	}
	if q.place.collection && !q.row.has(single) {
		return notAllowed(q)
	}
	c := &change{request: q, s: s, operation: all.Find(q.Method, definedType(q.place.typ), q.version)}
	c.write = s.writeOf(q)
	if c.operation == nil && !(q.row.generic || q.Method == http.MethodDelete && all.Find(http.MethodPut, definedType(q.place.typ), q.version) != nil) || q.row.has(virtual) && !provider.Known(q.place.typ) {
		return notAllowed(q)
	}
	if refusal := c.admit(); refusal != nil {
		return refusal
	}
	if q.Method == http.MethodDelete {
		return c.delete()
	}
	body, refusal := c.body(all, raw)
	if refusal != nil {
		return refusal
	}
	return c.put(body)
}

func notAllowed(q *request) *answer {
	return fail(http.StatusMethodNotAllowed, "HttpResourceMethodNotAllowed", "The request method '"+q.Method+"' is not supported at '"+q.place.path+"'.")
}

func refused(r *provider.Refusal) *answer { return fail(r.Status, r.Code, r.Message) }

// definedType is the name of a type as definitions have it: records of zones share one.
func definedType(typ string) string {
	if zone, record, ok := strings.Cut(typ, "/dnszones/"); ok && !strings.Contains(record, "/") {
		return zone + "/dnszones/{}"
	}
	return typ
}

// writeOf is a request as providers see it.
func (s *Stamp) writeOf(q *request) *provider.Write {
	w := &provider.Write{
		Store: s.stock(q.endpoint), Stamp: facts{s}, ID: "/" + strings.Trim(q.URL.Path, "/"), Type: q.row.name,
		Kind: q.place.typ, Scope: q.place.scope, Subscription: q.place.sub, Group: q.place.group,
	}
	if q.place.level > 1 {
		w.Parent = parentOf(q.place)
	}
	if e := q.shelf.get(q.place.path); e != nil {
		w.Old = e.resource()
		w.ID = e.doc.ID
		// What the client says of the case of the resource's name stays; that of the rest is
		// the group's and the parents'.
	} else if above := s.shelves[q.endpoint].get(w.Parent); w.Parent != "" && above != nil {
		w.ID = above.doc.ID + w.ID[len(above.doc.ID):]
	}
	return w
}

// change is a write to one resource.
type change struct {
	*request
	s         *Stamp
	operation *definition.Operation // nil for types of unknown providers
	write     *provider.Write
}

// admit refuses what is refused whatever the body says.
func (c *change) admit() *answer {
	s, p := c.s, c.place
	if refusal := s.atWork(c.request); refusal != nil {
		return refusal
	}
	if provider.Conditional(p.typ) {
		if refusal := precondition(c.Request, c.shelf.get(p.path)); refusal != nil {
			return refusal
		}
	}
	if refusal := provider.Locked(c.write, c.Method == http.MethodDelete); refusal != nil {
		return refused(refusal)
	}
	if c.Method == http.MethodDelete {
		return nil
	}
	if missing := s.missingParent(c.request); missing != nil {
		return missing
	}
	if scope := parsePath(p.scope); c.row.has(extension) && scope.level > 0 && c.write.Get(p.scope) == nil && !s.partOf(c.request, p.scope) {
		return fail(http.StatusNotFound, "ResourceNotFound", "The Resource '"+strings.TrimPrefix(p.scope, "/")+"' was not found.")
	}
	namespace, _, _ := strings.Cut(p.typ, "/")
	if c.endpoint == inventory.Tenant && p.sub != "" && s.registrations.state(p.sub, namespace) != registered {
		return fail(http.StatusConflict, "MissingSubscriptionRegistration", "The subscription is not registered to use namespace '"+namespace+"'.")
	}
	return nil
}

// partOf says whether a path is that of a part that its parent's body holds.
func (s *Stamp) partOf(q *request, path string) bool {
	p := parsePath(path)
	row := s.types.find(p.typ, q.endpoint)
	return row != nil && slices.ContainsFunc(embeddedIn(q.shelf.get(parentOf(p)), row), func(c child) bool { return strings.EqualFold(c.name, p.name) })
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

// body is what the definitions leave of a client's body. A PATCH becomes the PUT of what
// it makes of the resource.
func (c *change) body(all *definition.Set, raw []byte) (map[string]any, *answer) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var body map[string]any
	if err := decoder.Decode(&body); err != nil || body == nil || decoder.More() {
		return nil, fail(http.StatusBadRequest, "InvalidRequestContent", "The request content was invalid and could not be deserialized.")
	}
	if c.Method == http.MethodPatch && c.write.Old == nil {
		return nil, notFound(c.place, c.row)
	}
	operation := c.operation
	if c.Method == http.MethodPatch {
		if operation != nil && operation.Body != nil {
			cleaned, problems := operation.Body.Clean(body)
			if len(problems) > 0 {
				return nil, wrongBody(problems)
			}
			// A null takes away, which the definition's shape does not say.
			for name, value := range body {
				if value == nil {
					cleaned.(map[string]any)[name] = nil
				}
			}
			body, _ = cleaned.(map[string]any)
		}
		body = mergeInto(provider.Copy(c.write.Old.Body), body)
		operation = all.Find(http.MethodPut, definedType(c.place.typ), c.version)
	}
	if operation == nil { // of an unknown provider
		return body, nil
	}
	if operation.Body == nil {
		return map[string]any{}, nil
	}
	cleaned, problems := operation.Body.Clean(body)
	if len(problems) > 0 {
		return nil, wrongBody(problems)
	}
	return cleaned.(map[string]any), nil
}

func wrongBody(problems []string) *answer {
	slices.Sort(problems)
	return fail(http.StatusBadRequest, "InvalidRequestContent", "The request content is not valid: "+strings.Join(problems, "; ")+".")
}

// put stores a body once its provider takes it.
func (c *change) put(body map[string]any) *answer {
	s, w := c.s, c.write
	secrets := map[string]string{}
	old := c.shelf.get(c.place.path)
	if old != nil {
		maps.Copy(secrets, old.doc.WriteOnly)
	}
	strip(body, "", secrets)
	w.Body = body
	if c.place.typ == "microsoft.network/connections/sharedkey" {
		return c.shareKey(body)
	}
	if c.place.typ == "microsoft.keyvault/vaults/accesspolicies" {
		return c.changePolicies()
	}
	if c.place.typ == "microsoft.keyvault/vaults" {
		if refusal := s.vaults.admit(w); refusal != nil {
			return refused(refusal)
		}
	}
	if refusal := provider.Put(w); refusal != nil {
		return refused(refusal)
	}
	long := c.operation != nil && c.operation.LongRunning
	d := inventory.Document{Endpoint: c.endpoint, ID: w.ID, Type: c.row.name, WriteOnly: secrets}
	var err error
	if d.Body, err = json.Marshal(w.Body); err != nil { // it was JSON a moment ago
		return fail(http.StatusBadRequest, "InvalidRequestContent", err.Error())
	}
	s.stock(c.endpoint).keep(d)
	provider.After(w)
	switch {
	case c.place.typ == "microsoft.keyvault/vaults":
		s.vaults.made(w)
	case c.place.typ == "microsoft.storage/storageaccounts" && old == nil:
		for _, key := range []string{"key1", "key2"} {
			s.keySalts[c.place.path+" "+key] = newGUID()
		}
	}
	var work *operation
	if long {
		provider.SetState(w.Store, w.ID, provider.Working(c.place.typ))
		work = s.begin(c.request, s.doomed(c.request), nil)
	}
	status := c.status(old == nil)
	a := document(status, c.shelf.get(c.place.path).doc.Body)
	if c.operation != nil && !slices.Contains(c.operation.Bodies, itoa(status)) {
		a.body = nil
	}
	if work != nil {
		s.announced(c.request, a, work)
	}
	return a
}

func itoa(n int) string {
	return string([]byte{byte('0' + n/100), byte('0' + n/10%10), byte('0' + n%10)})
}

// status is what a PUT or PATCH is answered when it is done: what the definition has.
func (c *change) status(fresh bool) int {
	o := c.operation
	switch {
	case o == nil && fresh:
		return http.StatusCreated
	case o == nil || c.Method == http.MethodPatch:
		return http.StatusOK
	case fresh && o.Has("201"), !o.Has("200"):
		return http.StatusCreated
	case fresh && o.LongRunning && o.Has("202"):
		return http.StatusAccepted
	}
	return http.StatusOK
}

// doomed is the failure that an operation ends with, nil for none.
func (s *Stamp) doomed(q *request) *provider.Refusal {
	struck := s.faults.strike(q.Request, FailedOperation)
	if len(struck) == 0 {
		return nil
	}
	code := struck[0].Inner
	if code == "" {
		code = "InternalExecutionError"
	}
	return &provider.Refusal{Status: http.StatusInternalServerError, Code: code, Message: "An internal execution error occurred."}
}

// shareKey keeps the key of a connection with the connection.
func (c *change) shareKey(body map[string]any) *answer {
	value, _ := body["value"].(string)
	e := c.shelf.get(parentOf(c.place))
	if e == nil {
		e = c.shelf.get(c.place.parent)
	}
	if e == nil || value == "" {
		return fail(http.StatusBadRequest, "SharedKeyMissing", "There is no connection, or no key.")
	}
	d := e.doc
	d.WriteOnly = maps.Clone(d.WriteOnly)
	if d.WriteOnly == nil {
		d.WriteOnly = map[string]string{}
	}
	d.WriteOnly["properties.sharedKey"] = value
	c.s.stock(c.endpoint).keep(d)
	return object(http.StatusOK, map[string]any{"id": d.ID + "/sharedKey", "value": value})
}

// mergeInto is RFC 7396's merge of a change into a document.
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
			if name == "tags" { // a PATCH replaces tags as a whole
				inner = nil
			}
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
