package stamp

import (
	"encoding/json"
	"iter"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"infrabackup/tests/lab/stamp/inventory"
)

// special answers what ARM makes itself instead of reading it from the store; nil for
// everything else.
func (s *Stamp) special(q *request) *answer {
	p := q.place
	switch p.typ {
	case "microsoft.resources/providers":
		return s.providers(q)
	case "microsoft.resources/resources":
		return s.resources(q)
	case "microsoft.resources/subscriptions":
		if p.collection {
			return s.subscriptions(q)
		}
	case "microsoft.resources/tenants":
		if p.collection && !q.shelf.exists(p.path) {
			id := s.tenant
			return s.values(q, map[string]any{"id": "/tenants/" + id, "tenantId": id})
		}
	case "microsoft.resources/subscriptions/locations":
		if p.collection && !q.shelf.exists(p.path) {
			name := s.location()
			return s.values(q, map[string]any{
				"id": "/subscriptions/" + p.sub + "/locations/" + name, "subscriptionId": p.sub, "name": name, "displayName": name, "latitude": "0", "longitude": "0",
			})
		}
	case "microsoft.resources/subscriptions/tagnames":
		if p.collection && !q.shelf.exists(p.path) {
			return s.tagNames(q)
		}
	case "microsoft.resources/tags":
		return s.tagsOf(q)
	case "microsoft.authorization/permissions":
		return s.values(q, map[string]any{"actions": []string{"*"}, "notActions": []string{}})
	case "microsoft.compute/locations/operations", "microsoft.compute/locations/operationresults":
		if !p.collection {
			return s.operationStatus(q, strings.HasSuffix(p.typ, "results"))
		}
	case "microsoft.network/connections/sharedkey":
		return s.sharedKey(q)
	}
	return nil
}

// tenantID is the same for a domain at every start.
func tenantID(domain string) string { return guidOf("tenant " + domain) }

// guidOf is a GUID that is always the same for a text.
func guidOf(text string) string {
	h := digest(text)
	return h[:8] + "-" + h[8:12] + "-4" + h[13:16] + "-8" + h[17:20] + "-" + h[20:32]
}

// values answers a list of objects of our own.
func (s *Stamp) values(q *request, objects ...any) *answer {
	var children []child
	for _, o := range objects {
		body, err := json.Marshal(o)
		if err != nil { // strings and numbers only
			return fail(http.StatusInternalServerError, "InternalServerError", err.Error())
		}
		children = append(children, child{body: body})
	}
	return s.page(q.Request, listOf(children), s.envelopeOf(q))
}

// subscriptions lists those that the client may read: ARM leaves out the others.
func (s *Stamp) subscriptions(q *request) *answer {
	all := slices.DeleteFunc(q.shelf.below(q.place.path, ""), func(e *entry) bool {
		return q.client.denied(Access{Endpoint: q.endpoint, Host: hostOf(q.Request), Method: http.MethodGet, Path: e.doc.ID, Action: "Microsoft.Resources/subscriptions/read"})
	})
	return s.page(q.Request, func(start string) iter.Seq2[string, []byte] {
		return func(yield func(string, []byte) bool) {
			for _, e := range after(all, start) {
				if !yield(e.place.path, e.doc.Body) {
					return
				}
			}
		}
	}, s.envelopeOf(q))
}

// offeredType is a resource type as a provider names it.
type offeredType struct {
	ResourceType string   `json:"resourceType"`
	Locations    []string `json:"locations"`
	APIVersions  []string `json:"apiVersions"`
}

// offeredProvider is a provider as the resource manager lists it.
type offeredProvider struct {
	ID                string        `json:"id"`
	Namespace         string        `json:"namespace"`
	RegistrationState string        `json:"registrationState"`
	ResourceTypes     []offeredType `json:"resourceTypes"`
}

// namespaces are the providers that the endpoint offers. Their states are not looked at.
func (s *Stamp) namespaces(q *request) []*offeredProvider {
	prefix := ""
	if q.place.sub != "" {
		prefix = "/subscriptions/" + q.place.sub
	}
	var all []*offeredProvider
	for _, row := range s.types.offered(q.endpoint) {
		namespace, name, _ := strings.Cut(row.name, "/")
		if len(all) == 0 || !strings.EqualFold(all[len(all)-1].Namespace, namespace) {
			all = append(all, &offeredProvider{ID: prefix + "/providers/" + namespace, Namespace: namespace, RegistrationState: registered})
		}
		p := all[len(all)-1]
		p.ResourceTypes = append(p.ResourceTypes, offeredType{name, []string{s.location()}, row.versions})
	}
	return all
}

