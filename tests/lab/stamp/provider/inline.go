package provider

import (
	"slices"
	"strings"
)

// intoParent makes the element of the parent's array the same as the child that was put
// or deleted. The parent's entity tag moves with it.
func (w *Write) intoParent(k *kind) {
	parent := w.Get(w.Parent)
	if parent == nil {
		return
	}
	body := Copy(parent.Body)
	elements, _ := at(body, "properties."+k.array).([]any)
	place := slices.IndexFunc(elements, func(v any) bool {
		o, ok := v.(Object)
		return ok && same(text(o, "name"), w.Name())
	})
	switch {
	case w.Body == nil && place >= 0:
		elements = slices.Delete(elements, place, place+1)
	case w.Body == nil:
	case place >= 0:
		elements[place] = Copy(w.Body)
	default:
		elements = append(elements, Copy(w.Body))
	}
	set(body, "properties."+k.array, elements)
	if body["etag"] = w.newTag(); w.Body != nil {
		body["etag"] = w.Body["etag"]
	}
	w.Put(parent.ID, parent.TypeName, body)
}

// childrenOf makes the resources below a parent the same as the elements of its arrays:
// what the body does not have is gone.
func (w *Write) childrenOf(k *kind) {
	for _, array := range k.arrays {
		child := kinds[w.Kind+"/"+strings.ToLower(array)]
		if child == nil || child.array != array {
			continue
		}
		wanted := map[string]bool{}
		for _, element := range objects(w.Body, "properties."+array) {
			id := text(element, "id")
			wanted[strings.ToLower(id)] = true
			w.Put(id, w.Type+"/"+array, Copy(element))
		}
		prefix := w.ID + "/" + array + "/"
		for _, r := range w.Below(prefix) {
			name, _, _ := strings.Cut(r.ID[len(prefix):], "/")
			if !wanted[strings.ToLower(prefix+name)] {
				w.Remove(r.ID)
			}
		}
	}
}

// backReference is a member in which a service shows who uses a resource.
type backReference struct {
	from     string // type that names the other
	elements string // array of parts that name it, "" for the resource itself
	path     string // where the name stands, arrays on the way included
	member   string // where the other shows it
	list     bool
}

var backReferences = []backReference{
	{network + "networkinterfaces", "properties.ipConfigurations", "properties.subnet.id", "properties.ipConfigurations", true},
	{network + "networkinterfaces", "properties.ipConfigurations", "properties.publicIPAddress.id", "properties.ipConfiguration", false},
	{network + "networkinterfaces", "properties.ipConfigurations", "properties.loadBalancerBackendAddressPools.id", "properties.backendIPConfigurations", true},
	{network + "networkinterfaces", "", "properties.networkSecurityGroup.id", "properties.networkInterfaces", true},
	{network + "virtualnetworks", "properties.subnets", "properties.networkSecurityGroup.id", "properties.subnets", true},
	{network + "virtualnetworks", "properties.subnets", "properties.routeTable.id", "properties.subnets", true},
	{network + "virtualnetworks/subnets", "", "properties.networkSecurityGroup.id", "properties.subnets", true},
	{network + "virtualnetworks/subnets", "", "properties.routeTable.id", "properties.subnets", true},
	{network + "loadbalancers", "properties.frontendIPConfigurations", "properties.publicIPAddress.id", "properties.ipConfiguration", false},
	{network + "loadbalancers", "properties.frontendIPConfigurations", "properties.subnet.id", "properties.ipConfigurations", true},
	{network + "virtualnetworkgateways", "properties.ipConfigurations", "properties.publicIPAddress.id", "properties.ipConfiguration", false},
	{network + "virtualnetworkgateways", "properties.ipConfigurations", "properties.subnet.id", "properties.ipConfigurations", true},
	{compute + "virtualmachines", "", "properties.networkProfile.networkInterfaces.id", "properties.virtualMachine", false},
	{compute + "virtualmachines", "", "properties.availabilitySet.id", "properties.virtualMachines", true},
}

// derive brings up to date what the resources that the write names, or named, show of it.
func derive(w *Write) {
	for _, row := range backReferences {
		if row.from != w.Kind {
			continue
		}
		var was map[string][]string
		if w.Old != nil {
			was = row.named(w.Old.ID, w.Old.Body)
		}
		is := row.named(w.ID, w.Body)
		for target, ids := range was {
			if !slices.Equal(ids, is[target]) {
				w.change(target, func(o Object) { row.show(o, ids, is[target]) })
			}
		}
		for target, ids := range is {
			if was[target] == nil {
				w.change(target, func(o Object) { row.show(o, nil, ids) })
			}
		}
	}
}

// named are the targets of a body, in lower case, with the IDs of who names them.
func (b backReference) named(id string, body Object) map[string][]string {
	if body == nil {
		return nil
	}
	out := map[string][]string{}
	add := func(id string, o Object) {
		for _, target := range values(o, b.path) {
			target = strings.ToLower(target)
			out[target] = append(out[target], id)
		}
	}
	if b.elements == "" {
		add(id, body)
		return out
	}
	for _, element := range objects(body, b.elements) {
		add(text(element, "id"), element)
	}
	return out
}

// show changes the member from what was to what is.
func (b backReference) show(o Object, was, is []string) {
	if !b.list {
		switch {
		case len(is) > 0:
			set(o, b.member, Object{"id": is[0]})
		case slices.ContainsFunc(was, func(id string) bool { return same(id, text(o, b.member+".id")) }):
			unset(o, b.member)
		}
		return
	}
	list, _ := at(o, b.member).([]any)
	out := slices.DeleteFunc(slices.Clone(list), func(v any) bool {
		inner, _ := v.(Object)
		return slices.ContainsFunc(slices.Concat(was, is), func(id string) bool { return same(id, text(inner, "id")) })
	})
	for _, id := range is {
		out = append(out, Object{"id": id})
	}
	if len(out) == 0 {
		unset(o, b.member)
		return
	}
	set(o, b.member, out)
}

// values are the strings at a dotted path that leads through arrays.
func values(v any, path string) []string {
	switch v := v.(type) {
	case []any:
		var out []string
		for _, inner := range v {
			out = append(out, values(inner, path)...)
		}
		return out
	case Object:
		name, rest, _ := strings.Cut(path, ".")
		if inner, ok := v[name].(string); ok && rest == "" {
			return []string{inner}
		}
		return values(v[name], rest)
	}
	return nil
}

// change changes a resource, and the element of its parent's array that shows it, or a
// part that is no resource of its own.
func (w *Write) change(id string, f func(Object)) {
	if r := w.Get(id); r != nil {
		body := Copy(r.Body)
		f(body)
		w.Put(r.ID, r.TypeName, body)
	}
	above := grandparent(id)
	holder := w.Get(above)
	if above == "" || holder == nil {
		return
	}
	body := Copy(holder.Body)
	if element := part(body, strings.ToLower(id[len(above)+1:])); element != nil {
		f(element)
		w.Put(holder.ID, holder.TypeName, body)
	}
}
