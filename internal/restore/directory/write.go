package directory

import (
	"context"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"infrabackup/internal/collect/ad/directory"
	"infrabackup/internal/fault"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/directory/dnsrecord"
	"infrabackup/internal/restore/mapping"
)

// maxValues is how many links one change adds.
const maxValues = 500

// Write implements [restore.Restorer]. Values are taken away only together with the change
// that replaces them, so that the controller refuses when they are not there any more.
func (r *Restorer) Write(ctx context.Context, want restore.Want, verdict restore.Verdict, live restore.State, m *mapping.Map) error {
	if isFile(want) {
		return r.files.Write(ctx, want, live)
	}
	b, err := decodeBody(want.Body)
	if err != nil {
		return err
	}
	d, err := decodeDocument(live)
	if err != nil {
		return err
	}
	return r.talk(ctx, func() error {
		w := &writing{Restorer: r, to: directory.NewWriter(r.conn), body: b, live: d, mapping: m, phase: want.Phase}
		switch {
		case want.Absent && live.Exists:
			return w.to.Delete(ctx, "cannot delete "+d.DN, d.self())
		case want.Absent:
			return nil
		case !live.Exists && want.Phase != phaseObject:
			return fault.New(fault.TargetRefused, b.DN+" is not there", nil)
		case b.Undo && want.Phase == phasePrimary:
			return w.moveBack(ctx)
		case want.Phase == phaseRights:
			return w.setRights(ctx)
		case b.Undo:
			return w.putBack(ctx)
		case want.Phase == phasePrimary:
			return w.moveFirst(ctx)
		case verdict.Action == restore.Create:
			return w.create(ctx)
		case verdict.Action == restore.Undelete:
			return w.undelete(ctx)
		}
		return w.update(ctx)
	})
}

// writing is one write.
type writing struct {
	*Restorer
	to      *directory.Writer
	body    *body
	live    *document
	mapping *mapping.Map
	phase   string
}

// self names a live object in a way that a rename does not change.
func (d *document) self() string { return linkBegin + d.GUID + linkEnd }

func (w *writing) create(ctx context.Context) error {
	dn, err := w.target(ctx, w.body, w.mapping)
	if err != nil {
		return err
	}
	classes := directory.Attribute{Name: "objectClass"}
	for _, class := range w.body.Classes {
		classes.Values = append(classes.Values, []byte(class))
	}
	all := []directory.Attribute{classes}
	for _, a := range slices.Concat(w.body.Create, w.body.Attributes) {
		if !slices.Contains(w.live.Closed, strings.ToLower(a.Name)) {
			all = append(all, directory.Attribute{Name: a.Name, Values: a.Values})
		}
	}
	return w.to.Add(ctx, "cannot create "+dn, dn, all)
}

// undelete brings a tombstone back with all attributes in one change (MS-ADTS 3.1.1.5.3.7),
// which takes the tombstone's own name.
func (w *writing) undelete(ctx context.Context) error {
	dn, err := w.target(ctx, w.body, w.mapping)
	if err != nil {
		return err
	}
	changes := []directory.Change{
		{Operation: directory.DeleteValues, Attribute: directory.Attribute{Name: "isDeleted"}},
		{Operation: directory.ReplaceValues, Attribute: directory.Attribute{Name: "distinguishedName", Values: [][]byte{[]byte(dn)}}},
	}
	for _, c := range w.body.diff(w.live, w.mapping) {
		for _, a := range w.body.Attributes {
			if a.Name == c.Name {
				changes = append(changes, directory.Change{Operation: directory.ReplaceValues, Attribute: directory.Attribute{Name: a.Name, Values: a.Values}})
			}
		}
	}
	return w.to.Modify(ctx, "cannot undelete "+dn, w.live.DN, changes, showDeleted())
}

func (w *writing) update(ctx context.Context) error {
	if strings.HasPrefix(w.phase, phaseMember) {
		if w.live.Group == "" {
			return fault.New(fault.TargetRefused, "the group "+w.body.GroupDN+" is not there", nil)
		}
		return w.change(ctx, w.group(), w.body.diff(w.live, w.mapping))
	}
	if err := w.change(ctx, w.live.self(), w.body.diff(w.live, w.mapping)); err != nil {
		return err
	}
	if w.phase != phaseObject || w.live.Placed {
		return nil
	}
	dn, err := w.target(ctx, w.body, w.mapping)
	if err != nil {
		return err
	}
	return w.to.Rename(ctx, "cannot rename "+w.live.DN, w.live.self(), rdn(dn), parent(dn))
}

func (w *writing) group() string { return linkBegin + w.live.Group + linkEnd }

func (w *writing) putBack(ctx context.Context) error {
	at := w.live.self()
	if strings.HasPrefix(w.phase, phaseMember) {
		at = w.group()
	}
	if err := w.change(ctx, at, w.body.asLive(w.live)); err != nil || w.body.Place == nil || w.live.Placed {
		return err
	}
	above, err := w.nameOf(ctx, w.body.Place.Parent)
	if err != nil {
		return err
	}
	if above == "" {
		return fault.New(fault.TargetRefused, "what "+w.live.DN+" was in before is gone", nil)
	}
	return w.to.Rename(ctx, "cannot rename "+w.live.DN, w.live.self(), w.body.Place.RDN, above)
}

// asLive are the changes of an undo, with records of DNS as the servers have them by now: a controller
// takes away only what is the same byte for byte.
func (b *body) asLive(d *document) []change {
	changes := slices.Clone(b.Changes)
	for i, c := range changes {
		if c.Name == dnsRecord {
			live := d.values(dnsRecord)
			changes[i].Delete, changes[i].Add = dnsrecord.Found(c.Delete, live), dnsrecord.Missing(c.Add, live)
		}
	}
	return changes
}

// change makes changes of an object at once, but for links beyond [maxValues], which come
// in changes of their own.
func (w *writing) change(ctx context.Context, at string, changes []change) error {
	var first []directory.Change
	type rest struct {
		name   string
		values [][]byte
		op     directory.Operation
	}
	var later []rest
	for _, c := range changes {
		for _, one := range []rest{{c.Name, c.Delete, directory.DeleteValues}, {c.Name, c.Add, directory.AddValues}} {
			if c.Link && len(one.values) > maxValues || c.Link && len(c.Delete) == 0 {
				later = append(later, one)
			} else if len(one.values) > 0 {
				first = append(first, directory.Change{Operation: one.op, Attribute: directory.Attribute{Name: one.name, Values: one.values}})
			}
		}
	}
	what := "cannot change " + w.live.DN
	if len(first) > 0 {
		if err := w.to.Modify(ctx, what, at, first); err != nil {
			return err
		}
	}
	for _, one := range later {
		for values := range slices.Chunk(one.values, maxValues) {
			if err := w.links(ctx, what, at, one.op, one.name, values); err != nil {
				return err
			}
		}
	}
	return nil
}

// links changes links. One whose target is not there makes a controller refuse all of them,
// so that halves are tried; what is left out is seen when the object is read again.
func (w *writing) links(ctx context.Context, what, at string, op directory.Operation, name string, values [][]byte) error {
	if len(values) == 0 {
		return nil
	}
	err := w.to.Modify(ctx, what, at, []directory.Change{{Operation: op, Attribute: directory.Attribute{Name: name, Values: values}}})
	if !ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject) {
		return err
	}
	if len(values) == 1 {
		return nil
	}
	half := len(values) / 2
	if err := w.links(ctx, what, at, op, name, values[:half]); err != nil {
		return err
	}
	return w.links(ctx, what, at, op, name, values[half:])
}
