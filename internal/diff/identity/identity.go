package identity

import "strings"

// Map translates what the first side calls an object into what the second side calls it. The
// zero value translates nothing. It is not changed while it is in use.
type Map struct {
	sids, guids map[string]string
}

// New makes a map of SIDs, such as S-1-5-21-1-2-3-1104, and of objectGUIDs, each from old to
// new. Letters compare without case.
func New(sids, guids map[string]string) Map {
	return Map{sids: lowered(sids), guids: lowered(guids)}
}

func lowered(m map[string]string) map[string]string {
	out := make(map[string]string, len(m))
	for from, to := range m {
		out[strings.ToLower(from)] = strings.ToLower(to)
	}
	return out
}

// Empty reports whether nothing is translated.
func (m Map) Empty() bool { return len(m.sids)+len(m.guids) == 0 }

// SID translates a SID in text. It is returned in small letters.
func (m Map) SID(sid string) string { return translate(m.sids, sid) }

// GUID translates an objectGUID in text. It is returned in small letters.
func (m Map) GUID(guid string) string { return translate(m.guids, guid) }

func translate(m map[string]string, text string) string {
	text = strings.ToLower(text)
	if to, ok := m[text]; ok {
		return to
	}
	return text
}

// Text translates a text that is a SID or a GUID, and leaves every other one as it is.
func (m Map) Text(text string) string {
	if m.Empty() || len(text) > 200 {
		return text
	}
	lower := strings.ToLower(text)
	if to, ok := m.sids[lower]; ok {
		return to
	}
	if to, ok := m.guids[lower]; ok {
		return to
	}
	return text
}
