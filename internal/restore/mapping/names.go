package mapping

import (
	"cmp"
	"slices"
	"strings"
)

// Names gives texts of the source the names of the target, as a [Site] says. A nil one leaves
// everything as it is. It is not changed after it was made, and may be used from several
// goroutines.
type Names struct {
	site       *Site
	hosts      []change          // domain names, the longest first
	paths      []change          // the same as distinguished names, such as dc=corp,dc=example
	guids      map[string]string // in lower case, as all keys
	regions    map[string]string
	netbios    map[string]string
	domainSIDs map[string]string
	principals map[string]string
}

// change is a name that becomes another one.
type change struct{ from, to string }

// NewNames makes names of a site. Errors are those of [Site.Validate].
func NewNames(s *Site) (*Names, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	n := &Names{site: s, guids: map[string]string{}, regions: lowered(s.Regions), principals: lowered(s.Principals), netbios: map[string]string{}, domainSIDs: map[string]string{}}
	hosts := lowered(s.Hosts)
	hosts[lower(s.Source.FQDN)] = lower(s.Target.FQDN)
	for _, d := range s.Domains {
		hosts[lower(d.Source.DNS)] = lower(d.Target.DNS)
		n.paths = append(n.paths, change{pathOf(d.Source.DNS), pathOf(d.Target.DNS)})
		if d.Source.SID != "" {
			n.domainSIDs[lower(d.Source.SID)] = strings.ToUpper(d.Target.SID)
		}
		if d.Source.NetBIOS != "" {
			n.netbios[lower(d.Source.NetBIOS)] = d.Target.NetBIOS
		}
	}
	for from, to := range hosts {
		n.hosts = append(n.hosts, change{from, to})
	}
	longest := func(a, b change) int {
		return cmp.Or(cmp.Compare(len(b.from), len(a.from)), cmp.Compare(a.from, b.from))
	}
	slices.SortFunc(n.hosts, longest)
	slices.SortFunc(n.paths, longest)
	for _, m := range []map[string]string{s.Tenants, s.Subscriptions, {s.Source.DeploymentID: s.Target.DeploymentID}} {
		for from, to := range m {
			if from != "" {
				n.guids[lower(from)] = lower(to)
			}
		}
	}
	for from, to := range n.principals {
		if guidPattern().MatchString(from) {
			n.guids[from] = to
		}
	}
	return n, nil
}

func lowered(m map[string]string) map[string]string {
	out := make(map[string]string, len(m))
	for from, to := range m {
		out[lower(from)] = lower(to)
	}
	return out
}

// pathOf is a DNS name as a distinguished name (RFC 2247).
func pathOf(dns string) string { return "dc=" + strings.ReplaceAll(lower(dns), ".", ",dc=") }

// Site is what the names were made of, nil for none.
func (n *Names) Site() *Site {
	if n == nil {
		return nil
	}
	return n.site
}

// Text gives a text the target's names, wherever they stand in it as a whole: domain names,
// also as distinguished names, GUIDs, SIDs, short names of domains before a backslash. Regions
// are words like any other, and are replaced where [Names.ID] and [Names.Document] say.
func (n *Names) Text(text string) string {
	if n == nil || text == "" {
		return text
	}
	text = n.guidsIn(text)
	text = SIDsIn(text, n.sid)
	text = n.pathsIn(text)
	text = n.cloudAppsIn(text)
	text = n.hostsIn(text)
	return n.netbiosIn(text)
}

// ID gives the ID of a resource, or an address that has one in it, the target's names: beside
// those of a text its region, which stands behind a segment such as locations, and in the
// names of a region's own resource group.
func (n *Names) ID(id string) string {
	if n == nil {
		return id
	}
	if !strings.Contains(id, "/") || len(n.regions) == 0 {
		return n.Text(id)
	}
	segments := strings.Split(id, "/")
	for i, segment := range segments {
		switch group, isGroup := cutPrefixFold(segment, "system."); {
		case i > 0 && ofRegion(segments[i-1]):
			segments[i] = n.region(segment)
		case isGroup && i > 0 && strings.EqualFold(segments[i-1], "resourcegroups"):
			segments[i] = segment[:len("system.")] + n.region(group)
		}
	}
	return n.Text(strings.Join(segments, "/"))
}

