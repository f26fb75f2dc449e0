package mapping

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"infrabackup/internal/printable"
)

// Found are the names that one cloud was seen to have.
type Found struct {
	Cloud         Cloud
	Regions       map[string]bool
	Tenants       map[string]bool // those of the cloud itself; Guests are others that it mentions
	Guests        map[string]bool
	Subscriptions map[string]Subscription // by GUID
	Domains       []DomainNames
	Principals    map[string]bool // that the restore will not learn
}

// Subscription is what is known of one.
type Subscription struct {
	Name string
	// Operator says that it is the operator's own, which every cloud has from its beginning.
	Operator bool
}

// NewFound makes one without names.
func NewFound(c Cloud) *Found {
	return &Found{Cloud: c, Regions: map[string]bool{}, Tenants: map[string]bool{}, Guests: map[string]bool{}, Subscriptions: map[string]Subscription{}, Principals: map[string]bool{}}
}

// maxShown bounds the names of the target that a comment lists.
const maxShown = 200

// Template writes a map from one cloud to another as a file for people to complete. It fills in
// what cannot be otherwise, and leaves the rest open: a map with an open name is refused.
func Template(source, target *Found) []byte {
	t := &template{}
	t.line("# What names of the source are in the target. Names that are \"\" are open: give what they")
	t.line("# are in the target. A name that is to stay as it is stands on both sides.")
	t.line("format: %d", Format)
	for _, side := range []struct {
		key   string
		cloud Cloud
	}{{"source", source.Cloud}, {"target", target.Cloud}} {
		t.line("%s: # the map is good for this one only", side.key)
		t.line("  fqdn: %s", quoted(side.cloud.FQDN))
		if side.cloud.DeploymentID != "" {
			t.line("  deploymentId: %s", quoted(side.cloud.DeploymentID))
		}
	}
	t.list("regions", sorted(source.Regions), only(source.Regions, target.Regions), func(string) string { return shown("the target has", sorted(target.Regions)) })
	t.tenants(source, target)
	t.subscriptions(source, target)
	t.domains(source, target)
	if len(source.Principals) > 0 {
		t.line("# Accounts and groups that have roles or access to vaults: their SIDs, or object IDs.")
		t.list("principals", sorted(source.Principals), keep(source.Principals, target.Principals), func(string) string { return "" })
	}
	return []byte(t.text.String())
}

type template struct{ text strings.Builder }

func (t *template) line(format string, args ...any) {
	fmt.Fprintf(&t.text, format+"\n", args...)
}

// list writes names with what is sure, and a comment for others.
func (t *template) list(key string, names []string, sure map[string]string, comment func(name string) string) {
	if len(names) == 0 {
		t.line("%s: {}", key)
		return
	}
	t.line("%s:", key)
	for _, name := range names {
		text := fmt.Sprintf("  %s: %s", quoted(name), quoted(sure[name]))
		if said := comment(name); said != "" && sure[name] == "" {
			text += " # " + said
		}
		t.line("%s", text)
	}
}

func (t *template) tenants(source, target *Found) {
	all := maps.Clone(source.Tenants)
	maps.Copy(all, source.Guests)
	sure := only(source.Tenants, target.Tenants)
	maps.Copy(sure, keep(source.Guests, target.Guests))
	t.list("tenants", sorted(all), sure, func(name string) string {
		if source.Tenants[name] {
			return shown("the cloud's own; the target has", sorted(target.Tenants))
		}
		return "a guest's directory; where the target has the same, it keeps its GUID"
	})
}

func (t *template) subscriptions(source, target *Found) {
	sure := map[string]string{}
	of := func(f *Found) (guids []string) {
		for guid, s := range f.Subscriptions {
			if s.Operator {
				guids = append(guids, guid)
			}
		}
		return guids
	}
	if from, to := of(source), of(target); len(from) == 1 && len(to) == 1 {
		sure[from[0]] = to[0]
	}
	for guid := range source.Subscriptions {
		if _, there := target.Subscriptions[guid]; there && sure[guid] == "" {
			sure[guid] = guid
		}
	}
	var there []string
	for guid, s := range target.Subscriptions {
		if !s.Operator {
			there = append(there, guid+" "+printable.Text(s.Name))
		}
	}
	slices.Sort(there)
	if len(there) > 0 {
		t.line("# %s", shown("The target has these subscriptions of tenants", there))
	}
	t.line("# A subscription that the target does not have yet is created: give it a GUID of your own.")
	t.list("subscriptions", slices.SortedFunc(maps.Keys(source.Subscriptions), func(a, b string) int {
		return cmp.Or(cmp.Compare(source.Subscriptions[a].Name, source.Subscriptions[b].Name), cmp.Compare(a, b))
	}), sure, func(name string) string { return printable.Text(source.Subscriptions[name].Name) })
}

func (t *template) domains(source, target *Found) {
	if len(source.Domains) == 0 {
		return
	}
	t.line("# Domains of Active Directory. Leave netbios out on both sides when it does not matter.")
	t.line("domains:")
	for _, d := range source.Domains {
		to := DomainNames{}
		if len(source.Domains) == 1 && len(target.Domains) == 1 {
			to = target.Domains[0]
		}
		if to.DNS == "" && strings.EqualFold(d.DNS, source.Cloud.FQDN) { // one name cannot become two
			to.DNS = target.Cloud.FQDN
		}
		mark := "-"
		for _, side := range []struct {
			key   string
			names DomainNames
		}{{"source", d}, {"target", to}} {
			t.line("  %s %s:", mark, side.key)
			mark = " "
			t.line("      dns: %s", quoted(side.names.DNS))
			if d.SID != "" {
				t.line("      sid: %s", quoted(side.names.SID))
			}
			if d.NetBIOS != "" {
				t.line("      netbios: %s", quoted(side.names.NetBIOS))
			}
		}
	}
}

// only says what becomes of the only name, where each side has one, and of names that both have.
func only(source, target map[string]bool) map[string]string {
	sure := keep(source, target)
	if len(source) == 1 && len(target) == 1 {
		sure[sorted(source)[0]] = sorted(target)[0]
	}
	return sure
}

func keep(source, target map[string]bool) map[string]string {
	sure := map[string]string{}
	for name := range source {
		if target[name] {
			sure[name] = name
		}
	}
	return sure
}

func sorted(names map[string]bool) []string { return slices.Sorted(maps.Keys(names)) }

func shown(what string, names []string) string {
	if len(names) == 0 {
		return ""
	}
	more := ""
	if len(names) > maxShown {
		names, more = names[:maxShown], ", …"
	}
	return what + ": " + strings.Join(names, ", ") + more
}

// quoted is a name as YAML takes it, whatever it looks like.
func quoted(name string) string { return fmt.Sprintf("%q", printable.Text(name)) }
