package descriptor

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"infrabackup/internal/collect/ad/record"
)

// Control bits (MS-DTYP 2.4.6).
const (
	ownerDefaulted = 0x0001
	groupDefaulted = 0x0002
	daclPresent    = 0x0004
	saclPresent    = 0x0010
	daclProtected  = 0x1000
	saclProtected  = 0x2000
)

// ignoredControl are the bits that say nothing about who may do what: whether owner and group
// were defaulted, and that offsets are from the beginning.
const ignoredControl = ownerDefaulted | groupDefaulted | 0x8000

// inherited is the flag of an entry that came from a parent (MS-DTYP 2.4.4.1).
const inherited = 0x10

// Sizes in bytes.
const (
	headSize  = 20
	aclHead   = 8
	aceHead   = 4
	guidSize  = 16
	sidHead   = 8
	maxBytes  = 1 << 20 // an ACL has at most 64 KiB
	fixedSize = 4
)

// Descriptor is a security descriptor that was read. SIDs are in small letters.
type Descriptor struct {
	Control uint16
	Owner   string // empty for none
	Group   string
	DACL    List
	SACL    List
}

// List is an access control list.
type List struct {
	Present bool // without it, nothing is said about access
	Null    bool // present without a list: everyone has every access
	Entries []Entry
}

// Entry is an access control entry.
type Entry struct {
	Type      byte
	Flags     byte
	Mask      uint32
	Object    string // GUID, empty for none
	Inheritor string // GUID of the class that inherits it, empty for none
	SID       string
	Extra     string // what follows the SID, or all of an entry of an unknown type, in hexadecimal
}

// Inherited reports whether the entry came from a parent.
func (e Entry) Inherited() bool { return e.Flags&inherited != 0 }

var errMalformed = errors.New("is no security descriptor (MS-DTYP 2.4.6)")

// Parse reads a descriptor in self-relative form.
func Parse(raw []byte) (*Descriptor, error) {
	if len(raw) < headSize || len(raw) > maxBytes || raw[0] != 1 {
		return nil, errMalformed
	}
	d := &Descriptor{Control: binary.LittleEndian.Uint16(raw[2:])}
	var err error
	if d.Owner, err = sidAt(raw, 4); err != nil {
		return nil, err
	}
	if d.Group, err = sidAt(raw, 8); err != nil {
		return nil, err
	}
	if d.SACL, err = listAt(raw, 12, d.Control&saclPresent != 0); err != nil {
		return nil, err
	}
	d.DACL, err = listAt(raw, 16, d.Control&daclPresent != 0)
	return d, err
}

// at is what lies where the field at a place points to, nil for nothing.
func at(raw []byte, field int) ([]byte, error) {
	offset := binary.LittleEndian.Uint32(raw[field:])
	switch {
	case offset == 0:
		return nil, nil
	case offset < headSize || uint64(offset) >= uint64(len(raw)):
		return nil, errMalformed
	}
	return raw[offset:], nil
}

func sidAt(raw []byte, field int) (string, error) {
	rest, err := at(raw, field)
	if err != nil || rest == nil {
		return "", err
	}
	sid, _, err := readSID(rest)
	return sid, err
}

// readSID reads a SID from the beginning, and returns what follows it.
func readSID(raw []byte) (string, []byte, error) {
	if len(raw) < sidHead {
		return "", nil, errMalformed
	}
	size := sidHead + 4*int(raw[1])
	if size > len(raw) {
		return "", nil, errMalformed
	}
	sid, ok := record.FormatSID(raw[:size])
	if !ok {
		return "", nil, errMalformed
	}
	return sid, raw[size:], nil
}

func listAt(raw []byte, field int, present bool) (List, error) {
	l := List{Present: present}
	rest, err := at(raw, field)
	if err != nil || !present {
		return l, err
	}
	if rest == nil {
		l.Null = true
		return l, nil
	}
	if len(rest) < aclHead {
		return l, errMalformed
	}
	size, count := int(binary.LittleEndian.Uint16(rest[2:])), int(binary.LittleEndian.Uint16(rest[4:]))
	if size < aclHead || size > len(rest) || count*aceHead > size-aclHead {
		return l, errMalformed
	}
	rest = rest[aclHead:size]
	for range count {
		if len(rest) < aceHead {
			return l, errMalformed
		}
		n := int(binary.LittleEndian.Uint16(rest[2:]))
		if n < aceHead || n > len(rest) {
			return l, errMalformed
		}
		l.Entries = append(l.Entries, readEntry(rest[:n]))
		rest = rest[n:]
	}
	return l, nil
}

