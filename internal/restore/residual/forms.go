package residual

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"strconv"
	"strings"
)

const (
	// maxNested is how many layers of base64 are taken off.
	maxNested = 3
	// shortest is how long base64 is that can hold a name.
	shortest = 12
)

// bytes looks through bytes in every form. Form is what they were wrapped in.
func (l *look) bytes(at string, data []byte, form string, nested int) {
	if len(l.found) >= maxFindings {
		return
	}
	legible := nested == 0 || hasText(data, l.scanner.shortest)
	if legible {
		l.plain(at, strings.ToLower(string(data)), form+"text")
	}
	for _, tail := range l.scanner.sids {
		if i := bytes.Index(data, tail); i >= 2 && data[i-2] == 1 {
			l.add(Finding{Member: at, What: "domainSid", Form: form + "sid"})
		}
	}
	for _, text := range wide(data) {
		l.plain(at, strings.ToLower(text), form+"utf16le")
	}
	if nested == maxNested || !legible {
		return
	}
	for _, run := range runs(data) {
		for shift := range 4 { // it may follow other letters
			if shift > len(run) {
				break
			}
			decoded := make([]byte, len(run))
			n, _ := base64.RawStdEncoding.Decode(decoded, run[shift:shift+(len(run)-shift)/4*4])
			tail := run[shift+(len(run)-shift)/4*4:]
			if len(tail) > 1 {
				more := make([]byte, 2)
				m, _ := base64.RawStdEncoding.Decode(more, tail) // bits that are left over do not matter
				decoded = append(decoded[:n], more[:m]...)
				n = len(decoded)
			}
			l.bytes(at, decoded[:n], strings.TrimSuffix(form, "base64 ")+"base64 ", nested+1)
		}
	}
}

// hasText reports whether bytes have a run of ASCII that is long enough for a name. Most of what
// is taken for base64 is none, and what it gives has not.
func hasText(data []byte, shortest int) bool {
	n := 0
	for _, c := range data {
		if c < ' ' || c > '~' {
			n = 0
		} else if n++; n >= shortest {
			return true
		}
	}
	return false
}

// plain looks for names in a text in lower case.
func (l *look) plain(at, low, form string) {
	for i := range l.scanner.names {
		n := &l.scanner.names[i]
		for from := 0; ; {
			k := strings.Index(low[from:], n.text)
			if k < 0 {
				break
			}
			begin, end := from+k, from+k+len(n.text)
			from = begin + 1
			if !n.stands(low, begin, end) {
				continue
			}
			f := Finding{Member: at, What: n.what, Form: form}
			if n.kind == sid && form == "text" {
				f.SID = wholeSID(low, begin)
			}
			l.add(f)
		}
	}
	l.tokens(at, low, form)
}

// tokens looks for GUIDs and whole SIDs, of which a site can have thousands.
func (l *look) tokens(at, low, form string) {
	for from := 0; len(l.scanner.sidsOf) > 0; {
		k := strings.Index(low[from:], "s-1-")
		if k < 0 {
			break
		}
		sid := wholeSID(low, from+k)
		if what := l.scanner.sidsOf[sid]; what != "" {
			l.add(Finding{Member: at, What: what, Form: form})
		}
		from += k + len("s-1-")
	}
	for begin := 0; begin < len(low); begin++ {
		if !isHexDigit(low[begin]) || begin > 0 && isHexDigit(low[begin-1]) && !(begin >= 3 && low[begin-3] == '%') {
			continue
		}
		if what := l.scanner.guids[guidAt(low, begin)]; what != "" {
			l.add(Finding{Member: at, What: what, Form: form})
		}
	}
}

// wholeSID is the SID that begins at a place.
func wholeSID(low string, begin int) string {
	end := begin + len("s-1-")
	for end < len(low) && (low[end] == '-' || isDigit(low[end])) {
		end++
	}
	return strings.TrimRight(low[begin:end], "-")
}

