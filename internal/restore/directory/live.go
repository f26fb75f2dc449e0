package directory

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"infrabackup/internal/collect/ad/directory"
	"infrabackup/internal/collect/ad/record"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/mapping"
)

// Live implements [restore.Restorer].
func (r *Restorer) Live(ctx context.Context, want restore.Want, m *mapping.Map) (s restore.State, err error) {
	if isFile(want) {
		return r.liveFile(ctx, want, m)
	}
	b, err := decodeBody(want.Body)
	if err != nil {
		return s, err
	}
	err = r.talk(ctx, func() error {
		d, how, err := r.look(ctx, b, want.Phase, m)
		if err != nil {
			return err
		}
		if s, err = d.state(want.Phase); err != nil || !s.Exists || b.Undo {
			return err
		}
		s.Learned = append(s.Learned, mapping.Pair{Old: b.GUID, New: d.GUID, How: how})
		if b.SID != "" && d.SID != "" {
			s.Learned = append(s.Learned, mapping.Pair{Old: b.SID, New: d.SID, How: how})
		}
		return nil
	})
	return s, err
}

// look reads what the target has of an object: that with its GUID, be it deleted, or else
// that with its name and class.
func (r *Restorer) look(ctx context.Context, b *body, phase string, m *mapping.Map) (*document, mapping.How, error) {
	d := &document{}
	var err error
	if d.Problem = r.outside(b); d.Problem != nil {
		return d, "", nil
	}
	if d.Named, d.Problem, err = r.resolve(ctx, b, m); err != nil {
		return nil, "", err
	}
	guid, how := b.GUID, mapping.ByGUID
	if p, ok := m.Find(guid); ok && !b.Undo {
		guid, how = p.New, p.How
	}
	e, err := r.byGUID(ctx, guid, b)
	if err != nil {
		return nil, "", err
	}
	deleted := e != nil && strings.EqualFold(e.Text("isDeleted"), "TRUE")
	if deleted && !r.domain.undeletes {
		e, deleted = nil, false
	}
	if (e == nil || deleted) && !b.Undo {
		dn, err := r.target(ctx, b, m)
		if err != nil {
			return nil, "", err
		}
		holder, err := r.read(ctx, dn, b)
		switch {
		case err != nil:
			return nil, "", err
		case holder != nil && !deleted && slices.ContainsFunc(holder.Texts("objectClass"), func(c string) bool { return strings.EqualFold(c, b.class()) }):
			e, how = holder, mapping.ByDN
		case holder != nil:
			d.Problem = &problem{refusedNameTaken, "another object has its name: rename or remove " + dn}
		}
	}
	if e == nil {
		if phase == phaseObject && d.Problem == nil && !b.Undo {
			d.Problem, err = r.taken(ctx, b, "")
		}
		r.define(b, d)
		return d, how, err
	}
	if err := r.describe(ctx, e, b, phase, d, m); err != nil {
		return nil, "", err
	}
	if deleted && phase == phaseObject && d.Problem == nil && !b.Undo {
		d.Problem, err = r.taken(ctx, b, d.GUID)
	}
	return d, how, err
}

func (b *body) class() string {
	if len(b.Classes) == 0 {
		return ""
	}
	return b.Classes[len(b.Classes)-1]
}

// asked are the attributes that are asked for.
func (b *body) asked() []string {
	return append([]string{"objectGUID", "objectSid", "objectClass", "isDeleted", "parentGUID", "pwdLastSet", userAccountControl, primaryGroupID}, b.names()...)
}

// controls are those of searches for the object.
func (b *body) controls(more ...ldap.Control) []ldap.Control {
	for _, a := range b.Attributes {
		if a.Name == securityDescriptor {
			more = append(more, descriptorParts(everyPart))
		}
	}
	return append(more, extendedDN())
}

func (r *Restorer) byGUID(ctx context.Context, guid string, b *body) (found *directory.Entry, err error) {
	filter := guidFilter(guid)
	if filter == "" {
		return nil, errBody
	}
	err = r.conn.Run(ctx, directory.Search{
		What: "cannot look for " + guid, Base: b.Context, Scope: ldap.ScopeWholeSubtree, Filter: filter, Attributes: b.asked(), PageSize: pageSize,
		Controls: b.controls(showDeleted()),
		Entry: func(e *directory.Entry) (bool, error) {
			if found != nil {
				return false, unreadable("two objects have the GUID %s", guid)
			}
			found = e
			return true, nil
		},
	})
	return found, err
}