// ofRegion reports whether the next segment of an ID is a region.
func ofRegion(segment string) bool {
	switch lower(segment) {
	case "locations", "updatelocations", "fabriclocations", "regionhealths":
		return true
	}
	return false
}

func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

// region gives a whole word that is a region the target's name.
func (n *Names) region(word string) string {
	if to, ok := n.regions[lower(word)]; ok {
		return to
	}
	return word
}

// sid is a SID in the target: one that the site has, that of the domain, or one that is the
// same in every domain but for the domain's part (MS-SAMR 3.1.1.9.2.1).
func (n *Names) sid(sid string) (string, bool) {
	if to, ok := n.principals[sid]; ok {
		return strings.ToUpper(to), true
	}
	if to, ok := n.domainSIDs[sid]; ok {
		return to, true
	}
	cut := strings.LastIndexByte(sid, '-')
	to, ok := n.domainSIDs[sid[:cut]]
	if !ok || len(sid)-cut > 4 { // up to three digits: below 1000
		return "", false
	}
	return to + sid[cut:], true
}

// maxDepth bounds how deep documents are gone through.
const maxDepth = 128

// Document gives a decoded JSON document the target's names: all texts and names of members,
// and regions in members that say where something is. The document is not changed.
func (n *Names) Document(document any) any {
	if n == nil {
		return document
	}
	return n.value(document, false, 0)
}

// value does so for a value; place says that the texts in it are regions.
func (n *Names) value(value any, place bool, depth int) any {
	if depth > maxDepth {
		return value // package residual looks there, too
	}
	switch v := value.(type) {
	case map[string]any:
		return n.object(v, place, depth)
	case []any:
		out := make([]any, len(v))
		for i, inner := range v {
			out[i] = n.value(inner, place, depth+1)
		}
		return out
	case string:
		if place {
			if to, ok := n.regions[Region(v)]; ok {
				return to
			}
		}
		return n.ID(v)
	}
	return value
}

func (n *Names) object(o map[string]any, place bool, depth int) map[string]any {
	// A condition of a policy names the member that it is about.
	field, _ := o["field"].(string)
	about := IsPlace(field)
	id, _ := o["id"].(string)
	out := make(map[string]any, len(o))
	for name, inner := range o {
		if text, ok := inner.(string); ok && (name == "name" || name == "displayName") {
			inner = n.named(id, text)
		}
		out[n.ID(name)] = n.value(inner, place || about || IsPlace(name), depth+1)
	}
	return out
}

// Region is a region as regions are compared: people write East US for eastus.
func Region(text string) string { return lower(strings.Join(strings.Fields(text), "")) }

// named is the name of a resource in the target, which goes with its ID: that of a region or of
// its own group is in it, and what lies in a region can have it in front.
func (n *Names) named(id, name string) string {
	if last := id[strings.LastIndexByte(id, '/')+1:]; last == name {
		renamed := n.ID(id)
		return renamed[strings.LastIndexByte(renamed, '/')+1:]
	}
	if !ofRegionID(id) {
		return name
	}
	first, rest, more := strings.Cut(name, "/")
	if first = n.region(first); more {
		return first + "/" + rest
	}
	return first
}

// IsPlace reports whether whole texts in a member can be regions, by its name: those of
// parameters are called as their author liked.
func IsPlace(member string) bool {
	member = lower(member)
	return strings.Contains(member, "location") || strings.Contains(member, "region") || member == "parameters"
}

// ofRegionID reports whether the name of a resource can begin with its region.
func ofRegionID(id string) bool {
	for segment := range strings.SplitSeq(id, "/") {
		if ofRegion(segment) {
			return true
		}
	}
	return false
}
