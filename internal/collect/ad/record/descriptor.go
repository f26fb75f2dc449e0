package record

import "encoding/binary"

// Sizes and numbers of a self-relative security descriptor (MS-DTYP 2.4.6), an access
// control list (2.4.5) and its entries (2.4.4).
const (
	descriptorHead = 20
	listHead       = 8
	entryHead      = 4

	daclPresent  = 0x0004
	selfRelative = 0x8000

	objectTypePresent          = 0x1
	inheritedObjectTypePresent = 0x2
)

// entryKind says what stands in front of the SID of an entry.
type entryKind uint8

const (
	plainEntry  entryKind = 1 // an access mask
	objectEntry entryKind = 2 // an access mask, flags, and up to two GUIDs
)

// entryKinds are the types of entries that hold a SID: allowed, denied and audited, of
// objects, and the same with conditions.
var entryKinds = map[byte]entryKind{
	0x00: plainEntry, 0x01: plainEntry, 0x02: plainEntry, 0x09: plainEntry, 0x0a: plainEntry, 0x0d: plainEntry,
	0x05: objectEntry, 0x06: objectEntry, 0x07: objectEntry, 0x0b: objectEntry, 0x0c: objectEntry, 0x0f: objectEntry,
}

// securityDescriptor gives the SIDs of a security descriptor to fn: owner, group, and those
// of the entries of its access control list. It ends where the bytes make no sense.
func securityDescriptor(raw []byte, fn func(relation string, sid []byte)) {
	if len(raw) < descriptorHead || raw[0] != 1 {
		return
	}
	control := binary.LittleEndian.Uint16(raw[2:])
	if control&selfRelative == 0 {
		return
	}
	for _, at := range []int{4, 8} { // owner, group
		if offset := binary.LittleEndian.Uint32(raw[at:]); offset >= descriptorHead && uint64(offset) < uint64(len(raw)) {
			fn(RelationOwner, firstSID(raw[offset:]))
		}
	}
	offset := binary.LittleEndian.Uint32(raw[16:])
	if control&daclPresent == 0 || offset < descriptorHead || uint64(offset)+listHead > uint64(len(raw)) {
		return
	}
	list := raw[offset:]
	size, count := int(binary.LittleEndian.Uint16(list[2:])), int(binary.LittleEndian.Uint16(list[4:]))
	if size < listHead || size > len(list) {
		return
	}
	list = list[listHead:size]
	for ; count > 0 && len(list) >= entryHead; count-- {
		size := int(binary.LittleEndian.Uint16(list[2:]))
		if size < entryHead || size > len(list) {
			return
		}
		fn(RelationTrustee, entrySID(list[:size]))
		list = list[size:]
	}
}

// entrySID is the SID of an entry, nil when it has none.
func entrySID(entry []byte) []byte {
	at := entryHead + 4
	switch entryKinds[entry[0]] {
	case plainEntry:
	case objectEntry:
		if len(entry) < at+4 {
			return nil
		}
		flags := binary.LittleEndian.Uint32(entry[at:])
		at += 4
		for _, present := range []uint32{objectTypePresent, inheritedObjectTypePresent} {
			if flags&present != 0 {
				at += 16
			}
		}
	default:
		return nil
	}
	if len(entry) < at {
		return nil
	}
	return firstSID(entry[at:])
}

// firstSID is the SID with which raw begins, nil when it begins with none.
func firstSID(raw []byte) []byte {
	if len(raw) < sidHead {
		return nil
	}
	size := sidHead + 4*int(raw[1])
	if size > len(raw) {
		return nil
	}
	return raw[:size]
}
