package residual

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"infrabackup/internal/restore/mapping"
)

// Finding is one place where a name of the source stands.
type Finding struct {
	// Member is the path of the member, such as properties.tags.host; empty for what is no
	// JSON document.
	Member string `json:"member"`
	// What says which name it is, such as fqdn or subscription.
	What string `json:"what"`
	// Form says how it is written: text, utf16le, sid, or base64 with one of these behind it.
	Form string `json:"form"`
	// SID is the whole SID where What is domainSid and it is text. It is in no report.
	SID string `json:"-"`
}

// String is the finding for messages.
func (f Finding) String() string {
	member := f.Member
	if member == "" {
		member = "its content"
	}
	return fmt.Sprintf("%s has the source's %s (%s)", member, f.What, f.Form)
}

// Scanner finds names of one site. A nil one finds nothing. It may be used from several
// goroutines.
type Scanner struct {
	names   []name
	guids   map[string]string // what they are, by GUIDs with hyphens in lower case
	sidsOf  map[string]string // the same of whole SIDs
	regions []string
	sids    [][]byte // what every SID of a domain has in it, see sidTail

	shortest int // how many bytes a name has at least

	// What the target has by the site, in lower case.
	tenants, subscriptions, places, principals map[string]bool
	domains                                    []string // SIDs of either side
}

// name is a name of the source, in lower case.
type name struct {
	text, what string
	kind       kind
	// within are names of the target that end with it: inside of them it is none of the
	// source.
	within []string
}

type kind int

const (
	host    kind = iota // a domain name, whole labels
	path                // a domain's distinguished name
	sid                 // of a domain, followed by no digit
	netbios             // followed by a backslash
)

// New makes a scanner of a site, nil for nil. Names that are the same in the target are not
// looked for.
func New(s *mapping.Site) *Scanner {
	if s == nil {
		return nil
	}
	c := &Scanner{guids: map[string]string{}, sidsOf: map[string]string{}, tenants: valuesOf(s.Tenants), subscriptions: valuesOf(s.Subscriptions), places: valuesOf(s.Regions), principals: valuesOf(s.Principals)}
	var targets []string
	add := func(k kind, what, from, to string) {
		from, to = strings.ToLower(from), strings.ToLower(to)
		if k == host || k == path {
			targets = append(targets, to)
		}
		if from != "" && from != to {
			c.names = append(c.names, name{text: from, what: what, kind: k})
		}
	}
	add(host, "fqdn", s.Source.FQDN, s.Target.FQDN)
	addGUID := func(what, from, to string) {
		if !strings.EqualFold(from, to) {
			c.guids[strings.ToLower(from)] = what
		}
	}
	addGUID("deploymentId", s.Source.DeploymentID, s.Target.DeploymentID)
	for from, to := range s.Tenants {
		addGUID("tenant", from, to)
	}
	for from, to := range s.Subscriptions {
		addGUID("subscription", from, to)
	}
	for from, to := range s.Hosts {
		add(host, "host", from, to)
	}
	for from, to := range s.Principals {
		if strings.HasPrefix(strings.ToLower(from), "s-1-") {
			if !strings.EqualFold(from, to) {
				c.sidsOf[strings.ToLower(from)] = "principal"
			}
		} else {
			addGUID("principal", from, to)
		}
	}
	for _, d := range s.Domains {
		add(host, "domain", d.Source.DNS, d.Target.DNS)
		dn := func(dns string) string { return "dc=" + strings.Join(strings.Split(dns, "."), ",dc=") }
		add(path, "domain", dn(d.Source.DNS), dn(d.Target.DNS))
		add(sid, "domainSid", d.Source.SID, d.Target.SID)
		if d.Source.SID != "" {
			c.domains = append(c.domains, strings.ToLower(d.Source.SID), strings.ToLower(d.Target.SID))
		}
		add(netbios, "netbios", d.Source.NetBIOS, d.Target.NetBIOS)
		if tail, ok := sidTail(d.Source.SID); ok && !strings.EqualFold(d.Source.SID, d.Target.SID) {
			c.sids = append(c.sids, tail)
		}
	}
	for from, to := range s.Regions {
		if !strings.EqualFold(from, to) {
			c.regions = append(c.regions, strings.ToLower(from))
		}
	}
	for i := range c.names {
		n := &c.names[i]
		for _, to := range targets {
			if strings.HasSuffix(to, "."+n.text) || strings.HasSuffix(to, ","+n.text) {
				n.within = append(n.within, to)
			}
		}
	}
	c.shortest = shortestName
	for _, n := range c.names {
		c.shortest = min(c.shortest, len(n.text))
	}
	slices.SortFunc(c.names, func(a, b name) int { return strings.Compare(a.text, b.text) })
	slices.Sort(c.regions)
	return c
}