// Types of entries with an object, of callback entries, and of all that are known (MS-DTYP 2.4.4.1).
func hasObject(t byte) bool { return t >= 5 && t <= 8 || t >= 11 && t <= 12 || t >= 15 && t <= 16 }
func isKnown(t byte) bool   { return t <= 3 || t >= 5 && t <= 19 }

// readEntry reads one entry. What does not have the form of its type is kept as bytes.
func readEntry(raw []byte) Entry {
	e := Entry{Type: raw[0], Flags: raw[1]}
	rest := raw[aceHead:]
	whole := Entry{Type: e.Type, Flags: e.Flags, Extra: hex.EncodeToString(rest)}
	if !isKnown(e.Type) || len(rest) < fixedSize {
		return whole
	}
	e.Mask, rest = binary.LittleEndian.Uint32(rest), rest[fixedSize:]
	if hasObject(e.Type) {
		if len(rest) < fixedSize {
			return whole
		}
		flags := binary.LittleEndian.Uint32(rest)
		rest = rest[fixedSize:]
		var ok bool
		if e.Object, rest, ok = readGUID(rest, flags&1 != 0); !ok {
			return whole
		}
		if e.Inheritor, rest, ok = readGUID(rest, flags&2 != 0); !ok {
			return whole
		}
	}
	sid, rest, err := readSID(rest)
	if err != nil {
		return whole
	}
	e.SID, e.Extra = sid, hex.EncodeToString(rest)
	return e
}

func readGUID(raw []byte, present bool) (string, []byte, bool) {
	if !present {
		return "", raw, true
	}
	if len(raw) < guidSize {
		return "", nil, false
	}
	guid, ok := record.FormatGUID(raw[:guidSize])
	return guid, raw[guidSize:], ok
}

// typeNames are the types in SDDL (MS-DTYP 2.5.1.1).
var typeNames = map[byte]string{
	0: "A", 1: "D", 2: "AU", 3: "AL", 5: "OA", 6: "OD", 7: "OU", 8: "OL", 9: "XA", 10: "XD", 11: "ZA", 12: "ZD", 13: "XU", 17: "ML", 18: "RA", 19: "SP",
}

// bit is a bit and its name in SDDL.
type bit struct {
	value uint32
	name  string
}

var flagNames = []bit{{0x01, "OI"}, {0x02, "CI"}, {0x04, "NP"}, {0x08, "IO"}, {0x10, "ID"}, {0x40, "SA"}, {0x80, "FA"}}

var rightNames = []bit{
	{0x10000000, "GA"}, {0x20000000, "GX"}, {0x40000000, "GW"}, {0x80000000, "GR"},
	{0x1, "CC"}, {0x2, "DC"}, {0x4, "LC"}, {0x8, "SW"}, {0x10, "RP"}, {0x20, "WP"}, {0x40, "DT"}, {0x80, "LO"}, {0x100, "CR"},
	{0x10000, "SD"}, {0x20000, "RC"}, {0x40000, "WD"}, {0x80000, "WO"},
}

// named is a number by the names of its bits, or in hexadecimal when it has others.
func named(n uint32, names []bit) string {
	var out strings.Builder
	rest := n
	for _, b := range names {
		if n&b.value != 0 {
			out.WriteString(b.name)
			rest &^= b.value
		}
	}
	if rest != 0 {
		return "0x" + strconv.FormatUint(uint64(n), 16)
	}
	return out.String()
}

// String is the entry in the way of SDDL (MS-DTYP 2.5.1.1).
func (e Entry) String() string {
	name := typeNames[e.Type]
	if name == "" {
		name = fmt.Sprintf("0x%x", e.Type)
	}
	text := fmt.Sprintf("(%s;%s;%s;%s;%s;%s", name, named(uint32(e.Flags), flagNames), named(e.Mask, rightNames), e.Object, e.Inheritor, strings.ToUpper(e.SID))
	if e.Extra != "" {
		text += ";" + e.Extra
	}
	return text + ")"
}
