package directory

import (
	"context"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"infrabackup/internal/collect/ad/directory"
	"infrabackup/internal/collect/ad/record"
	"infrabackup/internal/diff/descriptor"
	"infrabackup/internal/fault"
	"infrabackup/internal/restore"
)

const (
	securityDescriptor = "nTSecurityDescriptor"
	// rightsField is what plans call it.
	rightsField = "security descriptor"
)

// descriptorParts asks for, or sets, parts of security descriptors (MS-ADTS 3.1.1.3.4.1.11).
func descriptorParts(parts int) ldap.Control {
	return ldap.NewControlString("1.2.840.113556.1.4.801", true, "\x30\x03\x02\x01"+string(rune(parts)))
}

// everyPart is what a backup has of a descriptor: without audit entries, which only an account
// that may manage auditing reads.
const everyPart = descriptor.PartOwner | descriptor.PartGroup | descriptor.PartDACL

// ownRights is a security descriptor without what the directory makes of those of parents.
func ownRights(raw []byte) (*descriptor.Descriptor, []byte, error) {
	d, err := descriptor.Parse(raw)
	if err != nil {
		return nil, nil, err
	}
	own := d.Own()
	data, err := own.Encode()
	return own, data, err
}

// rights wants the object's own security descriptor. Whom it names has to be there first.
func (w *wanting) rights() error {
	a := w.record.Attribute(securityDescriptor)
	if a == nil {
		w.lose(lossDescriptor, "the backup has no security descriptor of it: it has what its class and its parent give")
		return nil
	}
	own, data, err := ownRights(a.Values[0])
	if err != nil {
		w.lose(lossDescriptor, "its security descriptor in the backup cannot be read ("+err.Error()+"): it has what its class and its parent give")
		return nil
	}
	if own.Parts() == 0 {
		return nil
	}
	b := w.body()
	b.Attributes, b.Named = []attribute{{Name: securityDescriptor, Values: [][]byte{data}}}, own.SIDs()
	if err := w.add(phaseRights, restore.StageDirectoryRights, b); err != nil {
		return err
	}
	want := &w.wants[len(w.wants)-1]
	want.Needs, want.Fields = append(want.Needs, b.needsOf(record.RelationTrustee)...), []string{rightsField}
	return nil
}

// descriptorFor is the wanted descriptor in the target; nil while an account that it names is not
// there.
func (b *body) descriptorFor(a attribute, d *document) (*descriptor.Descriptor, error) {
	want, err := descriptor.Parse(a.Values[0])
	if err != nil {
		return nil, err
	}
	to := map[string]string{}
	for i, sid := range b.Named {
		if i >= len(d.Named) || d.Named[i] == "" {
			return nil, nil
		}
		to[sid] = d.Named[i]
	}
	return want.Mapped(func(sid string) string {
		if target, ok := to[sid]; ok {
			return target
		}
		return sid
	})
}

// rightsMissing is the wanted descriptor, unless the live one says the same. Parts that the backup
// does not have are the target's own.
func (b *body) rightsMissing(a attribute, d *document) [][]byte {
	want, err := b.descriptorFor(a, d)
	if err != nil || want == nil {
		return a.Values
	}
	if values := d.values(a.Name); len(values) == 1 {
		if live, err := descriptor.Parse(values[0]); err == nil {
			filled := *want
			if want.Owner == "" {
				filled.Owner = live.Owner
			}
			if want.Group == "" {
				filled.Group = live.Group
			}
			if !want.DACL.Present {
				filled.DACL, filled.Control = live.DACL, live.Control
			}
			if descriptor.Same(&filled, live) {
				return nil
			}
		}
	}
	data, err := want.Encode()
	if err != nil {
		return a.Values
	}
	return [][]byte{data}
}

var errUnmapped = errors.New("not every SID in it is known in the target")