func (r *Restorer) read(ctx context.Context, dn string, b *body) (*directory.Entry, error) {
	return r.conn.ReadObject(ctx, "cannot read "+dn, dn, b.asked(), b.controls()...)
}

// superior is the GUID, in the target, of what an object is wanted in; "" when the backup
// does not have it.
func (r *Restorer) superior(b *body, m *mapping.Map) string {
	above := b.Above
	if above == "" {
		above = strings.ToLower(parent(b.DN))
	}
	if guid, ok := r.places.Load(above); ok {
		return inTarget(guid.(string), m)
	}
	return ""
}

// target is the name that an object is wanted to have: what it lies in may have another name
// than in the backup.
func (r *Restorer) target(ctx context.Context, b *body, m *mapping.Map) (string, error) {
	guid := r.superior(b, m)
	if guid == "" {
		return b.DN, nil
	}
	above, err := r.nameOf(ctx, guid)
	if err != nil || above == "" {
		return b.DN, err
	}
	return rdn(b.DN) + "," + above, nil
}

// nameOf is the distinguished name of an object, "" when it is not there.
func (r *Restorer) nameOf(ctx context.Context, guid string) (string, error) {
	e, err := r.conn.ReadObject(ctx, "cannot read "+guid, linkBegin+guid+linkEnd, []string{"objectGUID"})
	if err != nil || e == nil {
		return "", err
	}
	return e.DN, nil
}

// taken looks for another object with one of the names of which a domain has one.
func (r *Restorer) taken(ctx context.Context, b *body, own string) (*problem, error) {
	var any strings.Builder
	for _, a := range b.Attributes {
		switch strings.ToLower(a.Name) {
		case "samaccountname", "userprincipalname", "serviceprincipalname":
			for _, value := range a.Values {
				any.WriteString("(" + a.Name + "=" + ldap.EscapeFilter(string(value)) + ")")
			}
		}
	}
	if any.Len() == 0 {
		return nil, nil
	}
	var holder string
	err := r.conn.Run(ctx, directory.Search{
		What: "cannot look for the names of " + b.DN, Base: r.domain.name, Scope: ldap.ScopeWholeSubtree, Filter: "(|" + any.String() + ")", Attributes: []string{"objectGUID"}, PageSize: pageSize,
		Entry: func(e *directory.Entry) (bool, error) {
			if guid, _ := record.FormatGUID(e.Raw("objectGUID")); guid != own {
				holder = e.DN
			}
			return true, nil
		},
	})
	if err != nil || holder == "" {
		return nil, err
	}
	return &problem{refusedNameTaken, "another object has its account, principal or service name: rename or remove " + holder}, nil
}

// describe fills a document from an answer.
func (r *Restorer) describe(ctx context.Context, e *directory.Entry, b *body, phase string, d *document, m *mapping.Map) error {
	var ok bool
	if d.GUID, ok = record.FormatGUID(e.Raw("objectGUID")); !ok {
		return unreadable("%s shows no objectGUID", e.DN)
	}
	_, d.DN = splitName(e.DN)
	d.SID, _ = record.FormatSID(e.Raw("objectSid"))
	d.Parent, _ = record.FormatGUID(e.Raw("parentGUID"))
	d.Deleted = strings.EqualFold(e.Text("isDeleted"), "TRUE")
	d.Control = e.Text(userAccountControl)
	set := e.Text("pwdLastSet")
	d.Passwordless = set == "" || set == "0"
	for _, a := range b.Attributes {
		values, err := r.values(ctx, e, a.Name, d.GUID)
		if err != nil {
			return err
		}
		if a.Name == securityDescriptor {
			if values, err = liveRights(d, values); err != nil {
				return err
			}
		}
		d.add(a, values, phase)
	}
	slices.SortFunc(d.Attributes, func(a, b attribute) int { return strings.Compare(a.Name, b.Name) })
	r.define(b, d)
	if phase == phaseRights && d.Problem == nil {
		d.Problem = b.hidden(d)
	}
	switch {
	case strings.HasPrefix(phase, phaseMember) && !d.Deleted:
		return r.member(ctx, b, strings.TrimPrefix(phase, phaseMember), e.Text(primaryGroupID), d, m)
	case phase == phasePrimary && !d.Deleted:
		if err := r.joined(ctx, d); err != nil {
			return err
		}
	case phase == phaseLinks && !d.Deleted && !b.Undo:
		if err := r.firsts(ctx, b, d, e.Raw("objectSid"), m); err != nil {
			return err
		}
	}
	d.Placed = r.placed(b, d, m)
	if phase != phaseObject || d.Placed || d.Deleted || b.Undo {
		return nil
	}
	dn, err := r.target(ctx, b, m)
	if err != nil {
		return err
	}
	holder, err := r.nameHolder(ctx, dn)
	if err == nil && holder != "" && holder != d.GUID {
		d.Problem = &problem{refusedNameTaken, "it was renamed, and another object has its name: rename or remove " + dn}
	}
	return err
}

