package mapping

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Format is the version of the file that a [Site] is written in.
const Format = 1

// Site says what the names of one cloud, the source, are in another one, the target. Names
// compare without case. A name that is the same on both sides is kept.
type Site struct {
	Format int   `json:"format" yaml:"format"`
	Source Cloud `json:"source" yaml:"source"`
	Target Cloud `json:"target" yaml:"target"`
	// Regions are locations of the resource managers.
	Regions map[string]string `json:"regions" yaml:"regions"`
	// Tenants are GUIDs of directory tenants, Subscriptions those of subscriptions.
	Tenants       map[string]string `json:"tenants" yaml:"tenants"`
	Subscriptions map[string]string `json:"subscriptions" yaml:"subscriptions"`
	// Domains are those of Active Directory.
	Domains []Domain `json:"domains,omitempty" yaml:"domains"`
	// Hosts are names of hosts that do not follow from the domains, such as that of a vault
	// below a domain of its own. What lies below them follows.
	Hosts map[string]string `json:"hosts,omitempty" yaml:"hosts"`
	// Principals are SIDs or object IDs of accounts and groups that the restore does not learn
	// from the directory.
	Principals map[string]string `json:"principals,omitempty" yaml:"principals"`
}

// Cloud is one side of a [Site].
type Cloud struct {
	FQDN         string `json:"fqdn" yaml:"fqdn"`
	DeploymentID string `json:"deploymentId,omitempty" yaml:"deploymentId"`
}

// Domain is what a domain of Active Directory becomes.
type Domain struct {
	Source DomainNames `json:"source" yaml:"source"`
	Target DomainNames `json:"target" yaml:"target"`
}

// DomainNames are what a domain is known by. SID and NetBIOS may be left out on both sides.
type DomainNames struct {
	SID     string `json:"sid,omitempty" yaml:"sid"` // S-1-5-21-…
	DNS     string `json:"dns" yaml:"dns"`
	NetBIOS string `json:"netbios,omitempty" yaml:"netbios"`
}

// Mistake is an error in a site, at the place of the file that a dotted key names.
type Mistake struct {
	Key  string
	Text string
}

// Error implements error.
func (m *Mistake) Error() string { return m.Key + ": " + m.Text }

func mistake(key, format string, args ...any) error {
	return &Mistake{Key: key, Text: fmt.Sprintf(format, args...)}
}

// Bounds of a site.
const (
	MaxNames = 4000      // in each list
	maxBytes = 512 << 10 // of all names, so that a plan's header has it in one line
)

