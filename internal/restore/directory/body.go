package directory

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"infrabackup/internal/restore"
	"infrabackup/internal/restore/directory/dnsrecord"
	"infrabackup/internal/restore/mapping"
)

// Phases of an object. Membership is followed by the GUID of the group.
const (
	phaseObject = ""
	phaseLinks  = "links"
	phaseState  = "state"
	phaseMember = "member of "
	// phasePrimary is the group that an account is in first.
	phasePrimary = "primary group"
	// phaseRights is the security descriptor.
	phaseRights = "security descriptor"
)

// body is what is wanted of an object in one phase, or what an undo puts back. Its JSON, with
// values in the order of their bytes, is canonical.
type body struct {
	// Undo says that Changes and Place are put back, and that identities are the target's.
	Undo bool `json:"undo,omitempty"`
	// DN is as it is wanted in the target. GUID is the source's, SID too for security
	// principals.
	DN      string `json:"dn"`
	GUID    string `json:"guid"`
	SID     string `json:"sid,omitempty"`
	Context string `json:"context"`
	// Above is what the backup calls what the object lies in, in lower case, where the target
	// has other names.
	Above string `json:"above,omitempty"`
	// Classes are the object's, the most specific one last.
	Classes []string `json:"classes,omitempty"`
	// Guard is the code with which writes of the object itself are refused.
	Guard string `json:"guard,omitempty"`
	// Create are attributes that only an object gets that is made.
	Create []attribute `json:"create,omitempty"`
	// Attributes are wanted: all values of them, and none that came since is taken away.
	Attributes []attribute `json:"attributes,omitempty"`

	// Changes and Place are an undo's; Attributes are then only names.
	Changes []change `json:"changes,omitempty"`
	Place   *place   `json:"place,omitempty"`
	// GroupDN is the name of the group of a membership.
	GroupDN string `json:"groupDn,omitempty"`
	// Group is the GUID of the group of a membership that an undo takes back.
	Group string `json:"group,omitempty"`
	// Named are the SIDs that Attributes name, of the source.
	Named []string `json:"named,omitempty"`
	// Given says that an object that is made has the first group that is wanted by itself.
	Given bool `json:"given,omitempty"`
	// MemberOf are the groups that an account is in besides the first.
	MemberOf *attribute `json:"memberOf,omitempty"`
	// Leave is the SID of a group that an account was no member of before, for an undo.
	Leave string `json:"leave,omitempty"`
}

// attribute is one with its values. Links have values as [link] makes them.
type attribute struct {
	Name   string   `json:"name"`
	Link   bool     `json:"link,omitempty"`
	Values [][]byte `json:"values,omitempty"`
	// Names are the distinguished names of links' targets, in lower case: a target that was
	// made again has another GUID, which is not learned before it was looked at.
	Names []string `json:"names,omitempty"`
}

// change is what is taken from and given to an attribute, at once.
type change struct {
	Name   string   `json:"name"`
	Link   bool     `json:"link,omitempty"`
	Delete [][]byte `json:"delete,omitempty"`
	Add    [][]byte `json:"add,omitempty"`
}

// place is where an object stands.
type place struct {
	RDN    string `json:"rdn"`
	Parent string `json:"parent"` // GUID
}

var errBody = errors.New("this is nothing that the restorer of the directory wants")

func (b *body) encode() ([]byte, error) {
	data, err := json.Marshal(b)
	if err != nil {
		return nil, fmt.Errorf("encode what is wanted of %s: %w", b.DN, err)
	}
	return data, nil
}

func decodeBody(data []byte) (*body, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	b := &body{}
	if err := d.Decode(b); err != nil || b.GUID == "" || b.DN == "" {
		return nil, errors.Join(errBody, err)
	}
	return b, nil
}

// names are the attributes that states of the body are about.
func (b *body) names() (all []string) {
	for _, a := range b.Attributes {
		all = append(all, a.Name)
	}
	return all
}

const linkBegin, linkEnd = "<GUID=", ">"

// link is how a link is compared and written: by the GUID of its target, or else by name.
func link(guid, dn string) []byte {
	if guid != "" {
		return []byte(linkBegin + guid + linkEnd)
	}
	return []byte(strings.ToLower(dn))
}

// linkTarget is the GUID of a link's target, "" when it has a name only.
func linkTarget(value []byte) string {
	guid, found := strings.CutPrefix(string(value), linkBegin)
	if !found {
		return ""
	}
	return strings.TrimSuffix(guid, linkEnd)
}

// inTarget is a GUID of the source in the target: its own, unless another one was learned.
func inTarget(guid string, m *mapping.Map) string {
	if p, ok := m.Find(guid); ok {
		return p.New
	}
	return guid
}

// mapped are the values of a wanted attribute in the target.
func (b *body) mapped(a attribute, d *document, m *mapping.Map) [][]byte {
	switch {
	case b.Undo:
		return a.Values
	case a.Name == primaryGroupID:
		return d.ridOf()
	case !a.Link:
		return a.Values
	}
	out := make([][]byte, len(a.Values))
	for i, value := range a.Values {
		out[i] = value
		if guid := linkTarget(value); guid != "" {
			out[i] = link(inTarget(guid, m), "")
		}
	}
	return sorted(out)
}

// sorted puts values into the order of their bytes, each once.
func sorted(values [][]byte) [][]byte {
	out := slices.Clone(values)
	slices.SortFunc(out, bytes.Compare)
	return slices.CompactFunc(out, bytes.Equal)
}

