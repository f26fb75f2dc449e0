package descriptor

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"infrabackup/internal/collect/ad/record"
)

const (
	selfRelative = 0x8000
	// listRevision is that of lists with entries of objects (MS-DTYP 2.4.5).
	listRevision = 4
	// maxList is the largest list: its size is written in 16 bits.
	maxList = 1<<16 - 1
)

var errTooLarge = errors.New("an access control list is too large")

// Parts of a descriptor, as the control of MS-ADTS 3.1.1.3.4.1.11 names them.
const (
	PartOwner = 1
	PartGroup = 2
	PartDACL  = 4
)

// Parts are those that the descriptor has, but for audit entries.
func (d *Descriptor) Parts() (parts int) {
	if d.Owner != "" {
		parts |= PartOwner
	}
	if d.Group != "" {
		parts |= PartGroup
	}
	if d.DACL.Present {
		parts |= PartDACL
	}
	return parts
}

// Own is the descriptor as far as it is an object's own: without entries that came from parents,
// which the directory makes again of these, and without audit entries. Of the control bits only
// that one is left which says that nothing comes from parents.
func (d *Descriptor) Own() *Descriptor {
	own := &Descriptor{Control: d.Control & daclProtected, Owner: d.Owner, Group: d.Group, DACL: List{Present: d.DACL.Present, Null: d.DACL.Null}}
	for _, e := range d.DACL.Entries {
		if !e.Inherited() {
			own.DACL.Entries = append(own.DACL.Entries, e)
		}
	}
	return own
}

// hiddenSID is what a SID of a domain's account begins with inside of other bytes.
var hiddenSID = []byte{1, 5, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0}

const hiddenSize = sidHead + 5*4

// hidden are the SIDs of accounts in what follows an entry's own SID, such as a condition (MS-DTYP
// 2.4.4.17), or in an entry of an unknown type.
func (e Entry) hidden() (sids []string) {
	raw, err := hex.DecodeString(e.Extra)
	if err != nil {
		return nil
	}
	for {
		at := bytes.Index(raw, hiddenSID)
		if at < 0 || len(raw)-at < hiddenSize {
			return sids
		}
		if sid, ok := record.FormatSID(raw[at : at+hiddenSize]); ok {
			sids = append(sids, sid)
		}
		raw = raw[at+1:]
	}
}

// SIDs are all that the descriptor names, each once and sorted, also those inside of conditions.
func (d *Descriptor) SIDs() []string {
	all := map[string]bool{d.Owner: true, d.Group: true}
	for _, e := range slices.Concat(d.DACL.Entries, d.SACL.Entries) {
		all[e.SID] = true
		for _, sid := range e.hidden() {
			all[sid] = true
		}
	}
	delete(all, "")
	return slices.Sorted(maps.Keys(all))
}

// HiddenError says that a SID should become another one and stands where it cannot be replaced.
type HiddenError struct{ SID string }

// Error implements error.
func (h *HiddenError) Error() string {
	return strings.ToUpper(h.SID) + " stands inside of a condition, or of an entry of an unknown type"
}

// Mapped is the descriptor with other SIDs. Errors are of type [*HiddenError].
func (d *Descriptor) Mapped(to func(sid string) string) (*Descriptor, error) {
	one := func(sid string) string {
		if sid == "" {
			return ""
		}
		return strings.ToLower(to(sid))
	}
	out := &Descriptor{Control: d.Control, Owner: one(d.Owner), Group: one(d.Group), DACL: d.DACL, SACL: d.SACL}
	for _, list := range []*List{&out.DACL, &out.SACL} {
		list.Entries = slices.Clone(list.Entries)
		for i, e := range list.Entries {
			for _, sid := range e.hidden() {
				if one(sid) != sid {
					return nil, &HiddenError{sid}
				}
			}
			list.Entries[i].SID = one(e.SID)
		}
	}
	return out, nil
}