var (
	guidPattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$`) })
	hostPattern = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	})
	labelPattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`) })
	domainSID    = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^s-1-5-21-(0|[1-9][0-9]{0,9})-(0|[1-9][0-9]{0,9})-(0|[1-9][0-9]{0,9})$`)
	})
	sidPattern     = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^s-1-[0-9]{1,15}(-[0-9]{1,10}){1,15}$`) })
	netbiosPattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,14}$`) })
)

// Validate makes sure that every name is one of its kind, and that the target's names can be
// told from the source's: no two become one, and none becomes another one of the source.
// Errors are of type [*Mistake].
func (s *Site) Validate() error {
	if s.Format != Format {
		return mistake("format", "the map has format %d, and this version knows %d", s.Format, Format)
	}
	for _, side := range []struct {
		key   string
		cloud Cloud
	}{{"source", s.Source}, {"target", s.Target}} {
		if !hostPattern().MatchString(lower(side.cloud.FQDN)) {
			return mistake(side.key+".fqdn", "want the cloud's domain name")
		}
		if side.cloud.DeploymentID != "" && !guidPattern().MatchString(lower(side.cloud.DeploymentID)) {
			return mistake(side.key+".deploymentId", "want a GUID")
		}
	}
	if (s.Source.DeploymentID == "") != (s.Target.DeploymentID == "") && s.Target.DeploymentID == "" {
		return mistake("target.deploymentId", "the source has one, so the target has one too")
	}
	for _, list := range s.lists() {
		if err := list.check(); err != nil {
			return err
		}
	}
	if n := s.size(); n > maxBytes {
		return mistake("", "its names have %d bytes, and at most %d are taken", n, maxBytes)
	}
	return s.disjoint()
}

func (s *Site) size() (n int) {
	for _, l := range s.lists() {
		for from, to := range l.names {
			n += len(from) + len(to) + 6
		}
	}
	for _, d := range s.Domains {
		n += len(d.Source.SID+d.Source.DNS+d.Source.NetBIOS+d.Target.SID+d.Target.DNS+d.Target.NetBIOS) + 100
	}
	return n
}

// list is a list of names of one kind.
type list struct {
	key   string
	names map[string]string
	kind  string // for messages
	fits  func(string) bool
}

func (s *Site) lists() []list {
	principal := func(text string) bool { return sidPattern().MatchString(text) || guidPattern().MatchString(text) }
	return []list{
		{"regions", s.Regions, "a region", labelPattern().MatchString},
		{"tenants", s.Tenants, "a GUID", guidPattern().MatchString},
		{"subscriptions", s.Subscriptions, "a GUID", guidPattern().MatchString},
		{"hosts", s.Hosts, "a domain name", hostPattern().MatchString},
		{"principals", s.Principals, "a SID or a GUID", principal},
	}
}

func (l list) check() error {
	if len(l.names) > MaxNames {
		return mistake(l.key, "more than %d names", MaxNames)
	}
	for _, from := range slices.Sorted(maps.Keys(l.names)) {
		key, to := l.key+"."+from, l.names[from]
		switch {
		case !l.fits(lower(from)):
			return mistake(key, "this is not %s", l.kind)
		case to == "":
			return mistake(key, "it is open: give what it is in the target")
		case !l.fits(lower(to)):
			return mistake(key, "want %s", l.kind)
		}
	}
	return nil
}

// rename is one name of a site with its place in the file.
type rename struct{ key, from, to string }

// spaces are the names of a site by what has to be told apart within itself.
func (s *Site) spaces() map[string][]rename {
	all := map[string][]rename{}
	add := func(space, key, from, to string) {
		if from != "" || to != "" {
			all[space] = append(all[space], rename{key, lower(from), lower(to)})
		}
	}
	add("host", "target.fqdn", s.Source.FQDN, s.Target.FQDN)
	if s.Source.DeploymentID != "" {
		add("guid", "target.deploymentId", s.Source.DeploymentID, s.Target.DeploymentID)
	}
	for i, d := range s.Domains {
		key := fmt.Sprintf("domains[%d].target.", i)
		add("host", key+"dns", d.Source.DNS, d.Target.DNS)
		add("sid", key+"sid", d.Source.SID, d.Target.SID)
		add("netbios", key+"netbios", d.Source.NetBIOS, d.Target.NetBIOS)
	}
	spaces := map[string]string{"regions": "region", "tenants": "guid", "subscriptions": "guid", "hosts": "host", "principals": "principal"}
	for _, l := range s.lists() {
		for _, from := range slices.Sorted(maps.Keys(l.names)) {
			add(spaces[l.key], l.key+"."+from, from, l.names[from])
		}
	}
	return all
}

// disjoint refuses what could not be mapped back.
func (s *Site) disjoint() error {
	for i, d := range s.Domains {
		if err := d.check(fmt.Sprintf("domains[%d]", i)); err != nil {
			return err
		}
	}
	if len(s.Domains) > MaxNames {
		return mistake("domains", "more than %d domains", MaxNames)
	}
	spaces := s.spaces()
	for _, space := range slices.Sorted(maps.Keys(spaces)) {
		from, to := map[string]rename{}, map[string]rename{}
		for _, r := range spaces[space] {
			if known, ok := from[r.from]; ok {
				if known.to == r.to && space == "host" { // the cloud's domain may be the directory's
					continue
				}
				return mistake(r.key, "%s is there already, at %s", r.from, known.key)
			}
			if known, ok := to[r.to]; ok {
				return mistake(r.key, "%s would become %s, as %s does at %s: two names of the source cannot be one of the target", r.from, r.to, known.from, known.key)
			}
			from[r.from], to[r.to] = r, r
		}
		for _, r := range spaces[space] {
			if other, ok := from[r.to]; ok && r.from != r.to {
				return mistake(r.key, "%s would become %s, which is a name of the source itself, at %s", r.from, r.to, other.key)
			}
		}
	}
	return nil
}

func (d Domain) check(key string) error {
	for _, side := range []struct {
		key   string
		names DomainNames
	}{{key + ".source", d.Source}, {key + ".target", d.Target}} {
		switch n := side.names; {
		case !hostPattern().MatchString(lower(n.DNS)):
			return mistake(side.key+".dns", "want the domain's DNS name")
		case n.SID != "" && !domainSID().MatchString(lower(n.SID)):
			return mistake(side.key+".sid", "want the domain's SID, S-1-5-21 and three numbers")
		case n.NetBIOS != "" && !netbiosPattern().MatchString(lower(n.NetBIOS)):
			return mistake(side.key+".netbios", "want the domain's short name, at most 15 letters, digits and hyphens")
		}
	}
	if (d.Source.SID == "") != (d.Target.SID == "") {
		return mistake(key+".target.sid", "give the SID of both domains, or of neither")
	}
	if (d.Source.NetBIOS == "") != (d.Target.NetBIOS == "") {
		return mistake(key+".target.netbios", "give the short name of both domains, or of neither")
	}
	return nil
}

// Inverse is the way back: what the names of the target are in the source.
func (s *Site) Inverse() *Site {
	swap := func(m map[string]string) map[string]string {
		if m == nil {
			return nil
		}
		out := make(map[string]string, len(m))
		for from, to := range m {
			out[to] = from
		}
		return out
	}
	back := &Site{Format: s.Format, Source: s.Target, Target: s.Source, Regions: swap(s.Regions), Tenants: swap(s.Tenants), Subscriptions: swap(s.Subscriptions),
		Hosts: swap(s.Hosts), Principals: swap(s.Principals)}
	if s.Source.DeploymentID == "" { // nothing leads back
		back.Source.DeploymentID = ""
	}
	for _, d := range s.Domains {
		back.Domains = append(back.Domains, Domain{Source: d.Target, Target: d.Source})
	}
	return back
}

// Canonical is the one encoding of a site: equal sites have equal bytes.
func (s *Site) Canonical() ([]byte, error) {
	data, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("encode a map: %w", err)
	}
	return data, nil
}

func lower(s string) string { return strings.ToLower(s) }
