package directory

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect/ad/record"
	"infrabackup/internal/fault"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/directory/unwritable"
	"infrabackup/internal/restore/mapping"
)

// Bits of userAccountControl (MS-ADTS 2.2.16).
const (
	accountDisable  = 0x2
	lockout         = 0x10 // of the past, and told by lockoutTime
	passwordNotReqd = 0x20
	passwordExpired = 0x800000 // computed
)

// Group implements [restore.Restorer]: every item is a group of its own.
func (r *Restorer) Group(e backup.CatalogEntry) string { return e.ID }

// Names implements [restore.Namer]: what lies below an object knows only its name. It also
// remembers which object had which name and SID, so that what was moved or made again is found.
func (r *Restorer) Names(e backup.CatalogEntry) []string {
	if e.Kind != record.Kind {
		return []string{record.FilesPrefix + strings.ToLower(e.ID)}
	}
	dn := strings.ToLower(e.Name)
	if first, rest := record.SplitDN(dn); strings.HasPrefix(rest, "ou=domain controllers,dc=") {
		r.controllers.Store(strings.TrimPrefix(first, "cn="), true)
	}
	guid := strings.ToLower(e.ID)
	r.places.Store(dn, guid)
	return append(r.remember(e.Aliases, guid, dn), record.NamedPrefix+dn)
}

// Wants implements [restore.Restorer].
func (r *Restorer) Wants(items []restore.Item, m *mapping.Map) (wants []restore.Want, losses []restore.Loss, err error) {
	for _, item := range items {
		if item.Kind != record.Kind {
			more, lost, err := r.fileWants(item, m)
			if err != nil {
				return nil, nil, err
			}
			wants, losses = append(wants, more...), append(losses, lost...)
			continue
		}
		document, err := item.Read(context.Background()) // the source has the caller's context
		if err != nil {
			return nil, nil, err
		}
		rec, err := record.Decode(document)
		if err == nil && rec.GUID != strings.ToLower(item.ID) {
			err = fmt.Errorf("it is the record of another object, %s", rec.GUID)
		}
		if err != nil {
			return nil, nil, fault.New(fault.BackupDamaged, "the record of "+item.Name, err)
		}
		w := &wanting{restorer: r, above: parent(rec.DN), context: rec.NamingContext, files: filesOf(rec)}
		if m.Names() != nil {
			rec, w.renamed = renamed(m.Names(), rec), true
		}
		w.record, w.guard = rec, r.guard(rec)
		if err := w.all(); err != nil {
			return nil, nil, err
		}
		wants, losses = append(wants, w.wants...), append(losses, w.losses...)
	}
	return wants, losses, nil
}

// wanting makes the wants of one object.
type wanting struct {
	restorer *Restorer
	record   *record.Record // in the target's names
	renamed  bool
	// above and context are what the object lies in, in the names of the backup.
	above, context string
	guard          string
	files          []restore.Need // of a group policy
	wants          []restore.Want
	losses         []restore.Loss
}

func (w *wanting) key(phase string) restore.Key {
	return restore.Key{Service: backup.AD, Kind: record.Kind, ID: w.record.GUID, Phase: phase}
}

func (w *wanting) lose(code, detail string) {
	w.losses = append(w.losses, restore.Loss{Key: w.key(phaseObject), Code: code, Detail: detail})
}

func (w *wanting) all() error {
	r := w.record
	if r.Deleted || strings.EqualFold(r.Value(tombstoned), "TRUE") {
		return nil // it was not there
	}
	if n := w.restorer.never(r); n != nil {
		w.lose(n.code, n.detail)
		return nil
	}
	object := w.body()
	object.Guard = w.guard
	links := w.body()
	var binary, back []string
	for _, a := range r.Attributes {
		why := unwritable.ReasonOf(a.Name, r.DN)
		switch {
		case why == unwritable.BackLink && !strings.EqualFold(a.Name, "memberOf"):
			back = append(back, a.Name)
		case why != "":
		case strings.EqualFold(a.Name, dnsProperty):
			object.Create = append(object.Create, attribute{Name: a.Name, Values: sorted(a.Values)})
		case strings.EqualFold(a.Name, dnsRecord):
			w.records(object, a.Values)
		case strings.EqualFold(a.Name, tombstoned):
		case len(a.Targets) == 0:
			if w.guard == "" {
				object.Attributes = append(object.Attributes, attribute{Name: a.Name, Values: sorted(a.Values)})
			}
		case record.NamePrefix(a.Values[0]) != 0:
			binary = append(binary, a.Name)
		case w.guard != refusedOwn:
			links.Attributes = append(links.Attributes, linksOf(a))
		}
	}
	control, isAccount := w.control()
	if isAccount && w.guard == "" {
		object.Create = []attribute{{Name: userAccountControl, Values: [][]byte{[]byte(strconv.FormatInt(control|accountDisable, 10))}}}
	}
	if err := w.add(phaseObject, w.objectStage(), object); err != nil {
		return err
	}
	w.loseOf(isAccount, binary, back)
	if w.guard == refusedOwn {
		return nil
	}
	if len(links.Attributes) > 0 {
		if err := w.add(phaseLinks, restore.StageDirectoryLinks, links); err != nil {
			return err
		}
	}
	if isAccount && w.guard == "" {
		state := w.body()
		state.Attributes = []attribute{{Name: userAccountControl, Values: [][]byte{[]byte(strconv.FormatInt(control, 10))}}}
		if err := w.add(phaseState, restore.StageDirectoryEnable, state); err != nil {
			return err
		}
	}
	if isAccount && w.guard == "" {
		if err := w.primaryGroup(control); err != nil {
			return err
		}
	}
	if w.guard == "" {
		if err := w.rights(); err != nil {
			return err
		}
	}
	return w.memberships()
}