// Encode writes a descriptor in self-relative form, as [Parse] reads it. It fails for SIDs that are
// none and lists that are too large.
func (d *Descriptor) Encode() ([]byte, error) {
	raw := make([]byte, headSize)
	raw[0] = 1
	control := d.Control&^(daclPresent|saclPresent) | selfRelative
	place := func(field int, part []byte) {
		if part != nil {
			binary.LittleEndian.PutUint32(raw[field:], uint32(len(raw)))
			raw = append(raw, part...)
		}
	}
	for i, sid := range []string{d.Owner, d.Group} {
		if sid != "" {
			part, err := encodeSID(sid)
			if err != nil {
				return nil, err
			}
			place(4+4*i, part)
		}
	}
	for i, list := range []List{d.SACL, d.DACL} {
		if !list.Present {
			continue
		}
		control |= []uint16{saclPresent, daclPresent}[i]
		part, err := list.encode()
		if err != nil {
			return nil, err
		}
		place(12+4*i, part)
	}
	binary.LittleEndian.PutUint16(raw[2:], control)
	return raw, nil
}

// encode is nil for a list that is null.
func (l List) encode() ([]byte, error) {
	if l.Null {
		return nil, nil
	}
	raw := []byte{listRevision, 0, 0, 0, 0, 0, 0, 0}
	for _, e := range l.Entries {
		one, err := e.encode()
		if err != nil {
			return nil, err
		}
		raw = append(raw, one...)
	}
	if len(raw) > maxList {
		return nil, errTooLarge
	}
	binary.LittleEndian.PutUint16(raw[2:], uint16(len(raw)))
	binary.LittleEndian.PutUint16(raw[4:], uint16(len(l.Entries)))
	return raw, nil
}

func (e Entry) encode() ([]byte, error) {
	extra, err := hex.DecodeString(e.Extra)
	if err != nil {
		return nil, err
	}
	raw := []byte{e.Type, e.Flags, 0, 0}
	if e.SID != "" {
		raw = binary.LittleEndian.AppendUint32(raw, e.Mask)
		if hasObject(e.Type) {
			if raw, err = e.appendObject(raw); err != nil {
				return nil, err
			}
		}
		sid, err := encodeSID(e.SID)
		if err != nil {
			return nil, err
		}
		raw = append(raw, sid...)
	}
	raw = append(raw, extra...)
	if len(raw) > maxList {
		return nil, errTooLarge
	}
	binary.LittleEndian.PutUint16(raw[2:], uint16(len(raw)))
	return raw, nil
}

// appendObject writes what object an entry is about (MS-DTYP 2.4.4.3).
func (e Entry) appendObject(raw []byte) ([]byte, error) {
	var flags uint32
	var guids []byte
	for i, guid := range []string{e.Object, e.Inheritor} {
		if guid == "" {
			continue
		}
		b, err := hex.DecodeString(strings.ReplaceAll(guid, "-", ""))
		if err != nil || len(b) != guidSize {
			return nil, fmt.Errorf("%q is no GUID", guid)
		}
		flags |= 1 << i
		guids = append(guids, b[3], b[2], b[1], b[0], b[5], b[4], b[7], b[6])
		guids = append(guids, b[8:]...)
	}
	return append(binary.LittleEndian.AppendUint32(raw, flags), guids...), nil
}

// encodeSID writes a SID as bytes (MS-DTYP 2.4.2.2).
func encodeSID(text string) ([]byte, error) {
	parts := strings.Split(strings.ToLower(text), "-")
	wrong := fmt.Errorf("%q is no SID", text)
	if len(parts) < 3 || len(parts) > 3+15 || parts[0] != "s" || parts[1] != "1" {
		return nil, wrong
	}
	digits, base := parts[2], 10
	if rest, ok := strings.CutPrefix(digits, "0x"); ok {
		digits, base = rest, 16
	}
	authority, err := strconv.ParseUint(digits, base, 48)
	if err != nil {
		return nil, wrong
	}
	raw := binary.BigEndian.AppendUint64(nil, authority)
	raw[0], raw[1] = 1, byte(len(parts)-3)
	for _, part := range parts[3:] {
		n, err := strconv.ParseUint(part, 10, 32)
		if err != nil {
			return nil, wrong
		}
		raw = binary.LittleEndian.AppendUint32(raw, uint32(n))
	}
	return raw, nil
}
