package directory

import (
	"slices"
	"strconv"
	"strings"

	"infrabackup/internal/restore"
	"infrabackup/internal/restore/directory/dnsrecord"
	"infrabackup/internal/restore/directory/identifier"
	"infrabackup/internal/restore/mapping"
)

const (
	whyCreated   = "its tombstone and the relative identifier that it used stay"
	whyUndeleted = "it is deleted again, and its tombstone begins to age again"
)

// Verdict implements [restore.Restorer].
func (r *Restorer) Verdict(want restore.Want, live restore.State, m *mapping.Map) restore.Verdict {
	if isFile(want) {
		return r.files.Verdict(want, live)
	}
	b, err := decodeBody(want.Body)
	if err != nil {
		return refusal(want, "UNREADABLE", "what is wanted cannot be read: "+err.Error())
	}
	d, err := decodeDocument(live)
	if err != nil {
		return refusal(want, "UNREADABLE", "the state cannot be read: "+err.Error())
	}
	reversible := restore.Reversibility{Grade: restore.Reversible}
	if want.Absent {
		return restore.Verdict{Same: !live.Exists, Action: restore.Remove, Reversible: reversible}
	}
	if d.Problem != nil {
		return refusal(want, d.Problem.Code, d.Problem.Detail)
	}
	v := restore.Verdict{Action: restore.Update, Reversible: reversible}
	switch {
	case b.Guard != "" && live.Exists:
		v.Same = true // it is there, and what it holds is left alone
		return v
	case b.Guard != "":
		return refusal(want, b.Guard, guardDetails[b.Guard])
	case live.Exists && b.Undo:
		v.Same = b.isBack(d)
		for _, c := range b.Changes {
			v.Fields = append(v.Fields, fieldOf(c.Name))
		}
		if b.Place != nil {
			v.Fields = append(v.Fields, "distinguishedName")
		}
		return v
	case live.Exists:
		changes := b.diff(d, m)
		for _, c := range changes {
			v.Fields = append(v.Fields, fieldOf(c.Name))
		}
		if want.Phase == phaseObject && !d.Placed {
			v.Fields = append(v.Fields, "distinguishedName")
		}
		slices.Sort(v.Fields)
		v.Same = len(v.Fields) == 0
		if unknown := b.unknown(d, v.Fields); len(unknown) > 0 {
			return refusal(want, refusedSchema, "the target's schema does not have "+strings.Join(unknown, ", "))
		}
	case live.Deleted:
		v.Action, v.Reversible = restore.Undelete, restore.Reversibility{Grade: restore.PartlyReversible, Why: whyUndeleted}
	default:
		v.Action, v.Same = restore.Create, b.Given || want.Phase == phaseRights && d.Deleted && len(b.diff(d, m)) == 0
		if want.Phase == phaseObject {
			v.Reversible = restore.Reversibility{Grade: restore.PartlyReversible, Why: whyCreated}
		}
	}
	if unknown := b.unknown(d, b.names()); !live.Exists && len(unknown) > 0 {
		return refusal(want, refusedSchema, "the target's schema does not have "+strings.Join(unknown, ", "))
	}
	if !v.Same && b.opens(want.Phase, live, d) {
		return refusal(want, refusedNoPassword, "it needs no password by its settings and would have none, so that everybody could log in as it: set a password, then make a new plan")
	}
	return v
}

// fieldOf is what plans call an attribute.
func fieldOf(name string) string {
	if name == securityDescriptor {
		return rightsField
	}
	return name
}

var guardDetails = map[string]string{
	refusedOwn:     "it is the restore's own account, or one that was named to be left alone: make it by hand",
	refusedBuiltIn: "every domain has it, and only the directory makes it: the target is damaged, or no such domain",
}

func refusal(want restore.Want, code, detail string) restore.Verdict {
	return restore.Verdict{Refused: &restore.Refusal{Key: want.Key, Code: code, Detail: detail}}
}

// opens reports whether a write would leave an account enabled that needs no password and has
// none.
func (b *body) opens(phase string, live restore.State, d *document) bool {
	control := ""
	switch {
	case phase == phaseObject && live.Deleted:
		control = d.Control // it comes back as it was
	case phase == phaseState && (!live.Exists || d.Passwordless) && len(b.Attributes) == 1 && len(b.Attributes[0].Values) == 1:
		control = string(b.Attributes[0].Values[0])
	}
	n, err := strconv.ParseInt(control, 10, 32)
	return err == nil && n&passwordNotReqd != 0 && n&accountDisable == 0
}