// providers lists what the endpoint offers, or answers one namespace.
func (s *Stamp) providers(q *request) *answer {
	all := s.namespaces(q)
	for _, p := range all {
		if q.endpoint == inventory.Tenant && q.place.sub != "" && (q.place.collection || strings.EqualFold(p.Namespace, q.place.name)) {
			p.RegistrationState = s.registrations.state(q.place.sub, p.Namespace)
		}
	}
	if q.place.collection {
		objects := make([]any, len(all))
		for i, p := range all {
			objects[i] = p
		}
		return s.values(q, objects...)
	}
	for _, p := range all {
		if strings.EqualFold(p.Namespace, q.place.name) {
			return object(http.StatusOK, p)
		}
	}
	return fail(http.StatusNotFound, "InvalidResourceNamespace", "The resource namespace '"+q.place.name+"' is invalid.")
}

// resources is ARM's own list: tracked resources, without children and properties.
func (s *Stamp) resources(q *request) *answer {
	keep, refusal := parseResourceFilter(q.URL.Query().Get("$filter"))
	if refusal != nil {
		return refusal
	}
	expand := strings.ToLower(q.URL.Query().Get("$expand"))
	created, changed := strings.Contains(expand, "createdtime"), strings.Contains(expand, "changedtime")
	give := func(e *entry) []byte {
		head := e.summary().head
		out := append(make([]byte, 0, len(head)+96), head...)
		if created {
			out = append(out, `,"createdTime":"`+e.created.UTC().Format(time.RFC3339Nano)+`"`...)
		}
		if changed {
			out = append(out, `,"changedTime":"`+e.changed.UTC().Format(time.RFC3339Nano)+`"`...)
		}
		return append(out, '}')
	}
	key := keyTracked + strings.TrimSuffix(q.place.path, "/resources")
	return s.page(q.Request, q.shelf.source(keep, give, span{key, ""}), s.envelopeOf(q))
}

// tagNames counts the tags of a subscription's groups and resources, where the store
// does not hold the counts as documents.
func (s *Stamp) tagNames(q *request) *answer {
	counts := map[string]map[string]int{}
	for _, e := range q.shelf.below("", "/subscriptions/"+q.place.sub+"/") {
		for name, value := range e.summary().tags {
			if counts[name] == nil {
				counts[name] = map[string]int{}
			}
			counts[name][value]++
		}
	}
	type count struct {
		Type  string `json:"type"`
		Value int    `json:"value"`
	}
	type tagValue struct {
		ID       string `json:"id"`
		TagValue string `json:"tagValue"`
		Count    count  `json:"count"`
	}
	base := "/subscriptions/" + q.place.sub + "/tagNames/"
	var objects []any
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		values, total := []tagValue{}, 0
		for _, value := range slices.Sorted(maps.Keys(counts[name])) {
			n := counts[name][value]
			values, total = append(values, tagValue{base + name + "/tagValues/" + value, value, count{"Total", n}}), total+n
		}
		objects = append(objects, map[string]any{"id": base + name, "tagName": name, "count": count{"Total", total}, "values": values})
	}
	return s.values(q, objects...)
}

// tagsOf answers the tags of a scope as a resource of its own.
func (s *Stamp) tagsOf(q *request) *answer {
	e := q.shelf.get(q.place.scope)
	if e == nil || q.place.collection || q.place.name != "default" {
		return notFound(q.place, q.row)
	}
	tags := e.summary().tags
	if tags == nil {
		tags = map[string]string{}
	}
	return object(http.StatusOK, map[string]any{
		"id": e.doc.ID + "/providers/Microsoft.Resources/tags/default", "name": "default", "type": "Microsoft.Resources/tags", "properties": map[string]any{"tags": tags},
	})
}

// sharedKey answers the key of a connection, which no other answer holds.
func (s *Stamp) sharedKey(q *request) *answer {
	e := q.shelf.get(q.place.parent)
	if e == nil {
		return notFound(parsePath(q.place.parent), q.row)
	}
	for path, value := range e.doc.WriteOnly {
		if strings.HasSuffix(path, "sharedKey") {
			return object(http.StatusOK, map[string]any{"id": e.doc.ID + "/sharedKey", "value": value})
		}
	}
	return object(http.StatusOK, map[string]any{"id": e.doc.ID + "/sharedKey", "value": digest("shared key " + e.place.path)[:32]})
}

// storageKeys are the keys of a storage account: new ones for each that is made.
func (s *Stamp) storageKeys(e *entry) []any {
	var keys []any
	for i := 1; i <= 2; i++ {
		name := "key" + strconv.Itoa(i)
		keys = append(keys, map[string]any{"keyName": name, "value": digest(name + " " + e.place.path + s.keySalts[e.place.path+" "+name]), "permissions": "Full"})
	}
	return keys
}
