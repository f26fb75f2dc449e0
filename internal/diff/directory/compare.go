package directory

import (
	"bytes"
	"slices"
	"strings"

	"infrabackup/internal/collect/ad/record"
	"infrabackup/internal/diff/identity"
	"infrabackup/internal/diff/redact"
	"infrabackup/internal/diff/result"
)

// Comparer compares directory objects. It may be used from several goroutines.
type Comparer struct {
	Identities identity.Map // of the first side's objects
	Key        *redact.Key
}

// Pair is what became of one object.
type Pair struct {
	// How is Removed or Added for an object that was deleted or came back, Moved or Renamed
	// for one whose name differs, and Changed otherwise, whether or not there are details.
	How          result.How
	Class        string
	NameA, NameB string
	Note         string
	Details      result.Details
	// Inherited are differences of permissions that came from further up. They count only
	// when [Settle] finds nothing that explains them.
	Inherited result.Details
	// Permissions says that the object's own permissions changed, so that what lies below it
	// may inherit others.
	Permissions bool

	protected bool // it takes permissions from further up no more, or again
}

// Found reports whether the object differs in what counts.
func (p *Pair) Found() bool { return p.How != result.Changed || p.Details.Found() }

// Class is the most specific class of an object, which stands last (MS-ADTS 3.1.1.1.4).
func Class(r *record.Record) string {
	if a := r.Attribute("objectClass"); a != nil && len(a.Values) > 0 {
		return string(a.Values[len(a.Values)-1])
	}
	return ""
}

// Compare compares two versions of one object.
func (c *Comparer) Compare(a, b *record.Record) *Pair {
	p := &Pair{How: result.Changed, Class: Class(b), NameA: a.DN, NameB: b.DN}
	switch {
	case a.Deleted && b.Deleted:
		p.Details.Ignore(ReasonDeleted)
		return p
	case b.Deleted:
		p.How, p.Class, p.Note = result.Removed, Class(a), "it was deleted; B has what is left of it"
		return p
	case a.Deleted:
		p.How, p.Note = result.Added, "it was deleted in A, and came back"
		return p
	}
	if a.DN != b.DN {
		firstA, parentA := record.SplitDN(a.DN)
		firstB, parentB := record.SplitDN(b.DN)
		p.How = result.Renamed
		if parentA != parentB {
			p.How = result.Moved
		}
		if firstA != firstB && parentA != parentB {
			p.Note = "renamed as well"
		}
	}
	policy := b.Has("objectClass", "groupPolicyContainer")
	i, j := 0, 0
	x, y := sorted(a), sorted(b)
	for i < len(x) || j < len(y) {
		var one, two *record.Attribute
		switch {
		case j == len(y) || i < len(x) && lower(x[i]) < lower(y[j]):
			one = x[i]
			i++
		case i == len(x) || lower(y[j]) < lower(x[i]):
			two = y[j]
			j++
		default:
			one, two = x[i], y[j]
			i, j = i+1, j+1
		}
		c.attribute(p, one, two, policy)
	}
	return p
}

func lower(a *record.Attribute) string { return strings.ToLower(a.Name) }

// sorted are the attributes by their names without case: records have them by the bytes.
func sorted(r *record.Record) []*record.Attribute {
	all := make([]*record.Attribute, len(r.Attributes))
	for i := range r.Attributes {
		all[i] = &r.Attributes[i]
	}
	slices.SortStableFunc(all, func(x, y *record.Attribute) int { return strings.Compare(lower(x), lower(y)) })
	return all
}

// attribute compares an attribute of two versions; one of them may not have it.
func (c *Comparer) attribute(p *Pair, a, b *record.Attribute, policy bool) {
	if a != nil && b != nil && slices.EqualFunc(a.Values, b.Values, bytes.Equal) && slices.Equal(a.Targets, b.Targets) {
		return
	}
	shown := a
	if a == nil || b != nil && b.Name < a.Name {
		shown = b
	}
	name, key := shown.Name, lower(shown)
	if p.How != result.Changed && (key == "distinguishedname" || key == "name" || key == rdnType(p.NameA) && key == rdnType(p.NameB)) {
		return // the object's name, which is told of already
	}
	if reason := reasonFor(name, policy); reason != "" {
		p.Details.Ignore(reason)
		return
	}
	if isDefault(key, a) && isDefault(key, b) {
		p.Details.Ignore(ReasonDefault)
		return
	}
	switch {
	case redact.Attribute(name):
		c.secret(p, name, a, b)
	case key == descriptorAttribute && a != nil && b != nil:
		c.descriptors(p, name, a, b)
	case key == dnsAttribute:
		compareSets(&p.Details, name, dnsValues(a), dnsValues(b), ReasonDNS)
	case sids[key]:
		compareSets(&p.Details, name, c.sidValues(a, true), c.sidValues(b, false), ReasonOrder)
	case a != nil && len(a.Targets) > 0 || b != nil && len(b.Targets) > 0:
		c.links(p, name, a, b)
	default:
		compareSets(&p.Details, name, plainValues(key, a), plainValues(key, b), ReasonOrder)
	}
}