func (r *Restorer) nameHolder(ctx context.Context, dn string) (string, error) {
	e, err := r.conn.ReadObject(ctx, "cannot read "+dn, dn, []string{"objectGUID"})
	if err != nil || e == nil {
		return "", err
	}
	guid, _ := record.FormatGUID(e.Raw("objectGUID"))
	return guid, nil
}

// placed reports whether an object stands where it is wanted.
func (r *Restorer) placed(b *body, d *document, m *mapping.Map) bool {
	if b.Undo {
		return b.Place == nil || strings.EqualFold(b.Place.RDN, rdn(d.DN)) && b.Place.Parent == d.Parent
	}
	// What it lies in may have another name, or have been made again.
	return strings.EqualFold(b.DN, d.DN) || d.Parent != "" && d.Parent == r.superior(b, m) && strings.EqualFold(rdn(b.DN), rdn(d.DN))
}

// add enters the live values of a wanted attribute.
func (d *document) add(a attribute, values [][]byte, phase string) {
	out := attribute{Name: a.Name, Link: a.Link}
	for _, value := range values {
		switch {
		case a.Link:
			guid, dn := splitName(string(value))
			if strings.Contains(dn, deletedMark) {
				continue // while the recycle bin keeps it
			}
			value = link(guid, dn)
			out.Names = append(out.Names, strings.ToLower(dn))
		case phase == phaseState:
			if n, err := strconv.ParseInt(string(value), 10, 32); err == nil {
				value = []byte(strconv.FormatInt(n&^(lockout|passwordExpired), 10))
			}
		}
		out.Values = append(out.Values, value)
	}
	out.Values = sorted(out.Values)
	slices.Sort(out.Names)
	d.Attributes = append(d.Attributes, out)
}

// define notes what the target's schema says of the wanted attributes.
func (r *Restorer) define(b *body, d *document) {
	for _, a := range b.Attributes {
		name, _, _ := strings.Cut(strings.ToLower(a.Name), ";")
		definition, known := r.domain.schema[name]
		name = strings.ToLower(a.Name)
		switch {
		case !known:
			d.Unknown = append(d.Unknown, name)
		case definition.closed:
			d.Closed = append(d.Closed, name)
		case definition.multi:
			d.Multi = append(d.Multi, name)
		}
	}
}

// maxRanges bounds the answers to one attribute.
const maxRanges = 10_000

// values are all values of an attribute, of which the controller may give the first only
// (MS-ADTS 3.1.1.3.1.3.3).
func (r *Restorer) values(ctx context.Context, e *directory.Entry, name, guid string) (all [][]byte, err error) {
	if values := e.Values(name); len(values) > 0 {
		return values, nil
	}
	for range maxRanges {
		next, found := 0, false
		for _, a := range e.Attributes {
			low, high, ok := rangeOf(a.Name, name)
			if !ok || low != len(all) {
				continue
			}
			all, next, found = append(all, a.Values...), high, true
			if high >= 0 && high+1 != len(all) {
				return nil, unreadable("the controller gave %d values of %s and says that it is %s", len(a.Values), name, a.Name)
			}
		}
		if !found && len(all) == 0 || found && next < 0 {
			return all, nil
		}
		if !found {
			break
		}
		dn := linkBegin + guid + linkEnd
		e, err = r.conn.ReadObject(ctx, "cannot read "+name+" of "+guid, dn, []string{fmt.Sprintf("%s;range=%d-*", name, len(all))}, extendedDN(), showDeleted())
		if err != nil {
			return nil, err
		}
		if e == nil {
			break
		}
	}
	return nil, unreadable("the controller did not give all values of %s of %s", name, guid)
}

// rangeOf reads a name such as member;range=0-1499; high is -1 for *.
func rangeOf(text, name string) (low, high int, ok bool) {
	begin := name + ";range="
	if len(text) <= len(begin) || !strings.EqualFold(text[:len(begin)], begin) {
		return 0, 0, false
	}
	from, to, found := strings.Cut(text[len(begin):], "-")
	low, err := strconv.Atoi(from)
	if !found || err != nil || low < 0 {
		return 0, 0, false
	}
	if to == "*" {
		return low, -1, true
	}
	high, err = strconv.Atoi(to)
	return low, high, err == nil && high >= low
}
