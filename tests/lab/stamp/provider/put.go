package provider

import (
	"slices"
	"strings"
)

// Put checks a write and completes its body, as the provider of the type would.
func Put(w *Write) *Refusal {
	k := kindOf(w.Kind)
	if refusal := checkLocation(w, k); refusal != nil {
		return refusal
	}
	if refusal := denied(w); refusal != nil {
		return refusal
	}
	w.takeOver(k)
	if refusal := checkImmutable(w, k); refusal != nil {
		return refusal
	}
	for path, v := range k.defaults {
		fill(w.Body, path, copyOf(v))
	}
	for _, list := range k.lists {
		fill(w.Body, "properties."+list, []any{})
	}
	w.envelope(k)
	if refusal := w.parts(k); refusal != nil {
		return refusal
	}
	if refusal := checkReferences(w, k); refusal != nil {
		return refusal
	}
	if k.put != nil {
		if refusal := k.put(w); refusal != nil {
			return refusal
		}
	}
	return nil
}

// Remove says why a resource may not be deleted.
func Remove(w *Write) *Refusal {
	if k := kindOf(w.Kind); k.remove != nil {
		return k.remove(w)
	}
	return nil
}

// After changes the other resources that a write shows in. It is called once the body
// is stored, or the resource is gone: then the body is nil.
func After(w *Write) {
	k := kindOf(w.Kind)
	for _, r := range w.made {
		w.Put(r.ID, r.TypeName, r.Body)
	}
	if k.array != "" {
		w.intoParent(k)
	}
	if w.Body != nil {
		w.childrenOf(k)
	}
	derive(w)
	if k.after != nil {
		k.after(w)
	}
}

// checkLocation refuses a place that is not the stamp's, and a change of place.
func checkLocation(w *Write, k *kind) *Refusal {
	location, given := w.Body["location"].(string)
	if !given {
		return nil
	}
	normal := strings.ToLower(strings.ReplaceAll(location, " ", ""))
	if k.global {
		if normal != "global" {
			return bad("LocationNotAvailableForResourceType", "The provided location '%s' is not available for resource type '%s'. List of available regions for the resource type is 'global'.", location, w.Type)
		}
		w.Body["location"] = "global"
		return nil
	}
	if normal != w.Stamp.Location() {
		return bad("LocationNotAvailableForResourceType", "The provided location '%s' is not available for resource type '%s'. List of available regions for the resource type is '%s'.", location, w.Type, w.Stamp.Location())
	}
	w.Body["location"] = w.Stamp.Location()
	return nil
}

// takeOver keeps what the service and other resources have set.
func (w *Write) takeOver(k *kind) {
	for _, path := range k.carried {
		w.keep(path, nil)
	}
}

func checkImmutable(w *Write, k *kind) *Refusal {
	if w.Old == nil {
		return nil
	}
	for _, path := range k.immutable {
		was, is := at(w.Old.Body, path), at(w.Body, path)
		switch {
		case is == nil && was != nil:
			set(w.Body, path, copyOf(was))
		case was != nil && !equal(was, is):
			return conflict("PropertyChangeNotAllowed", "Changing property '%s' is not allowed.", strings.TrimPrefix(path, "properties."))
		}
	}
	return nil
}

// equal compares what a client sent with what is there: what the client does not say
// does not differ, and neither does the case of strings, as most of them are IDs.
func equal(was, is any) bool {
	switch is := is.(type) {
	case Object:
		was, ok := was.(Object)
		for name, v := range is {
			ok = ok && was[name] != nil && equal(was[name], v)
		}
		return ok
	case []any:
		was, ok := was.([]any)
		return ok && len(was) == len(is) && !slices.ContainsFunc(is, func(v any) bool {
			return !slices.ContainsFunc(was, func(other any) bool { return equal(other, v) })
		})
	case string:
		was, ok := was.(string)
		return ok && same(was, is)
	}
	return was == is
}

// envelope sets the members that every resource has.
func (w *Write) envelope(k *kind) {
	if w.Kind == "microsoft.resources/subscriptions" || w.Kind == admin+"subscriptions" || w.Kind == admin+"subscriptions/acquiredplans" {
		return
	}
	w.Body["id"] = w.ID
	if w.Kind == admin+"locations" {
		w.Body["name"] = w.Name()
		return
	}
	w.Body["name"], w.Body["type"] = w.Name(), w.Type
	switch {
	case w.Kind == access+"policydefinitions":
		delete(w.Body, "type")
	case w.Kind == "microsoft.resources/links": // its type is an object, which is not given
		delete(w.Body, "type")
	case k.array != "": // parts of networks have no type
		delete(w.Body, "type")
	}
	if _, ok := w.Body["properties"].(Object); !ok && w.Kind != "microsoft.resources/resourcegroups" {
		w.Body["properties"] = Object{}
	}
	if k.stateful {
		set(w.Body, "properties.provisioningState", "Succeeded")
	}
	if k.guided {
		w.keep("properties.resourceGuid", func() any { return w.Stamp.NewGUID() })
	}
	if k.tagged {
		w.Body["etag"] = w.newTag()
	}
}

// newTag is an entity tag as the provider of the type gives them.
func (w *Write) newTag() string {
	if strings.HasPrefix(w.Kind, network+"dnszones") {
		return w.Stamp.NewGUID()
	}
	return `W/"` + w.Stamp.NewGUID() + `"`
}

// parts completes the parts of a resource that have IDs of their own.
func (w *Write) parts(k *kind) *Refusal {
	for _, array := range k.arrays {
		seen := map[string]bool{}
		for _, part := range objects(w.Body, "properties."+array) {
			name := text(part, "name")
			switch {
			case name == "":
				return bad("InvalidRequestFormat", "Cannot parse the request: an element of '%s' has no name.", array)
			case seen[strings.ToLower(name)]:
				return bad("DuplicateResourceName", "Resource '%s' has two children named '%s' in '%s'.", w.ID, name, array)
			}
			seen[strings.ToLower(name)] = true
			part["id"], part["etag"] = w.ID+"/"+array+"/"+name, w.Body["etag"]
			set(part, "properties.provisioningState", "Succeeded")
		}
	}
	return nil
}

// SetState changes the provisioning state of a resource, where it has one.
func SetState(store Store, id, state string) {
	w := &Write{Store: store}
	w.change(id, func(o Object) {
		if at(o, "properties.provisioningState") != nil {
			set(o, "properties.provisioningState", state)
		}
	})
}

// Working is the provisioning state of a type while work on a resource goes on.
func Working(typ string) string {
	if state := kindOf(typ).working; state != "" {
		return state
	}
	return "Updating"
}

// Failed shows that the work on a resource failed.
func Failed(store Store, id string) {
	if r := store.Get(id); r != nil && kindOf(r.Type).fragile {
		store.Remove(id)
		return
	}
	SetState(store, id, "Failed")
}