// missing are the values of a wanted attribute that are not live. A link also counts as there
// when its target is known by name only.
func (b *body) missing(a attribute, d *document, m *mapping.Map) [][]byte {
	live := d.attribute(a.Name)
	switch {
	case a.Name == securityDescriptor && !b.Undo:
		return b.rightsMissing(a, d)
	case a.Name == dnsRecord && !b.Undo:
		return dnsrecord.Missing(a.Values, live.Values)
	case a.Name == tombstoned && !b.Undo && len(live.Values) == 0:
		return nil // it says no more than FALSE
	case a.Name == primaryGroupID && !b.Undo && d.ridOf() == nil:
		return a.Values // the group is not there, or not yet
	}
	if !a.Link || b.Undo || len(a.Names) != len(a.Values) {
		return without(b.mapped(a, d, m), live.Values)
	}
	var out [][]byte
	for i, value := range a.Values {
		guid := linkTarget(value)
		_, known := m.Find(guid)
		if guid != "" {
			value = link(inTarget(guid, m), "")
		}
		if contains(live.Values, value) || contains(d.Firsts, value) || !known && slices.Contains(live.Names, a.Names[i]) {
			continue
		}
		out = append(out, value)
	}
	return sorted(out)
}

func contains(values [][]byte, one []byte) bool {
	return slices.ContainsFunc(values, func(v []byte) bool { return bytes.Equal(v, one) })
}

// without are the values of a that are not in b; both are sorted.
func without(a, b [][]byte) (out [][]byte) {
	for _, value := range a {
		if _, found := slices.BinarySearchFunc(b, value, bytes.Compare); !found {
			out = append(out, value)
		}
	}
	return out
}

// document is what the target holds of an object, as far as a want is about it.
type document struct {
	Problem *problem `json:"problem,omitempty"`
	DN      string   `json:"dn,omitempty"`
	GUID    string   `json:"guid,omitempty"`
	SID     string   `json:"sid,omitempty"`
	Parent  string   `json:"parent,omitempty"` // GUID
	// Group is the GUID of the group of a membership.
	Group string `json:"group,omitempty"`
	// Placed says that it stands where it is wanted.
	Placed  bool `json:"placed,omitempty"`
	Deleted bool `json:"deleted,omitempty"`
	// Named are the SIDs that the want names, in the target; empty ones are not there.
	Named []string `json:"named,omitempty"`
	// Joined says that an account is a member of the group that is to be its first; Firsts are
	// links to members of a group whose first it is.
	Joined bool     `json:"joined,omitempty"`
	Firsts [][]byte `json:"firsts,omitempty"`
	// Control is userAccountControl.
	Control string `json:"control,omitempty"`
	// Passwordless says that no password was set since it was made.
	Passwordless bool        `json:"passwordless,omitempty"`
	Attributes   []attribute `json:"attributes,omitempty"` // sorted by name
	// Multi, Unknown and Closed say of attributes, in lower case, that they may have several
	// values, that the target's schema does not have them, and that only the target sets them.
	Multi   []string `json:"multi,omitempty"`
	Unknown []string `json:"unknown,omitempty"`
	Closed  []string `json:"closed,omitempty"`
}

// problem is why nothing can be written.
type problem struct {
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

func decodeDocument(live restore.State) (*document, error) {
	d := &document{}
	if len(live.Document) == 0 {
		return d, nil
	}
	if err := json.Unmarshal(live.Document, d); err != nil {
		return nil, errors.Join(errBody, err)
	}
	return d, nil
}

// values are the live ones of an attribute, sorted.
func (d *document) values(name string) [][]byte { return d.attribute(name).Values }

func (d *document) attribute(name string) attribute {
	for _, a := range d.Attributes {
		if strings.EqualFold(a.Name, name) {
			return a
		}
	}
	return attribute{}
}

// state is the state of a phase. Only the object itself has a place and can be deleted: its
// other phases are absent until it is there. A deleted object keeps its rights, which a verdict
// may know.
func (d *document) state(phase string) (restore.State, error) {
	s := restore.State{Exists: d.GUID != "" && !d.Deleted, Deleted: d.Deleted && phase == phaseObject, Digest: restore.AbsentDigest}
	data, err := json.Marshal(d)
	if err != nil {
		return s, fmt.Errorf("encode the state of %s: %w", d.DN, err)
	}
	if s.Exists || s.Deleted || d.Problem != nil || d.Deleted && phase == phaseRights {
		s.Document = data
	}
	if !s.Exists && !s.Deleted {
		return s, nil
	}
	about := document{GUID: d.GUID, Deleted: d.Deleted}
	for _, a := range d.Attributes {
		values := a.Values
		if a.Name == dnsRecord { // servers change parts of them
			values = make([][]byte, len(a.Values))
			for i, value := range a.Values {
				values[i] = dnsrecord.Key(value)
			}
			values = sorted(values)
		}
		about.Attributes = append(about.Attributes, attribute{Name: a.Name, Link: a.Link, Values: values})
	}
	if phase == phaseObject && !d.Deleted {
		about.DN, about.Parent = strings.ToLower(rdn(d.DN)), d.Parent
	}
	canonical, err := json.Marshal(about)
	if err != nil {
		return s, fmt.Errorf("encode the state of %s: %w", d.DN, err)
	}
	s.Digest = restore.Digest(canonical)
	return s, nil
}