// isDefault reports whether an attribute is not there or has a value that means the same.
func isDefault(key string, a *record.Attribute) bool {
	return a == nil || len(a.Values) == 1 && slices.Contains(defaults[key], string(a.Values[0]))
}

// secret compares values that are never shown, as a set of fingerprints.
func (c *Comparer) secret(p *Pair, name string, a, b *record.Attribute) {
	prints := func(a *record.Attribute) map[redact.Fingerprint]int {
		all := map[redact.Fingerprint]int{}
		for _, value := range a.Values {
			all[c.Key.Of(value)]++
		}
		return all
	}
	switch {
	case a == nil:
		p.Details.Secret(name, result.Added)
	case b == nil:
		p.Details.Secret(name, result.Removed)
	default:
		left := prints(a)
		for print, n := range prints(b) {
			if left[print] -= n; left[print] == 0 {
				delete(left, print)
			}
		}
		if len(left) == 0 {
			p.Details.Ignore(ReasonOrder)
			return
		}
		p.Details.Secret(name, result.Changed)
	}
}

// value is a value of an attribute: what it is compared by, and what is shown of it.
type value struct{ key, shown string }

// compareSets notes what one set of values has and the other does not. Same is why values
// whose bytes differ are the same, when the sets are.
func compareSets(to *result.Details, name string, a, b []value, same string) {
	gone, come := minus(a, b), minus(b, a)
	switch {
	case len(gone)+len(come) == 0:
		to.Ignore(same)
		return
	case len(gone) == 1 && len(come) == 1 && len(a) == 1 && len(b) == 1:
		to.Change(name, gone[0].shown, come[0].shown)
		return
	}
	for _, v := range gone {
		to.Remove(name, v.shown)
	}
	for _, v := range come {
		to.Add(name, v.shown)
	}
}

// minus are the values of a that b does not have, sorted.
func minus(a, b []value) []value {
	left := make(map[string]int, len(b))
	for _, v := range b {
		left[v.key]++
	}
	var out []value
	for _, v := range a {
		if left[v.key]--; left[v.key] < 0 {
			out = append(out, v)
		}
	}
	slices.SortFunc(out, func(x, y value) int { return strings.Compare(x.shown+"\x00"+x.key, y.shown+"\x00"+y.key) })
	return out
}

func plainValues(key string, a *record.Attribute) []value {
	if a == nil {
		return nil
	}
	all := make([]value, len(a.Values))
	for i, v := range a.Values {
		all[i] = value{string(v), shownValue(key, v)}
	}
	return all
}

func (c *Comparer) sidValues(a *record.Attribute, first bool) []value {
	if a == nil {
		return nil
	}
	var all []value
	for _, v := range a.Values {
		sid, ok := record.FormatSID(v)
		if !ok {
			all = append(all, value{string(v), shownBytes(v)})
			continue
		}
		one := value{sid, strings.ToUpper(sid)}
		if first {
			one.key = c.Identities.SID(sid)
		}
		all = append(all, one)
	}
	return all
}

// links compares values that name other objects: by the GUID of the target where both sides
// know it, else by its name.
func (c *Comparer) links(p *Pair, name string, a, b *record.Attribute) {
	known := func(a *record.Attribute) map[string]bool {
		all := map[string]bool{}
		for i := range a.Values {
			if i < len(a.Targets) && a.Targets[i] != "" {
				all[linkName(a.Values[i])] = true
			}
		}
		return all
	}
	unknown := func(a *record.Attribute) map[string]bool {
		all := map[string]bool{}
		if a == nil {
			return all
		}
		targets := known(a)
		for i := range a.Values {
			if key := linkName(a.Values[i]); !targets[key] {
				all[key] = true
			}
		}
		return all
	}
	byNameA, byNameB := unknown(a), unknown(b)
	values := func(a *record.Attribute, first bool) []value {
		if a == nil {
			return nil
		}
		all := make([]value, len(a.Values))
		for i, v := range a.Values {
			key := linkName(v)
			if i < len(a.Targets) && a.Targets[i] != "" && !byNameA[key] && !byNameB[key] {
				key = a.Targets[i]
				if first {
					key = c.Identities.GUID(key)
				}
				key += "\x00" + string(v[:max(0, record.NamePrefix(v))])
			}
			all[i] = value{key, shownValue("", v)}
		}
		return all
	}
	x, y := values(a, true), values(b, false)
	same := ReasonOrder
	if len(minus(plainValues("", a), plainValues("", b))) > 0 {
		same = ReasonTarget
	}
	compareSets(&p.Details, name, x, y, same)
}

// linkName is what a link is compared by when its target's GUID is unknown.
func linkName(v []byte) string { return strings.ToLower(string(v)) }
