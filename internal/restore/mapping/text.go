package mapping

import (
	"strings"
)

// isWord reports whether a byte can be part of a label of a domain name. Names that something
// with such a byte stands beside are other names.
func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_'
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

// begins reports whether a name can begin at a place of a text: what is before it is no part
// of a word, or a character as URLs write it, such as %2F.
func begins(text string, at int) bool {
	return at == 0 || !isWord(text[at-1]) || at >= 3 && text[at-3] == '%' && isHex(text[at-2]) && isHex(text[at-1])
}

func ends(text string, at int) bool { return at == len(text) || !isWord(text[at]) }

// as writes a name as another one was written: in capitals when that was.
func as(name, written string) string {
	if strings.ToUpper(written) == written && lower(written) != written {
		return strings.ToUpper(name)
	}
	return name
}

// hostsIn replaces domain names, and what ends with them.
func (n *Names) hostsIn(text string) string {
	if !strings.Contains(text, ".") {
		return text
	}
	low := asciiLower(text)
	var out strings.Builder
	done := 0
	for at := 0; at < len(text); {
		if !isWord(text[at]) || !begins(text, at) {
			at++
			continue
		}
		c, ok := first(n.hosts, low, at, func(end int) bool { return ends(text, end) })
		if !ok {
			at++
			continue
		}
		out.WriteString(text[done:at])
		out.WriteString(as(c.to, text[at:at+len(c.from)]))
		at += len(c.from)
		done = at
	}
	if done == 0 {
		return text
	}
	out.WriteString(text[done:])
	return out.String()
}

// first is the first change, of those in their order, whose name stands at a place.
func first(changes []change, low string, at int, fits func(end int) bool) (change, bool) {
	for _, c := range changes {
		if strings.HasPrefix(low[at:], c.from) && fits(at+len(c.from)) {
			return c, true
		}
	}
	return change{}, false
}

// cloudAppsIn replaces regions in names of public addresses, as in web.local.cloudapp.azs.test.
func (n *Names) cloudAppsIn(text string) string {
	const mark = ".cloudapp."
	low := asciiLower(text)
	var out strings.Builder
	done := 0
	for {
		at := strings.Index(low[done:], mark)
		if at < 0 {
			out.WriteString(text[done:])
			return out.String()
		}
		at += done
		from := at
		for from > done && isWord(text[from-1]) && !(from < at && begins(text, from)) {
			from--
		}
		out.WriteString(text[done:from])
		out.WriteString(as(n.region(text[from:at]), text[from:at]))
		out.WriteString(text[at : at+len(mark)])
		done = at + len(mark)
	}
}

// pathsIn replaces distinguished names of domains.
func (n *Names) pathsIn(text string) string {
	if len(n.paths) == 0 || len(text) < len("dc=") {
		return text
	}
	low := asciiLower(text)
	if !strings.Contains(low, "dc=") {
		return text
	}
	var out strings.Builder
	done := 0
	for at := 0; at < len(text); at++ {
		if !strings.HasPrefix(low[at:], "dc=") || !begins(text, at) {
			continue
		}
		c, ok := first(n.paths, low, at, func(end int) bool {
			return ends(text, end) && !strings.HasPrefix(low[end:], ",dc=") && !(end < len(text) && text[end] == '.')
		})
		if !ok {
			continue
		}
		to := c.to
		if text[at] == 'D' {
			to = strings.ReplaceAll(to, "dc=", "DC=")
		}
		if written := strings.ReplaceAll(text[at:at+len(c.from)], "DC=", ""); strings.ToUpper(written) == written && lower(written) != written {
			to = strings.ToUpper(to)
		}
		out.WriteString(text[done:at])
		out.WriteString(to)
		done = at + len(c.from)
		at = done - 1
	}
	if done == 0 {
		return text
	}
	out.WriteString(text[done:])
	return out.String()
}

const (
	guidLength  = 36
	plainLength = 32 // without hyphens
)

// guidsIn replaces GUIDs, with hyphens or without.
func (n *Names) guidsIn(text string) string {
	if len(text) < plainLength || len(n.guids) == 0 {
		return text
	}
	var out strings.Builder
	done := 0
	for at := 0; at+plainLength <= len(text); at++ {
		if !isHex(text[at]) || at > 0 && isHex(text[at-1]) && !begins(text, at) {
			continue
		}
		length, to := n.guidAt(text, at)
		if length == 0 {
			continue
		}
		out.WriteString(text[done:at])
		out.WriteString(as(to, text[at:at+length]))
		done = at + length
		at = done - 1
	}
	if done == 0 {
		return text
	}
	out.WriteString(text[done:])
	return out.String()
}

// guidAt is a known GUID that stands at a place, with its length there.
func (n *Names) guidAt(text string, at int) (length int, to string) {
	closed := func(end int) bool { return end == len(text) || !isHex(text[end]) }
	if at+guidLength <= len(text) && text[at+8] == '-' && closed(at+guidLength) {
		if to, ok := n.guids[lower(text[at:at+guidLength])]; ok {
			return guidLength, to
		}
	}
	if !closed(at + plainLength) {
		return 0, ""
	}
	plain := lower(text[at : at+plainLength])
	if to, ok := n.guids[plain[:8]+"-"+plain[8:12]+"-"+plain[12:16]+"-"+plain[16:20]+"-"+plain[20:]]; ok {
		return plainLength, strings.ReplaceAll(to, "-", "")
	}
	return 0, ""
}

// SIDsIn replaces those SIDs of a text, such as S-1-5-21-1-2-3-1104, of which find, which is
// given them in lower case, knows another one.
func SIDsIn(text string, find func(sid string) (string, bool)) string {
	var out strings.Builder
	done := 0
	for at := 0; at+len("s-1-") <= len(text); at++ {
		if (text[at] != 'S' && text[at] != 's') || text[at+1:at+4] != "-1-" {
			continue
		}
		end := at + len("s-1-")
		for end < len(text) && (text[end] == '-' || text[end] >= '0' && text[end] <= '9') {
			end++
		}
		for text[end-1] == '-' {
			end--
		}
		if to, ok := find(lower(text[at:end])); ok {
			if text[at] == 's' {
				to = lower(to)
			}
			out.WriteString(text[done:at])
			out.WriteString(to)
			done = end
		}
		at = end - 1
	}
	if done == 0 {
		return text
	}
	out.WriteString(text[done:])
	return out.String()
}

// netbiosIn replaces short names of domains, which stand before a backslash.
func (n *Names) netbiosIn(text string) string {
	if len(n.netbios) == 0 || !strings.Contains(text, `\`) {
		return text
	}
	var out strings.Builder
	done := 0
	for at := 0; at < len(text); at++ {
		if text[at] != '\\' || at+1 == len(text) || !isWord(text[at+1]) {
			continue
		}
		from := at
		for from > done && isWord(text[from-1]) && !(from < at && begins(text, from)) {
			from--
		}
		if to, ok := n.netbios[lower(text[from:at])]; ok && (from == 0 || text[from-1] != '=') { // CN=CORP\2C is an escape of a distinguished name
			out.WriteString(text[done:from])
			out.WriteString(to)
			done = at
		}
	}
	if done == 0 {
		return text
	}
	out.WriteString(text[done:])
	return out.String()
}

// asciiLower is a text in lower case with every byte in its place.
func asciiLower(text string) string {
	for i := range len(text) {
		if text[i] >= 'A' && text[i] <= 'Z' {
			b := []byte(text)
			for j, c := range b {
				if c >= 'A' && c <= 'Z' {
					b[j] = c + 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return text
}