// unknown are those names that the target's schema does not have.
func (b *body) unknown(d *document, names []string) (all []string) {
	for _, name := range names {
		if slices.Contains(d.Unknown, strings.ToLower(name)) {
			all = append(all, name)
		}
	}
	return all
}

// diff is what has to change so that everything wanted is there. Of an attribute with one
// value that one is taken away, of others nothing.
func (b *body) diff(d *document, m *mapping.Map) (changes []change) {
	for _, a := range b.Attributes {
		name := strings.ToLower(a.Name)
		if slices.Contains(d.Closed, name) {
			continue
		}
		wanted, live := b.mapped(a, d, m), d.values(a.Name)
		missing := b.missing(a, d, m)
		if len(missing) == 0 {
			continue
		}
		c := change{Name: a.Name, Link: a.Link, Add: missing}
		// A controller takes one description of an account or group, whatever the schema
		// says, and two are not meant elsewhere either.
		if a.Name == dnsRecord {
			c.Delete = dnsrecord.InTheWay(missing, live)
		} else if !slices.Contains(d.Multi, name) || name == "description" && len(wanted) == 1 && len(live) <= 1 {
			c.Delete = without(live, wanted)
		}
		changes = append(changes, c)
	}
	return changes
}

// lacks are the values of an attribute that are not live. Servers change parts of DNS records, which
// are no difference.
func lacks(name string, values, live [][]byte) [][]byte {
	if name == dnsRecord {
		return dnsrecord.Missing(values, live)
	}
	return without(values, live)
}

// isBack reports whether an undo has come about.
func (b *body) isBack(d *document) bool {
	if b.Place != nil && !d.Placed {
		return false
	}
	for _, c := range b.Changes {
		live := d.values(c.Name)
		if len(lacks(c.Name, c.Add, live)) > 0 || len(lacks(c.Name, c.Delete, live)) < len(c.Delete) {
			return false
		}
	}
	return true
}

// Inverse implements [restore.Restorer].
func (r *Restorer) Inverse(want restore.Want, before, after restore.State) (restore.Want, restore.Reversibility) {
	if isFile(want) {
		return r.files.Inverse(want, before)
	}
	none := func(err error) (restore.Want, restore.Reversibility) {
		return restore.Want{}, restore.Reversibility{Grade: restore.Irreversible, Why: err.Error()}
	}
	b, err := decodeBody(want.Body)
	if err != nil {
		return none(err)
	}
	was, err := decodeDocument(before)
	if err != nil {
		return none(err)
	}
	is, err := decodeDocument(after)
	if err != nil {
		return none(err)
	}
	inverse := restore.Want{Key: want.Key, Name: want.Name, Stage: want.Stage, Absent: want.Phase == phaseObject && !before.Exists}
	undo := &body{Undo: true, DN: is.DN, GUID: is.GUID, SID: is.SID, Context: b.Context, Group: is.Group}
	reversible := restore.Reversibility{Grade: restore.Reversible}
	switch {
	case inverse.Absent && before.Deleted:
		reversible = restore.Reversibility{Grade: restore.PartlyReversible, Why: whyUndeleted}
	case inverse.Absent:
		reversible = restore.Reversibility{Grade: restore.PartlyReversible, Why: whyCreated}
	}
	if want.Phase == phasePrimary && !inverse.Absent {
		undo.Named = []string{identifier.Sibling(is.SID, was.values(primaryGroupID))}
		if !was.Joined && len(is.Named) == 1 {
			undo.Leave = is.Named[0]
		}
	}
	for _, a := range b.Attributes {
		undo.Attributes = append(undo.Attributes, attribute{Name: a.Name, Link: a.Link})
		if a.Link && strings.HasPrefix(want.Phase, phaseMember) {
			undo.Attributes[0].Values = [][]byte{link(is.GUID, "")}
		}
		if inverse.Absent {
			continue
		}
		old, now := was.values(a.Name), is.values(a.Name)
		if c := (change{Name: a.Name, Link: a.Link, Delete: lacks(a.Name, now, old), Add: lacks(a.Name, old, now)}); len(c.Delete)+len(c.Add) > 0 {
			undo.Changes = append(undo.Changes, c)
			inverse.Fields = append(inverse.Fields, fieldOf(a.Name))
		}
	}
	if want.Phase == phaseObject && !inverse.Absent && (was.Parent != is.Parent || !strings.EqualFold(rdn(was.DN), rdn(is.DN))) {
		undo.Place = &place{RDN: rdn(was.DN), Parent: was.Parent}
		inverse.Fields = append(inverse.Fields, "distinguishedName")
	}
	if inverse.Body, err = undo.encode(); err != nil {
		return none(err)
	}
	return inverse, reversible
}
