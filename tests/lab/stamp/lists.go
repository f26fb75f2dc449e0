package stamp

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"infrabackup/tests/lab/stamp/inventory"
)

// List is a list of the stamp with elements.
type List struct {
	Host     string // with the server's port
	Path     string // in lower case
	Type     string // full type of the elements, in lower case; empty for lists of several
	Scope    string // what it lies below: root, subscription, group, parent, scope or vault
	Elements int
	Tracked  bool // the resource manager's own list of resources names the elements too
}

// Match says whether a request asks for the list, any page of it.
func (l List) Match(r *http.Request) bool {
	return r.Host == l.Host && strings.EqualFold(strings.TrimRight(r.URL.Path, "/"), l.Path)
}

// String names the list without what differs between two starts.
func (l List) String() string {
	host, _, _ := strings.Cut(l.Host, ".")
	if l.Scope == "vault" {
		host = "vault"
	}
	return host + " " + cmp.Or(l.Type, l.Path[strings.LastIndexByte(l.Path, '/'):]) + " in " + l.Scope
}

// Lists are lists that the stamp has now, one for each endpoint, type and scope that its
// table and its documents give: the one with most elements. A type that the table gets
// is among them as soon as there is a document of it.
func (s *Stamp) Lists() []List {
	found := map[string]List{} // by host and path
	for endpoint, host := range map[inventory.Endpoint]string{inventory.Tenant: s.host("management"), inventory.Admin: s.host("adminmanagement")} {
		count := func(path, typ, scope string) {
			row := s.types.find(typ, endpoint)
			l := List{
				Host: host, Path: path, Type: typ, Scope: scope, Elements: found[host+path].Elements + 1,
				Tracked: row != nil && row.has(tracked),
			}
			found[host+path] = l
		}
		for _, e := range s.shelves[endpoint].below("", "") {
			if e.row != nil {
				e.listed(count)
			}
		}
	}
	for _, o := range s.vaults.all() {
		host, kind := s.host(strings.ToLower(o.Vault)+".vault"), strings.ToLower(o.Kind)
		l := List{Host: host, Path: "/" + kind, Type: kind, Scope: "vault", Elements: found[host+"/"+kind].Elements + 1}
		found[host+l.Path] = l
		versions := "/" + kind + "/" + strings.ToLower(o.Name) + "/versions"
		found[host+versions] = List{Host: host, Path: versions, Type: kind + "/versions", Scope: "vault", Elements: len(o.Versions)}
	}
	fullest := map[string]List{}
	for _, l := range found {
		best, ok := fullest[l.String()]
		if !ok || l.Elements > best.Elements || l.Elements == best.Elements && l.Host+l.Path < best.Host+best.Path {
			fullest[l.String()] = l
		}
	}
	all := make([]List, 0, len(fullest))
	for _, l := range fullest {
		all = append(all, l)
	}
	slices.SortFunc(all, func(a, b List) int { return cmp.Compare(a.String(), b.String()) })
	return all
}

// listed counts an entry in each list that gives it.
func (e *entry) listed(count func(path, typ, scope string)) {
	p := e.place
	subscription := "/subscriptions/" + p.sub
	group := subscription + "/resourcegroups/" + p.group
	switch {
	case p.typ == "microsoft.resources/subscriptions":
		count("/subscriptions", p.typ, "root")
		for _, own := range []string{"providers", "resources", "locations"} { // the resource manager makes these
			count(subscription+"/"+own, "", "subscription")
		}
	case p.typ == "microsoft.resources/resourcegroups":
		count(subscription+"/resourcegroups", p.typ, "subscription")
	case e.row.has(extension):
		count(subscription+"/providers/"+p.typ, p.typ, "subscription")
		if p.group != "" {
			count(group+"/providers/"+p.typ, p.typ, "group")
		}
	case e.row.has(single), e.row.has(array):
	case p.level > 1:
		if e.row.has(belowParent) {
			count(p.parent, p.typ, "parent")
		}
	case p.sub != "":
		if e.row.has(inSubscription) && !e.row.has(exactScope) {
			count(subscription+"/providers/"+p.typ, p.typ, "subscription")
		}
		if e.row.has(inGroup) && p.group != "" {
			count(group+"/providers/"+p.typ, p.typ, "group")
		}
	}
}
