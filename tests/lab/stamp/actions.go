package stamp

import (
	"bytes"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"

	"infrabackup/tests/lab/stamp/definition"
	"infrabackup/tests/lab/stamp/inventory"
	"infrabackup/tests/lab/stamp/provider"
)

// encode is a body as JSON.
func encode(o provider.Object) []byte {
	raw, err := json.Marshal(o)
	if err != nil { // it was JSON when it came
		return nil
	}
	return raw
}

// act answers POST: the actions of resources. The caller holds Stamp.writing.
func (s *Stamp) act(q *request, all *definition.Set, raw []byte) *answer {
	o := all.Find(http.MethodPost, q.place.typ, q.version)
	if o == nil || !q.place.collection {
		return notAllowed(q)
	}
	var body map[string]any
	if o.Body != nil {
		decoder := json.NewDecoder(bytes.NewReader(raw))
		decoder.UseNumber()
		var given any
		if err := decoder.Decode(&given); err != nil {
			return fail(http.StatusBadRequest, "InvalidRequestContent", "The request content was invalid and could not be deserialized.")
		}
		cleaned, problems := o.Body.Clean(given)
		if len(problems) > 0 {
			return wrongBody(problems)
		}
		body, _ = cleaned.(map[string]any)
	}
	switch q.place.typ {
	case "microsoft.storage/checknameavailability":
		return s.nameFree(body, s.shelves[inventory.Tenant].below("", ""), "microsoft.storage/storageaccounts", regexp.MustCompile(`^[a-z0-9]{3,24}$`))
	case "microsoft.keyvault/checknameavailability":
		return s.vaults.nameFree(body)
	case "microsoft.keyvault/locations/deletedvaults/purge":
		return s.vaults.purge(q)
	}
	e := q.shelf.get(q.place.parent)
	if e == nil {
		row := s.types.find(parsePath(q.place.parent).typ, q.endpoint)
		if row == nil {
			return notAllowed(q)
		}
		return notFound(parsePath(q.place.parent), row)
	}
	w := s.writeOf(q)
	w.Kind, w.ID, w.Old = e.place.typ, e.doc.ID, e.resource()
	if refusal := provider.Locked(w, false); refusal != nil {
		return refused(refusal)
	}
	switch q.place.typ {
	case "microsoft.storage/storageaccounts/listkeys":
		return object(http.StatusOK, map[string]any{"keys": s.storageKeys(e)})
	case "microsoft.storage/storageaccounts/regeneratekey":
		name, _ := body["keyName"].(string)
		if name != "key1" && name != "key2" {
			return fail(http.StatusBadRequest, "InvalidValuesForRequestParameters", "There is no key named '"+name+"'.")
		}
		s.keySalts[e.place.path+" "+name] = newGUID()
		return object(http.StatusOK, map[string]any{"keys": s.storageKeys(e)})
	case "microsoft.subscriptions.admin/offers/link", "microsoft.subscriptions.admin/offers/unlink":
		if refusal := provider.Link(w, body, strings.HasSuffix(q.place.typ, "/unlink")); refusal != nil {
			return refused(refusal)
		}
		return &answer{status: http.StatusOK}
	}
	return notAllowed(q)
}

// nameFree answers whether a name of a type can still be had.
func (s *Stamp) nameFree(body map[string]any, all []*entry, typ string, pattern *regexp.Regexp) *answer {
	name, _ := body["name"].(string)
	if !pattern.MatchString(name) {
		return object(http.StatusOK, map[string]any{"nameAvailable": false, "reason": "AccountNameInvalid", "message": name + " is not a valid name."})
	}
	for _, e := range all {
		if e.place.typ == typ && strings.EqualFold(e.place.name, name) {
			return object(http.StatusOK, map[string]any{"nameAvailable": false, "reason": "AlreadyExists", "message": "The name " + name + " is already taken."})
		}
	}
	return object(http.StatusOK, map[string]any{"nameAvailable": true})
}
