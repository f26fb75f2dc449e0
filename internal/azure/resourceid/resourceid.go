package resourceid

import (
	"net/url"
	"strings"
	"unicode/utf8"

	"infrabackup/internal/fault"
)

const (
	// MaxBytes bounds an ID. Resource managers take addresses of 2 KiB.
	MaxBytes = 8 << 10
	// MaxNameBytes bounds a name that becomes a part of IDs.
	MaxNameBytes = 1 << 10
)

// TooLong is the fault about an ID or a name that is longer.
func TooLong(text string) error {
	return fault.Newf(fault.LimitExceeded, "an ID or a name has %d bytes, which is too long: %.100q…", len(text), text)
}

// Normal is the one form of an ID, so that what one answer writes in a way and
// another one in a different way is the same item, the same reference and the same
// request: it begins with a slash, ends without one, has no empty segments and no
// blanks around it, and characters stand for themselves. Only a percent sign, and what
// would be a slash or cannot be shown, are percent-encoded, in upper case. Letters keep
// their case; see [Key]. Normal forms stay as they are.
func Normal(id string) string {
	if plainID(id) {
		return id
	}
	var b strings.Builder
	b.Grow(len(id) + 8)
	for segment := range strings.SplitSeq(strings.TrimSpace(id), "/") {
		before := b.Len()
		b.WriteByte('/')
		normalSegment(&b, segment)
		if strings.TrimSpace(b.String()[before+1:]) == "" {
			kept := b.String()[:before]
			b.Reset()
			b.WriteString(kept)
		}
	}
	return strings.TrimSpace(b.String())
}

// plainID reports whether an ID is in its normal form by a quick look.
func plainID(id string) bool {
	if len(id) < 2 || id[0] != '/' {
		return false
	}
	before := byte(0)
	for i := range len(id) {
		c := id[i]
		if c <= ' ' || c >= 0x7f || c == '%' || (c == '/' && before == '/') {
			return false
		}
		before = c
	}
	return before != '/'
}

const upperHex = "0123456789ABCDEF"

func normalSegment(b *strings.Builder, segment string) {
	encode := func(c byte) { b.WriteString(string([]byte{'%', upperHex[c>>4], upperHex[c&15]})) }
	// Bytes first, since a character may be written as several escapes.
	decoded := make([]byte, 0, len(segment))
	kept := make([]bool, 0, len(segment)) // it was an escape that stays one
	for i := 0; i < len(segment); i++ {
		c, escaped := segment[i], false
		if c == '%' && i+2 < len(segment) && hex(segment[i+1]) >= 0 && hex(segment[i+2]) >= 0 {
			c, escaped = byte(hex(segment[i+1])<<4|hex(segment[i+2])), true
			i += 2
		}
		decoded, kept = append(decoded, c), append(kept, c == '%' || (escaped && c == '/') || c < ' ' || c == 0x7f)
	}
	for i := 0; i < len(decoded); {
		if kept[i] {
			encode(decoded[i])
			i++
			continue
		}
		r, size := utf8.DecodeRune(decoded[i:])
		if r == utf8.RuneError && size < 2 {
			encode(decoded[i])
			i++
			continue
		}
		b.Write(decoded[i : i+size])
		i += size
	}
}

func hex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// Key is the normal form in lower case: IDs of resource managers are the same
// whatever the case of their letters.
func Key(id string) string { return strings.ToLower(Normal(id)) }

// Same reports whether two IDs name the same resource. Behind the last provider, what
// has a GUID for its name is the same at every scope: resource managers give role
// definitions that are built in at the scope that was asked, or at none.
func Same(a, b string) bool {
	a, b = Key(a), Key(b)
	if a == b {
		return true
	}
	i, j := strings.LastIndex(a, "/providers/"), strings.LastIndex(b, "/providers/")
	return i >= 0 && j >= 0 && a[i:] == b[j:] && isGUID(a[strings.LastIndexByte(a, '/')+1:]) && (i == 0 || j == 0)
}

func isGUID(name string) bool {
	if len(name) != 36 {
		return false
	}
	for i := range len(name) {
		if dash := i == 8 || i == 13 || i == 18 || i == 23; dash != (name[i] == '-') || (!dash && hex(name[i]) < 0) {
			return false
		}
	}
	return true
}

// Escape is a normal ID as the path of a URL: the escapes that it has stay, and
// everything else stands for itself.
func Escape(id string) string {
	id = Normal(id)
	if id == "" {
		return "/"
	}
	var b strings.Builder
	for {
		plain, rest, escaped := strings.Cut(id, "%")
		b.WriteString((&url.URL{Path: plain}).EscapedPath())
		if !escaped {
			return b.String()
		}
		b.WriteByte('%')
		b.WriteString(rest[:2])
		id = rest[2:]
	}
}