const userAccountControl = "userAccountControl"

// body is one with the identity of the object.
func (w *wanting) body() *body {
	r := w.record
	b := &body{DN: r.DN, GUID: r.GUID, Context: r.NamingContext}
	if w.renamed {
		b.Above = strings.ToLower(w.above)
	}
	b.SID, _ = record.FormatSID([]byte(r.Value("objectSid")))
	if a := r.Attribute("objectClass"); a != nil {
		for _, class := range a.Values {
			b.Classes = append(b.Classes, string(class))
		}
	}
	return b
}

// add makes a want of a body.
func (w *wanting) add(phase string, stage restore.Stage, b *body) error {
	data, err := b.encode()
	if err != nil {
		return err
	}
	want := restore.Want{Key: w.key(phase), Name: w.record.DN, Stage: stage, Body: data, Fields: b.names()}
	if phase == phaseObject {
		if w.above != "" && !strings.EqualFold(w.above, w.context) {
			want.Needs = append(want.Needs, restore.Need{Service: backup.AD, Target: record.NamedPrefix + strings.ToLower(w.above), Relation: "parent"})
		}
		want.Needs = append(want.Needs, w.files...)
		if _, isAccount := w.control(); isAccount && len(b.Create) > 0 {
			want.Supplies = []string{"unicodePwd"}
		}
	}
	for _, a := range b.Attributes {
		for _, value := range a.Values {
			if guid := linkTarget(value); a.Link && guid != "" && guid != w.record.GUID {
				want.Needs = append(want.Needs, restore.Need{Service: backup.AD, Target: guid, Relation: strings.ToLower(a.Name), Soft: true})
			}
		}
	}
	w.wants = append(w.wants, want)
	return nil
}

// control is userAccountControl without what is no setting.
func (w *wanting) control() (int64, bool) {
	n, err := strconv.ParseInt(w.record.Value(userAccountControl), 10, 32)
	return n &^ (lockout | passwordExpired), err == nil
}

// objectStage puts what others lie in first.
func (w *wanting) objectStage() restore.Stage {
	if ofPolicies(w.record) {
		return restore.StageDirectoryPolicy
	}
	for _, class := range []string{"organizationalUnit", "container"} {
		if w.record.Has("objectClass", class) {
			return restore.StageDirectoryPlaces
		}
	}
	return restore.StageDirectoryObjects
}

// memberships are the groups that the object is in. The group's own links bring them along
// where they are written.
func (w *wanting) memberships() error {
	a := w.record.Attribute("memberOf")
	if a == nil {
		return nil
	}
	for i, group := range a.Targets {
		if group == "" || slices.Contains(a.Targets[:i], group) || strings.Contains(string(a.Values[i]), deletedMark) {
			continue
		}
		b := w.body()
		b.Attributes = []attribute{{Name: "member", Link: true, Values: [][]byte{link(w.record.GUID, "")}, Names: []string{strings.ToLower(w.record.DN)}}}
		b.GroupDN = string(a.Values[i])
		data, err := b.encode()
		if err != nil {
			return err
		}
		w.wants = append(w.wants, restore.Want{Key: w.key(phaseMember + group), Name: w.record.DN, Stage: restore.StageDirectoryLinks, Body: data, Fields: []string{"memberOf"},
			Within: restore.Key{Service: backup.AD, Kind: record.Kind, ID: group, Phase: phaseLinks},
			Needs:  []restore.Need{{Service: backup.AD, Target: group, Relation: "member-of"}}})
	}
	return nil
}

// deletedMark stands in the name of a deleted object (MS-ADTS 3.1.1.5.5.1.3).
const deletedMark = `\0ADEL:`

// linksOf are the links of an attribute, but for those to deleted objects.
func linksOf(a record.Attribute) attribute {
	names := map[string]string{}
	out := attribute{Name: a.Name, Link: true}
	for i, value := range a.Values {
		if !strings.Contains(string(value), deletedMark) {
			one := link(a.Targets[i], string(value))
			names[string(one)] = strings.ToLower(string(value))
			out.Values = append(out.Values, one)
		}
	}
	out.Values = sorted(out.Values)
	for _, value := range out.Values {
		out.Names = append(out.Names, names[string(value)])
	}
	return out
}

// loseOf lists what cannot come back of an object that is written.
func (w *wanting) loseOf(isAccount bool, binary, back []string) {
	if w.guard != "" {
		return
	}
	r := w.record
	if r.Attribute("objectSid") != nil {
		w.lose(lossIdentity, "objectGUID and objectSid come back only when it is undeleted, sIDHistory never; made again, it has new ones, and what names the old SID names no account")
	}
	if isAccount {
		w.lose(lossPassword, "no controller gives its password: set unicodePwd, or join the computer again; it is made disabled until its state is written")
	}
	if len(binary) > 0 {
		w.lose(lossNotYet, "this version does not write links with text or bytes beside them: "+strings.Join(binary, ", "))
	}
	if len(back) > 0 {
		w.lose(lossBackLinks, "links to it belong to other objects, which bring them back when they are selected: "+strings.Join(back, ", "))
	}
	for _, a := range r.Attributes {
		if strings.EqualFold(a.Name, "msDS-AllowedToActOnBehalfOfOtherIdentity") || strings.EqualFold(a.Name, "msDS-GroupMSAMembership") {
			w.lose(lossNotYet, "this version does not write "+a.Name+", which names SIDs")
		}
	}
}
