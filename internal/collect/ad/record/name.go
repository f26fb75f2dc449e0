package record

import (
	"bytes"
	"strconv"
	"strings"
)

// depth counts the elements of a distinguished name: a comma within one stands
// behind a backslash (RFC 4514, 2.4).
func depth(dn string) int {
	n := 1
	for i := 0; i < len(dn); i++ {
		switch dn[i] {
		case '\\':
			i++
		case ',':
			n++
		}
	}
	return n
}

// deletedMark stands in the name of a deleted object: a line feed, DEL: and its
// GUID (MS-ADTS 3.1.1.5.5.1.3), the line feed as RFC 4514 escapes it.
const deletedMark = `\0ADEL:`

// linkedName is the distinguished name in a value, which may have something in front
// of it (DN-Binary, DN-String).
func linkedName(value []byte) string {
	return string(value[max(0, NamePrefix(value)):])
}

// Below reports whether a distinguished name is base or lies below it. Names are
// compared as one controller writes them, without case.
func Below(dn, base string) bool {
	if len(dn) <= len(base) {
		return strings.EqualFold(dn, base)
	}
	at := len(dn) - len(base)
	return strings.EqualFold(dn[at:], base) && dn[at-1] == ',' && !escaped(dn[:at-1])
}

// escaped reports whether what follows text stands behind an odd number of backslashes.
func escaped(text string) bool {
	return (len(text)-len(strings.TrimRight(text, `\`)))%2 == 1
}

// NamePrefix measures what stands in front of the distinguished name in a value of
// DN-Binary or DN-String: B:n:…: or S:n:…:, where n counts the characters between
// (MS-ADTS 3.1.1.3.1.6). It is 0 for a value that begins like neither, and -1 for one that
// only begins so.
func NamePrefix(value []byte) int {
	if len(value) <= 2 || value[0] != 'B' && value[0] != 'S' || value[1] != ':' {
		return 0
	}
	digits := bytes.IndexByte(value[2:], ':')
	if digits < 1 || digits > 9 {
		return -1
	}
	n, err := strconv.Atoi(string(value[2 : 2+digits]))
	end := 2 + digits + 1 + n
	if err != nil || n < 0 || end >= len(value) || value[end] != ':' {
		return -1
	}
	return end + 1
}