// hidden says why a descriptor cannot be written although everyone in it is known.
func (b *body) hidden(d *document) *problem {
	for _, a := range b.Attributes {
		if a.Name != securityDescriptor || b.Undo {
			continue
		}
		want, err := b.descriptorFor(a, d)
		if err != nil {
			return &problem{refusedSID, "its security descriptor names an account that is another one in the target, and " + err.Error() + ": set it by hand"}
		}
		if want == nil {
			continue
		}
		if _, err := want.Encode(); err != nil {
			return &problem{refusedSID, "its security descriptor cannot be written with the SIDs of the target (" + err.Error() + "): correct the map, or set it by hand"}
		}
	}
	return nil
}

// liveRights are the object's own rights in the target.
func liveRights(d *document, values [][]byte) ([][]byte, error) {
	if len(values) == 0 {
		d.Problem = &problem{refusedRights, "grant the target's account the right to read the permissions of " + d.DN}
		return nil, nil
	}
	_, data, err := ownRights(values[0])
	if err != nil {
		return nil, unreadable("the controller gave a security descriptor of %s that cannot be read: %v", d.DN, err)
	}
	return [][]byte{data}, nil
}

// setRights writes a descriptor. The directory adds what comes from parents by itself.
func (w *writing) setRights(ctx context.Context) error {
	what := "cannot set the security descriptor of " + w.live.DN
	var data []byte
	switch {
	case w.body.Undo && len(w.body.Changes) == 1 && len(w.body.Changes[0].Add) == 1:
		data = w.body.Changes[0].Add[0]
	case w.body.Undo:
		return nil // there was none to be seen
	default:
		for i, sid := range w.live.Named {
			if sid == "" {
				return fault.New(fault.TargetRefused, what+": the account "+strings.ToUpper(w.body.Named[i])+" is not there", nil)
			}
		}
		if p := w.body.hidden(w.live); p != nil {
			return fault.New(fault.TargetRefused, what+": "+p.Detail, nil)
		}
		if len(w.body.rightsMissing(w.body.Attributes[0], w.live)) == 0 {
			return nil
		}
		// What is compared when SIDs cannot be mapped has those of the source, and is not sent.
		want, err := w.body.descriptorFor(w.body.Attributes[0], w.live)
		if err == nil && want == nil {
			err = errUnmapped
		}
		if err == nil {
			data, err = want.Encode()
		}
		if err != nil {
			return fault.New(fault.TargetRefused, what, err)
		}
	}
	d, err := descriptor.Parse(data)
	if err != nil {
		return fault.New(fault.Internal, what, err)
	}
	return w.to.Modify(ctx, what, w.live.self(), []directory.Change{{Operation: directory.ReplaceValues, Attribute: directory.Attribute{Name: securityDescriptor, Values: [][]byte{data}}}}, descriptorParts(d.Parts()))
}

// conditionsOf is what entries hold besides SIDs and GUIDs.
func conditionsOf(raw []byte) (all []any) {
	d, err := descriptor.Parse(raw)
	if err != nil {
		return []any{raw}
	}
	for _, e := range d.DACL.Entries {
		if extra, err := hex.DecodeString(e.Extra); err == nil && len(extra) > 0 {
			all = append(all, extra)
		}
	}
	return all
}

// mayChangeRights reports whether the account may set the parts of a descriptor that are wanted
// (sDRightsEffective, MS-ADTS 3.1.1.4.5.4).
func (r *Restorer) mayChangeRights(ctx context.Context, b *body, d *document) (bool, error) {
	e, err := r.conn.ReadObject(ctx, "cannot read the rights at "+d.DN, d.self(), []string{"sDRightsEffective"})
	if err != nil || e == nil {
		return true, err
	}
	may, err := strconv.Atoi(e.Text("sDRightsEffective"))
	if err != nil {
		return true, nil // it does not say
	}
	if may&descriptor.PartOwner != 0 {
		may |= descriptor.PartGroup // who sets the owner sets the group, and not every controller names it
	}
	for _, a := range b.Attributes {
		if want, err := descriptor.Parse(a.Values[0]); err == nil && want.Parts()&^may != 0 {
			return false, nil
		}
	}
	return true, nil
}
