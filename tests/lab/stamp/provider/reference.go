package provider

import (
	"net/http"
	"slices"
	"strings"
)

// derived are the members that a service derives from what other resources say, by
// type; the paths of elements of arrays are without their indexes.
var derived = map[string][]string{
	network + "publicipaddresses":       {"properties.ipConfiguration"},
	network + "networkinterfaces":       {"properties.virtualMachine", "properties.ipConfigurations.properties.loadBalancerInboundNatRules"},
	network + "networksecuritygroups":   {"properties.networkInterfaces", "properties.subnets"},
	network + "routetables":             {"properties.subnets"},
	network + "virtualnetworks":         {"properties.subnets.properties.ipConfigurations"},
	network + "virtualnetworks/subnets": {"properties.ipConfigurations"},
	network + "loadbalancers":           {"properties.frontendIPConfigurations.properties.loadBalancingRules", "properties.backendAddressPools.properties.loadBalancingRules", "properties.probes.properties.loadBalancingRules", "properties.backendAddressPools.properties.backendIPConfigurations", "properties.inboundNatRules.properties.backendIPConfiguration"},
	compute + "availabilitysets":        {"properties.virtualMachines"},
	compute + "disks":                   {"managedBy"},
}

// References are the IDs that a body names, in lower case: neither its own and those of
// its parts, nor what is derived.
func References(typ, id string, body Object) []string {
	skip, own := derived[typ], strings.ToLower(id)
	var out []string
	var walk func(v any, path string)
	walk = func(v any, path string) {
		switch v := v.(type) {
		case Object:
			for name, inner := range v {
				at := strings.TrimPrefix(path+"."+name, ".")
				if !slices.Contains(skip, at) && at != "id" {
					walk(inner, at)
				}
			}
		case []any:
			for _, inner := range v {
				walk(inner, path)
			}
		case string:
			if len(v) > 15 && strings.EqualFold(v[:15], "/subscriptions/") {
				if target := strings.ToLower(strings.TrimRight(v, "/")); target != own && !strings.HasPrefix(target, own+"/") {
					out = append(out, target)
				}
			}
		}
	}
	walk(body, "")
	slices.Sort(out)
	return slices.Compact(out)
}

// linked are the types whose every "id" must be that of something that exists.
func linked(typ string) bool {
	return strings.HasPrefix(typ, network) || strings.HasPrefix(typ, compute) && !strings.HasPrefix(typ, compute+"galler")
}

// checkReferences refuses IDs of what is not there, or lies where it cannot be used
// from.
func checkReferences(w *Write, k *kind) *Refusal {
	if !linked(w.Kind) {
		return nil
	}
	var refusal *Refusal
	var walk func(v any, path string)
	walk = func(v any, path string) {
		switch v := v.(type) {
		case Object:
			for name, inner := range v {
				id, isText := inner.(string)
				if !isText || name != "id" || path == "" || refusal != nil || !strings.HasPrefix(strings.ToLower(id), "/subscriptions/") {
					walk(inner, path+"."+name)
					continue
				}
				refusal = w.checkReference(k, id)
			}
		case []any:
			for _, inner := range v {
				walk(inner, path)
			}
		}
	}
	for name, inner := range w.Body {
		if name != "id" {
			walk(inner, name)
		}
	}
	return refusal
}

func (w *Write) checkReference(k *kind, id string) *Refusal {
	lower := strings.ToLower(id)
	if strings.Contains(lower, "/artifacttypes/vmimage/") { // checked where it is used
		return nil
	}
	if !k.anySubscription && subscriptionOf(id) != w.Subscription {
		return bad("InvalidResourceReference", "Resource %s referenced by resource %s is in another subscription.", id, w.ID)
	}
	found, _ := w.find(id)
	if found == nil {
		if strings.HasPrefix(w.Kind, compute) {
			return refuse(http.StatusNotFound, "NotFound", "Resource %s referenced by resource %s was not found.", id, w.ID)
		}
		return bad("InvalidResourceReference", "Resource %s referenced by resource %s was not found. Please make sure that the referenced resource exists, and that both resources are in the same region.", id, w.ID)
	}
	state := text(found, "properties.provisioningState")
	if parent := w.Get(grandparent(id)); parent != nil && !same(parent.ID, w.ID) && state == "Succeeded" {
		state = text(parent.Body, "properties.provisioningState") // a part is there once the whole is
	}
	if state == "Updating" || state == "Creating" || state == "Deleting" {
		return conflict("ReferencedResourceNotProvisioned", "Cannot proceed with operation because resource %s used by resource %s is not in Succeeded state. Resource is in %s state and the last operation that updated/is updating the resource is PutOperation.", id, w.ID, state)
	}
	return nil
}

// find is the body of a resource, of a part of one, or of a part of the one that is
// written. holder is the resource that holds a part, nil otherwise.
func (w *Write) find(id string) (found Object, holder *Resource) {
	if same(id, w.ID) {
		return w.Body, nil
	}
	if rest, ok := strings.CutPrefix(strings.ToLower(id), strings.ToLower(w.ID)+"/"); ok && w.Body != nil {
		return part(w.Body, rest), nil
	}
	if r := w.Get(id); r != nil {
		return r.Body, nil
	}
	above := grandparent(id)
	if holder = w.Get(above); above == "" || holder == nil {
		return nil, nil
	}
	return part(holder.Body, strings.ToLower(id[len(above)+1:])), holder
}

// grandparent is an ID without its last two segments, "" for none.
func grandparent(id string) string {
	last := strings.LastIndexByte(id, '/')
	if last <= 0 {
		return ""
	}
	return id[:max(strings.LastIndexByte(id[:last], '/'), 0)]
}

// part is the element "<array>/<name>" of a resource, nil for none.
func part(body Object, path string) Object {
	array, name, ok := strings.Cut(path, "/")
	properties, _ := body["properties"].(Object)
	if !ok {
		return nil
	}
	for member := range properties {
		if !same(member, array) {
			continue
		}
		for _, element := range objects(properties, member) {
			if same(text(element, "name"), name) {
				return element
			}
		}
	}
	return nil
}

// users are the resources of a type that name an ID, that of the write left out.
func (w *Write) users(id string, types ...string) []*Resource {
	return slices.DeleteFunc(w.Naming(id), func(r *Resource) bool {
		return same(r.ID, w.ID) || !slices.ContainsFunc(types, func(t string) bool { return r.Type == t })
	})
}
