package directory

import (
	"context"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"infrabackup/internal/collect/ad/directory"
	"infrabackup/internal/collect/ad/record"
	"infrabackup/internal/fault"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/directory/identifier"
)

const primaryGroupID = "primaryGroupID"

// primaryGroup wants the group that an account is in first. It is another one of the target when
// the group was made again there, and is never among the account's memberOf.
func (w *wanting) primaryGroup(control int64) error {
	r := w.record
	group := identifier.WithRID([]byte(r.Value("objectSid")), r.Value(primaryGroupID))
	if group == "" {
		return nil
	}
	b := w.body()
	_, rid := identifier.Split(group)
	b.Given = rid == givenGroup(control)
	b.Attributes, b.Named = []attribute{{Name: primaryGroupID, Values: [][]byte{[]byte(rid)}}}, []string{group}
	if a := r.Attribute("memberOf"); a != nil && len(a.Targets) > 0 {
		memberOf := linksOf(*a)
		b.MemberOf = &memberOf
	}
	if err := w.add(phasePrimary, restore.StageDirectoryRights, b); err != nil {
		return err
	}
	want := &w.wants[len(w.wants)-1]
	want.Needs = append(want.Needs, b.needsOf(record.RelationPrimaryGroup)...)
	return nil
}

// ridOf is the relative identifier of the wanted group in the target, none when it is not there.
func (d *document) ridOf() [][]byte {
	if len(d.Named) != 1 || d.Named[0] == "" {
		return nil
	}
	_, rid := identifier.Split(d.Named[0])
	return [][]byte{[]byte(rid)}
}

// joined finds out whether an account is among the members of the group that is to be its first.
func (r *Restorer) joined(ctx context.Context, d *document) error {
	if len(d.Named) != 1 || d.Named[0] == "" {
		return nil
	}
	// It is set by the last part of its SID alone, and made a member before that.
	domain, _ := identifier.Split(d.Named[0])
	if own, _ := identifier.Split(d.SID); d.SID != "" && !strings.EqualFold(domain, own) {
		if d.Problem == nil {
			d.Problem = &problem{refusedSID, "its first group would be " + strings.ToUpper(d.Named[0]) + ", which is no group of its own domain: correct the map"}
		}
		return nil
	}
	group, err := r.conn.ReadObject(ctx, "cannot read "+d.Named[0], identifier.DN(d.Named[0]), []string{"objectGUID"})
	if err != nil || group == nil {
		d.Named[0] = ""
		return err
	}
	d.Joined, err = r.isMember(ctx, group.DN, d.DN)
	return err
}

// Further bits of userAccountControl (MS-ADTS 2.2.16).
const (
	workstationTrust = 0x1000
	serverTrust      = 0x2000
	partialSecrets   = 0x4000000
)

// givenGroup is the first group that a controller gives to an account of a kind that it makes
// (MS-SAMR 3.1.1.8.1).
func givenGroup(control int64) string {
	switch {
	case control&partialSecrets != 0:
		return "521"
	case control&serverTrust != 0:
		return "516"
	case control&workstationTrust != 0:
		return "515"
	}
	return "513"
}

// moveFirst makes a group the account's first. Only a member can have it so (MS-SAMR 3.1.1.8.2),
// and the controller makes the account an ordinary member of the group that was its first
// before. It stays one where the backup says so; otherwise it would be in more groups than it was.
func (w *writing) moveFirst(ctx context.Context) error {
	what, to := "cannot change primaryGroupID of "+w.live.DN, w.live.ridOf()
	if to == nil {
		return fault.New(fault.TargetRefused, what+": the group "+strings.ToUpper(strings.Join(w.body.Named, ""))+" is not there", nil)
	}
	if err := w.join(ctx, what, w.live.Named[0]); err != nil {
		return err
	}
	before := w.live.values(primaryGroupID)
	if err := w.setFirst(ctx, what, before, to); err != nil || len(before) != 1 {
		return err
	}
	old := identifier.Sibling(w.live.SID, before)
	if keep, err := w.keeps(ctx, old); err != nil || keep {
		return err
	}
	return w.leave(ctx, what, old)
}

// moveBack is what an undo does: the account was perhaps no ordinary member of the group before.
func (w *writing) moveBack(ctx context.Context) error {
	what, c := "cannot change primaryGroupID of "+w.live.DN, w.body.Changes
	if len(c) != 1 || len(c[0].Add) != 1 || len(w.body.Named) != 1 {
		return nil // there was none before
	}
	if err := w.join(ctx, what, w.body.Named[0]); err != nil {
		return err
	}
	if err := w.setFirst(ctx, what, c[0].Delete, c[0].Add); err != nil || w.body.Leave == "" {
		return err
	}
	return w.leave(ctx, what, w.body.Leave)
}

func (w *writing) join(ctx context.Context, what, group string) error {
	if w.live.Joined {
		return nil
	}
	err := w.to.Modify(ctx, what, identifier.DN(group), []directory.Change{{Operation: directory.AddValues, Attribute: directory.Attribute{Name: "member", Values: [][]byte{link(w.live.GUID, "")}}}})
	if ldap.IsErrorWithCode(err, ldap.LDAPResultEntryAlreadyExists) {
		return nil // since it was looked at
	}
	return err
}

func (w *writing) leave(ctx context.Context, what, group string) error {
	is, err := w.isMember(ctx, identifier.DN(group), w.live.DN)
	if err != nil || !is {
		return err
	}
	return w.to.Modify(ctx, what, identifier.DN(group), []directory.Change{{Operation: directory.DeleteValues, Attribute: directory.Attribute{Name: "member", Values: [][]byte{link(w.live.GUID, "")}}}})
}

// setFirst compares and sets: the controller refuses when it moved meanwhile.
func (w *writing) setFirst(ctx context.Context, what string, from, to [][]byte) error {
	var changes []directory.Change
	if len(from) > 0 {
		changes = append(changes, directory.Change{Operation: directory.DeleteValues, Attribute: directory.Attribute{Name: primaryGroupID, Values: from}})
	}
	changes = append(changes, directory.Change{Operation: directory.AddValues, Attribute: directory.Attribute{Name: primaryGroupID, Values: to}})
	return w.to.Modify(ctx, what, w.live.self(), changes)
}

// keeps reports whether the backup has the account among the members of a group of the target.
func (w *writing) keeps(ctx context.Context, group string) (bool, error) {
	if w.body.MemberOf == nil {
		return false, nil
	}
	e, err := w.conn.ReadObject(ctx, "cannot read "+group, identifier.DN(group), []string{"objectGUID"})
	if err != nil || e == nil {
		return true, err
	}
	guid, _ := record.FormatGUID(e.Raw("objectGUID"))
	there := &document{Attributes: []attribute{{Name: "memberOf", Link: true, Values: [][]byte{link(guid, "")}, Names: []string{strings.ToLower(e.DN)}}}}
	return len(w.body.missing(*w.body.MemberOf, there, w.mapping)) < len(w.body.MemberOf.Values), nil
}