// guidAt is the GUID that begins at a place, with hyphens or written without; "" for none.
func guidAt(low string, begin int) string {
	closed := func(n int) bool { return begin+n <= len(low) && (begin+n == len(low) || !isHexDigit(low[begin+n])) }
	if closed(36) && isGUID(low[begin:begin+36]) {
		return low[begin : begin+36]
	}
	if !closed(32) {
		return ""
	}
	p := low[begin : begin+32]
	if guid := p[:8] + "-" + p[8:12] + "-" + p[12:16] + "-" + p[16:20] + "-" + p[20:]; isGUID(guid) {
		return guid
	}
	return ""
}

// stands reports whether a name stands by itself at a place of a text in lower case.
func (n *name) stands(low string, begin, end int) bool {
	left, right := byte(0), byte(0)
	if begin > 0 {
		left = low[begin-1]
	}
	if end < len(low) {
		right = low[end]
	}
	escaped := begin >= 3 && low[begin-3] == '%' && isHexDigit(low[begin-2]) && isHexDigit(left)
	switch n.kind {
	case sid:
		return !isDigit(right)
	case netbios:
		return right == '\\' && !(isLabel(left) && !escaped) && left != '=' && end+1 < len(low) && isLabel(low[end+1])
	case path:
		if isLabel(left) && !escaped || isLabel(right) || strings.HasPrefix(low[end:], ",dc=") || right == '.' {
			return false
		}
	default:
		if isLabel(left) && !escaped || isLabel(right) {
			return false
		}
	}
	for _, whole := range n.within {
		if at := end - len(whole); at >= 0 && low[at:end] == whole && (at == 0 || !isLabel(low[at-1]) || at >= 3 && low[at-3] == '%') {
			return false
		}
	}
	return true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isHexDigit(c byte) bool { return isDigit(c) || 'a' <= c && c <= 'f' }

// isLabel reports whether a byte, in lower case, belongs to a label of a host's name.
func isLabel(c byte) bool { return isDigit(c) || 'a' <= c && c <= 'z' || c == '-' || c == '_' }

// wide are the texts that bytes hold in UTF-16LE, of at least four characters of ASCII.
func wide(data []byte) (texts []string) {
	for at := 0; at+1 < len(data); {
		end := at
		for end+1 < len(data) && data[end+1] == 0 && data[end] >= ' ' && data[end] < 0x7f {
			end += 2
		}
		if end-at < 8 {
			at++
			continue
		}
		text := make([]byte, 0, (end-at)/2)
		for i := at; i < end; i += 2 {
			text = append(text, data[i])
		}
		texts = append(texts, string(text))
		at = end
	}
	return texts
}

// runs are the parts of bytes that can be base64, of the common and of the URL's alphabet,
// with line breaks in between, in the common alphabet and without these.
func runs(data []byte) (all [][]byte) {
	var run []byte
	end := func() {
		if len(run) >= shortest {
			all = append(all, run)
		}
		run = nil
	}
	for _, c := range data {
		switch {
		case c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', isDigit(c), c == '+', c == '/':
			run = append(run, c)
		case c == '-':
			run = append(run, '+')
		case c == '_':
			run = append(run, '/')
		case c == '\r', c == '\n':
		default:
			end()
		}
	}
	end()
	return all
}

// sidTail is what the binary form of a domain's SID and of all its accounts has behind the
// revision and the number of parts: the authority and the domain's parts (MS-DTYP 2.4.2.2).
func sidTail(text string) ([]byte, bool) {
	parts := strings.Split(strings.ToLower(text), "-")
	if len(parts) != 7 || parts[0] != "s" || parts[1] != "1" || parts[2] != "5" {
		return nil, false
	}
	tail := []byte{0, 0, 0, 0, 0, 5}
	for _, part := range parts[3:] {
		n, err := strconv.ParseUint(part, 10, 32)
		if err != nil {
			return nil, false
		}
		tail = binary.LittleEndian.AppendUint32(tail, uint32(n))
	}
	return tail, true
}
