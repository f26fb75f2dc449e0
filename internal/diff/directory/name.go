package directory

import "strings"

// split takes the first element off a distinguished name (RFC 4514). Parent is empty for a
// name of one element.
func split(dn string) (first, parent string) {
	for i := 0; i < len(dn); i++ {
		switch dn[i] {
		case '\\':
			i++
		case ',':
			return dn[:i], dn[i+1:]
		}
	}
	return dn, ""
}

// rdnType is the attribute that names an object, in small letters.
func rdnType(dn string) string {
	first, _ := split(dn)
	name, _, _ := strings.Cut(first, "=")
	return strings.ToLower(strings.TrimSpace(name))
}