func valuesOf(m map[string]string) map[string]bool {
	all := map[string]bool{}
	for _, to := range m {
		all[strings.ToLower(to)] = true
	}
	return all
}

const (
	// maxFindings bounds what is listed of one document.
	maxFindings = 100
	maxDepth    = 10_000 // as encoding/json has it

	shortestName = 8 // of SIDs and GUIDs, to be looked at closer
)

// Find lists what of the source stands in a document, in JSON or not, at most a hundred
// findings, each once.
func (s *Scanner) Find(document []byte) []Finding {
	if s == nil || len(document) == 0 {
		return nil
	}
	l := &look{scanner: s}
	var v any
	if err := json.Unmarshal(document, &v); err != nil {
		l.bytes("", document, "", 0)
	} else {
		l.value("", v, false, 0)
	}
	slices.SortFunc(l.found, func(a, b Finding) int {
		return strings.Compare(a.Member+a.What+a.Form+a.SID, b.Member+b.What+b.Form+b.SID)
	})
	return l.found
}

// look is one document that is looked through.
type look struct {
	scanner *Scanner
	found   []Finding
}

func (l *look) add(f Finding) {
	if len(l.found) < maxFindings && !slices.Contains(l.found, f) {
		l.found = append(l.found, f)
	}
}

// value looks through a value; place says that it is one of a member that holds regions.
func (l *look) value(at string, value any, place bool, depth int) {
	if depth > maxDepth || len(l.found) >= maxFindings {
		return
	}
	switch v := value.(type) {
	case map[string]any:
		field, _ := v["field"].(string)
		place = place || holdsRegions(field)
		for name, inner := range v {
			before := len(l.found)
			l.bytes(at, []byte(name), "name of a member, ", 0)
			member := strings.TrimPrefix(at+"."+name, ".")
			if len(l.found) > before { // the path would have it
				member = strings.TrimPrefix(at+".…", ".")
			}
			l.value(member, inner, place || holdsRegions(name), depth+1)
		}
	case []any:
		for i, inner := range v {
			l.value(fmt.Sprintf("%s[%d]", at, i), inner, place, depth+1)
		}
	case string:
		l.text(at, v, place)
	}
}

func holdsRegions(member string) bool {
	member = strings.ToLower(member)
	return strings.Contains(member, "location") || strings.Contains(member, "region") || member == "parameters"
}

// text looks through a text of a document.
func (l *look) text(at, text string, place bool) {
	low := strings.ToLower(text)
	for _, region := range l.scanner.regions {
		if place && strings.Join(strings.Fields(low), "") == region || inPath(low, region) {
			l.add(Finding{Member: at, What: "region", Form: "text"})
		}
	}
	l.bytes(at, []byte(text), "", 0)
}

// inPath reports whether a region is a whole segment of a path behind one that says so, or
// has its own resource group there, or stands in front of cloudapp.
func inPath(low, region string) bool {
	if !strings.Contains(low, region) {
		return false
	}
	if strings.Contains(low, "."+region+".cloudapp.") {
		return true
	}
	before := ""
	for segment := range strings.SplitSeq(low, "/") {
		if segment == region && holdsRegions(before) || segment == "system."+region && before == "resourcegroups" {
			return true
		}
		before = segment
	}
	return false
}
