package jsondiff

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"infrabackup/internal/diff/redact"
)

// Rules say how documents of one kind are compared. Paths are names of members separated by
// dots, whatever their case; an array adds nothing to a path, so that properties.subnets.id is
// the id of every subnet. A path that begins with "**." holds at every depth. Nothing but
// Secrets holds below a member of Verbatim.
type Rules struct {
	// Ignore lists what does not count.
	Ignore []Ignore
	// Keyed are arrays, by the name of their member, whose elements are told apart by the
	// members that are named here. An array in which these do not tell them apart is compared
	// by position.
	Keyed map[string][]string
	// Sets are arrays, by the name of their member, in which order means nothing.
	Sets []string
	// Verbatim are members, by their name, below which names and values are users' data.
	Verbatim []string
	// Defaults are JSON texts by path: null, absent and this are the same there.
	Defaults map[string]string
	// Secrets are paths whose value is a secret, whatever its name.
	Secrets []string
	// Folded are paths of texts that compare without the case of their letters.
	Folded []string
	// Hosts are paths of texts that are URLs, whose scheme and host do not count.
	Hosts []string
}

// Ignore is one thing that does not count.
type Ignore struct {
	Path   string
	Reason string
	// If, when not nil, says whether it does not count in these two objects: those that the
	// member is in.
	If func(a, b Value) bool
}

// Compiled are rules that documents are parsed and compared with. They may be used from
// several goroutines.
type Compiled struct {
	root     *place
	anywhere map[string]*marks
	keyed    map[string]keying
	sets     map[string]bool
	verbatim map[string]bool

	known     sync.Map // what is known of a member's name
	knownSize atomic.Int64
}

// maxKnown bounds how many names are remembered: users' data has any.
const maxKnown = 10_000

// memberName is what a member's name says, whatever it is in.
type memberName struct {
	folded string // in small letters
	secret bool
}

// nameOf is what a name says. It is remembered, since documents of one kind have the same names.
func (c *Compiled) nameOf(name string) memberName {
	if known, ok := c.known.Load(name); ok {
		return known.(memberName)
	}
	n := memberName{strings.ToLower(name), redact.Property(name)}
	if c.knownSize.Load() < maxKnown {
		c.knownSize.Add(1)
		n.folded = strings.Clone(n.folded) // not with the document that it is a part of
		c.known.Store(strings.Clone(name), n)
	}
	return n
}

// keying is by what elements of an array are told apart.
type keying struct {
	shown   string // the first member, as it is written
	members []string
}

// place is a path in the rules.
type place struct {
	members map[string]*place
	marks
}

// marks are what rules say of one path.
type marks struct {
	ignore     []Ignore
	defaultsTo string
	secret     bool
	folded     bool
	host       bool
}

func (p *place) member(name string) *place {
	if p == nil {
		return nil
	}
	return p.members[name]
}

// Compile puts rules together; of contradicting ones the last one counts.
func Compile(all ...Rules) *Compiled {
	c := &Compiled{root: &place{}, anywhere: map[string]*marks{}, keyed: map[string]keying{}, sets: map[string]bool{}, verbatim: map[string]bool{}}
	for _, r := range all {
		for _, i := range r.Ignore {
			m := c.at(i.Path)
			m.ignore = append(m.ignore, i)
		}
		for name, members := range r.Keyed {
			k := keying{shown: members[0]}
			for _, member := range members {
				k.members = append(k.members, strings.ToLower(member))
			}
			c.keyed[strings.ToLower(name)] = k
		}
		for _, name := range r.Sets {
			c.sets[strings.ToLower(name)] = true
		}
		for _, name := range r.Verbatim {
			c.verbatim[strings.ToLower(name)] = true
		}
		for _, path := range slices.Sorted(maps.Keys(r.Defaults)) {
			c.at(path).defaultsTo = r.Defaults[path]
		}
		for _, path := range r.Secrets {
			c.at(path).secret = true
		}
		for _, path := range r.Folded {
			c.at(path).folded = true
		}
		for _, path := range r.Hosts {
			c.at(path).host = true
		}
	}
	return c
}

// at is where the marks of a path are kept.
func (c *Compiled) at(path string) *marks {
	path = strings.ToLower(path)
	if name, ok := strings.CutPrefix(path, "**."); ok {
		if c.anywhere[name] == nil {
			c.anywhere[name] = &marks{}
		}
		return c.anywhere[name]
	}
	p := c.root
	for name := range strings.SplitSeq(path, ".") {
		next := p.members[name]
		if next == nil {
			next = &place{}
			if p.members == nil {
				p.members = map[string]*place{}
			}
			p.members[name] = next
		}
		p = next
	}
	return &p.marks
}

// secretAt reports whether rules make a member a secret.
func (c *Compiled) secretAt(p *place, name string) bool {
	if p != nil && p.secret {
		return true
	}
	m := c.anywhere[name]
	return m != nil && m.secret
}

// reason is why a member of two objects does not count, "" when it does.
func (c *Compiled) reason(p *place, name string, a, b *node) string {
	var lists [2][]Ignore
	if p != nil {
		lists[0] = p.ignore
	}
	if m := c.anywhere[name]; m != nil {
		lists[1] = m.ignore
	}
	for _, list := range lists {
		for _, i := range list {
			if i.If == nil || i.If(Value{a}, Value{b}) {
				return i.Reason
			}
		}
	}
	return ""
}

func (c *Compiled) defaultOf(p *place, name string) string {
	if p != nil && p.defaultsTo != "" {
		return p.defaultsTo
	}
	if m := c.anywhere[name]; m != nil {
		return m.defaultsTo
	}
	return ""
}

func (c *Compiled) foldedAt(p *place, name string) bool {
	m := c.anywhere[name]
	return p != nil && p.folded || m != nil && m.folded
}

func (c *Compiled) hostAt(p *place, name string) bool {
	m := c.anywhere[name]
	return p != nil && p.host || m != nil && m.host
}
