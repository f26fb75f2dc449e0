package record

import (
	"encoding/binary"
	"encoding/hex"
	"regexp"
	"strconv"
)

// Sizes of a security identifier (MS-DTYP 2.4.2.2).
const (
	sidHead           = 8 // revision, number of sub-authorities, 6 bytes of authority
	maxSubAuthorities = 15
)

// FormatSID writes a binary security identifier (MS-DTYP 2.4.2.2: the authority is
// big-endian, the sub-authorities are little-endian) as text (2.4.2.1), in lower case,
// such as s-1-5-21-1004336348-1177238915-682003330-512. It is not ok when raw is not
// exactly one.
func FormatSID(raw []byte) (text string, ok bool) {
	if len(raw) < sidHead || raw[0] != 1 || raw[1] > maxSubAuthorities || len(raw) != sidHead+4*int(raw[1]) {
		return "", false
	}
	out := append(make([]byte, 0, 64), "s-1-"...)
	authority := uint64(binary.BigEndian.Uint16(raw[2:]))<<32 | uint64(binary.BigEndian.Uint32(raw[4:]))
	if authority < 1<<32 {
		out = strconv.AppendUint(out, authority, 10)
	} else {
		// Twelve digits: 0x and the authority in hexadecimal, padded.
		out = append(out, "0x"...)
		for shift := 44; shift >= 0; shift -= 4 {
			out = strconv.AppendUint(out, authority>>shift&0xf, 16)
		}
	}
	for sub := raw[sidHead:]; len(sub) > 0; sub = sub[4:] {
		out = strconv.AppendUint(append(out, '-'), uint64(binary.LittleEndian.Uint32(sub)), 10)
	}
	return string(out), true
}

// Aliases are the names under which items of other services refer to an object: a
// security principal's SID. That of a deleted object names nobody any more.
func (r *Record) Aliases() []string {
	if r.Deleted {
		return nil
	}
	if sid, ok := FormatSID([]byte(r.Value("objectSid"))); ok {
		return []string{"sid:" + sid}
	}
	return nil
}

var guidPattern = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// ValidGUID reports whether text is a GUID as [FormatGUID] writes it.
func ValidGUID(text string) bool { return guidPattern.MatchString(text) }

// FormatGUID writes 16 bytes in the way of MS-DTYP 2.3.4.3: the first three fields
// are little-endian. It is not ok when raw has another length.
func FormatGUID(raw []byte) (string, bool) {
	if len(raw) != 16 {
		return "", false
	}
	b := []byte{
		raw[3], raw[2], raw[1], raw[0], raw[5], raw[4], raw[7], raw[6],
		raw[8], raw[9], raw[10], raw[11], raw[12], raw[13], raw[14], raw[15],
	}
	h := hex.EncodeToString(b)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:], true
}
