package stamp

import "strings"

// place is what a path of the resource manager means, in lower case.
type place struct {
	path   string // the whole path, without a slash at its end
	scope  string // what comes before the last "/providers/…": "", a subscription, a group, a resource
	typ    string // full type; for paths without a provider, ARM's own name for it
	parent string // the path without its last segment
	name   string // the last segment
	sub    string // subscription ID, "" outside of subscriptions
	group  string // resource group, "" outside of groups
	level  int    // number of type segments after the last provider
	// collection says that the path ends with a type, not with a name.
	collection bool
}

// parsePath reads a path. What is no path of a resource manager has an empty typ.
func parsePath(path string) place {
	path = strings.TrimRight(strings.ToLower(path), "/")
	p := place{path: path, name: path[strings.LastIndexByte(path, '/')+1:]}
	p.parent = strings.TrimSuffix(path, "/"+p.name)
	rest, ok := strings.CutPrefix(path, "/")
	if !ok || strings.Contains(path, "//") {
		return place{path: path}
	}
	// The example paths of deployments' operations leave out the provider.
	if before, after, ok := strings.Cut(path, "/deployments/"); ok && strings.Count(before, "/") == 4 && strings.Contains(before, "/resourcegroups/") && !strings.HasSuffix(before, "/providers/microsoft.resources") {
		return parsePath(before + "/providers/microsoft.resources/deployments/" + after)
	}
	segments := strings.Split(rest, "/")
	at := 0
	if segments[0] == "subscriptions" && len(segments) > 1 {
		p.sub, at = segments[1], 2
		if len(segments) > 3 && segments[2] == "resourcegroups" {
			p.group, at = segments[3], 4
		}
	}
	if at == len(segments) || segments[at] != "providers" {
		return p.bare(segments, at)
	}
	if at+1 == len(segments) { // …/providers
		p.typ, p.collection = "microsoft.resources/providers", true
		return p
	}
	// Walk from provider to provider: each further one is an extension of what precedes.
	for at < len(segments) && segments[at] == "providers" && at+1 < len(segments) {
		p.scope = "/" + strings.Join(segments[:at], "/")
		if at == 0 {
			p.scope = ""
		}
		var typ strings.Builder
		typ.WriteString(segments[at+1])
		p.level, p.collection = 0, false
		at += 2
		for at < len(segments) && (segments[at] != "providers" || p.level == 0) {
			typ.WriteString("/" + segments[at])
			p.level++
			if at++; at == len(segments) {
				p.collection = true
				break
			}
			at++ // the name
		}
		p.typ = typ.String()
	}
	if p.level == 0 { // …/providers/<namespace>
		p.typ = "microsoft.resources/providers"
	}
	return p
}

// bare reads a path without a provider: ARM's own collections and resources.
func (p place) bare(segments []string, at int) place {
	rest := segments[at:]
	switch {
	case p.sub == "" && len(segments) == 1: // /subscriptions, /tenants, /offers
		p.typ, p.collection = "microsoft.resources/"+segments[0], true
	case p.sub == "" && len(segments) == 2 && segments[0] == "tenants":
		p.typ = "microsoft.resources/tenants"
	case p.sub == "" && segments[0] == "delegatedproviders" && len(segments) <= 4:
		p.typ, p.collection = "microsoft.resources/offers", len(segments)%2 == 1
	case p.sub == "":
	case len(rest) == 0 && p.group != "":
		p.typ = "microsoft.resources/resourcegroups"
	case len(rest) == 0:
		p.typ = "microsoft.resources/subscriptions"
	case p.group == "" && rest[0] == "resourcegroups" && len(rest) == 1:
		p.typ, p.collection = "microsoft.resources/resourcegroups", true
	case rest[0] == "resources" && len(rest) == 1:
		p.typ, p.collection = "microsoft.resources/resources", true
	case p.group == "" && (rest[0] == "locations" || rest[0] == "tagnames") && len(rest) <= 2:
		p.typ, p.collection = "microsoft.resources/subscriptions/"+rest[0], len(rest) == 1
	}
	return p
}

// scopesAbove are a scope and everything above it, from the root down.
func scopesAbove(scope string) []string {
	above := []string{""}
	for i := 1; i < len(scope); i++ {
		if scope[i] != '/' {
			continue
		}
		// Whole scopes end after a name: a subscription, a group, a resource.
		if p := parsePath(scope[:i]); p.typ != "" && !p.collection && p.typ != "microsoft.resources/providers" {
			above = append(above, scope[:i])
		}
	}
	if scope != "" {
		above = append(above, scope)
	}
	return above
}
