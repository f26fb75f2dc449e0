package diff

import (
	"fmt"
	"path"
	"strings"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect/ad/record"
	"infrabackup/internal/diff/access"
	"infrabackup/internal/diff/authority"
	"infrabackup/internal/diff/directory"
	"infrabackup/internal/diff/document"
	"infrabackup/internal/diff/jsondiff"
	"infrabackup/internal/diff/result"
	"infrabackup/internal/fault"
)

// Reasons for which a difference does not count, beside those of the packages below.
const (
	// ReasonSpelling: two documents say the same in other bytes.
	ReasonSpelling = "how it is written"
	// ReasonMoved: an item lies elsewhere because what it is a part of does.
	ReasonMoved = "moved with what it is a part of"
)

// Kinds of items that are looked at here (FORMAT.md, section 6).
const (
	adcsKind       = "adcs-object"
	vaultKind      = "vault"
	roleKind       = "role-definition"
	assignmentKind = "role-assignment"
)

// records are kinds of items of AD and CA that are JSON documents of their own.
var records = map[string]bool{"directory": true, "symlink": true, "renamed": true, "sysvol-folder": true}

// isObject reports whether the items of a kind are directory objects.
func isObject(service backup.Service, kind string) bool {
	return service == backup.AD && kind == record.Kind || service == backup.CA && kind == adcsKind
}

// isFile reports whether an item is a file, whose content may be found elsewhere.
func isFile(service backup.Service, kind string) bool {
	return !document.Has(service) && !isObject(service, kind) && !records[kind]
}

// needsContent reports whether the bytes of a pair are needed to compare it.
func needsContent(service backup.Service, kind, id string, length int64) bool {
	switch {
	case service == backup.AD && isFile(service, kind):
		return strings.EqualFold(path.Base(id), "gpt.ini")
	case service == backup.CA && isFile(service, kind):
		return length <= authority.MaxBytes
	}
	return true
}

// plainRules are for records of AD and CA, in which everything counts.
var plainRules = jsondiff.Compile()

// pair compares two versions of an item.
func (c *comparison) pair(w *work, p pair, a, b []byte) error {
	if isObject(w.service, p.b.kind) {
		return c.objects(w, p, a, b)
	}
	var d result.Details
	note := ""
	switch {
	case document.Has(w.service):
		if err := c.documents.Compare(w.service, p.b.kind, a, b, &d); err != nil {
			note = incomparable(&d, p, err)
		}
		c.picture(w, p, a, b, &d)
	case records[p.b.kind]:
		if err := c.record(a, b, &d); err != nil {
			note = incomparable(&d, p, err)
		}
	case w.service == backup.CA:
		authority.Compare(p.b.kind, p.b.id, a, b, &d)
		c.wentBack(p, &d)
	default:
		directory.CompareFile(p.b.id, a, b, &d)
	}
	c.finish(w, p, result.Changed, "", note, &d)
	return nil
}

// incomparable notes that two versions differ, and that it cannot be said in what.
func incomparable(d *result.Details, p pair, err error) string {
	*d = result.Details{}
	d.Change("content", fmt.Sprintf("%d bytes", p.a.length), fmt.Sprintf("%d bytes", p.b.length))
	return "it cannot be compared in detail: " + strings.ReplaceAll(err.Error(), "\n", "; ")
}

// record compares two records that are JSON.
func (c *comparison) record(a, b []byte, d *result.Details) error {
	x, err := jsondiff.Parse(a, plainRules, c.key)
	if err != nil {
		return err
	}
	y, err := jsondiff.Parse(b, plainRules, c.key)
	if err != nil {
		return err
	}
	jsondiff.Compare(x, y, plainRules, jsondiff.Options{}, d)
	return nil
}

// wentBack warns of a counter that went back.
func (c *comparison) wentBack(p pair, d *result.Details) {
	for _, one := range d.List {
		if one.Path == authority.Back {
			c.warnings = append(c.warnings, fmt.Sprintf("%s of the CA went back from %s to %s: a number that was used would be given again", p.b.id, *one.Before, *one.After))
		}
	}
}

// settling is a directory object whose differences wait for those of others.
type settling struct {
	pair
	found *directory.Pair
}

// objects compares two versions of a directory object.
func (c *comparison) objects(w *work, p pair, a, b []byte) error {
	x, err := object(p.a, a)
	if err != nil {
		return err
	}
	y, err := object(p.b, b)
	if err != nil {
		return err
	}
	found := c.directory.Compare(x, y)
	c.principals(w, x, y)
	w.settled = append(w.settled, settling{p, found})
	return nil
}

func object(i *item, data []byte) (*record.Record, error) {
	r, err := record.Decode(data)
	if err != nil {
		return nil, fault.New(fault.BackupDamaged, "item "+i.id+" cannot be read", err)
	}
	return r, nil
}

// principals enters a directory object into the view of access.
func (c *comparison) principals(w *work, a, b *record.Record) {
	if w.service != backup.AD {
		return
	}
	var before, after *access.Object
	if a != nil {
		if o, ok := access.ObjectOf(a); ok {
			before = o
			c.before.AddObject(o)
		}
	}
	if b != nil {
		if o, ok := access.ObjectOf(b); ok {
			after = o
			c.after.AddObject(o)
		}
	}
	c.accessChanged = c.accessChanged || !before.Same(after)
}

// settle finishes the directory objects of a service, when all are there.
func (c *comparison) settle(w *work) {
	pairs := make([]*directory.Pair, len(w.settled))
	for i := range w.settled {
		pairs[i] = w.settled[i].found
	}
	directory.Settle(pairs, w.names)
	for _, s := range w.settled {
		p := s.found
		c.finish(w, s.pair, p.How, p.Class, p.Note, &p.Details)
	}
	w.settled = nil
}

// picture enters documents into the view of access.
func (c *comparison) picture(w *work, p pair, a, b []byte, d *result.Details) {
	if !c.inPicture(w.service, p.b.kind) {
		return
	}
	c.accessChanged = c.accessChanged || d.Found() || p.moved
	c.enter(c.before, w.service, p.a, a)
	c.enter(c.after, w.service, p.b, b)
}

func (c *comparison) inPicture(service backup.Service, kind string) bool {
	return service == backup.RBAC && (kind == roleKind || kind == assignmentKind) || service == backup.KeyVault && kind == vaultKind
}

// enter enters one document. What cannot be read is told of where it is compared.
func (c *comparison) enter(picture *access.Picture, service backup.Service, i *item, data []byte) {
	root, err := c.documents.Read(service, i.kind, data)
	if err != nil {
		return
	}
	switch i.kind {
	case roleKind:
		picture.AddRole(i.id, root)
	case assignmentKind:
		picture.AddAssignment(root)
	case vaultKind:
		picture.AddVault(i.id, root)
	}
}
