package identifier

import (
	"encoding/binary"
	"slices"
	"strconv"
	"strings"

	"infrabackup/internal/collect/ad/record"
)

// OfDomain begins the SIDs of domains and of their accounts. All others mean the same
// everywhere (MS-DTYP 2.4.2.4).
const OfDomain = "s-1-5-21-"

const (
	// firstOwn is where a domain begins to give relative identifiers (MS-SAMR 3.1.1.9.2.1).
	firstOwn = 1000
	// shortest is the size of a SID with one relative identifier.
	shortest = 12
)

// Split is a SID without its last part, and that part.
func Split(sid string) (domain, rid string) {
	cut := strings.LastIndexByte(sid, '-')
	if cut < 0 {
		return sid, ""
	}
	return sid[:cut], sid[cut+1:]
}

// Below1000 reports whether a relative identifier is one that every domain gives alike.
func Below1000(rid string) bool {
	n, err := strconv.ParseUint(rid, 10, 32)
	return err == nil && n < firstOwn
}

// WellKnown reports whether a SID is the same in every domain but for the domain's part.
func WellKnown(sid []byte) bool {
	return len(sid) >= shortest && binary.LittleEndian.Uint32(sid[len(sid)-4:]) < firstOwn
}

// WithRID is a SID, as bytes, with another relative identifier, as text; "" when one of them is
// none.
func WithRID(sid []byte, rid string) string {
	n, err := strconv.ParseUint(rid, 10, 32)
	if err != nil || len(sid) < shortest {
		return ""
	}
	raw := slices.Clone(sid)
	binary.LittleEndian.PutUint32(raw[len(raw)-4:], uint32(n))
	text, _ := record.FormatSID(raw)
	return text
}

// RID is the last part of a SID, as text.
func RID(sid []byte) string {
	text, ok := record.FormatSID(sid)
	if !ok || len(sid) < shortest {
		return ""
	}
	_, rid := Split(text)
	return rid
}

// Sibling is the SID that has a relative identifier in the domain of another SID, "" for none.
func Sibling(sid string, rid [][]byte) string {
	domain, _ := Split(sid)
	if len(rid) != 1 || domain == "" {
		return ""
	}
	return domain + "-" + string(rid[0])
}

// DN names an object by its SID (MS-ADTS 3.1.1.3.1.2.4).
func DN(sid string) string { return "<SID=" + strings.ToUpper(sid) + ">" }
