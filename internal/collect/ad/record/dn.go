package record

// SplitDN takes the first element off a distinguished name (RFC 4514). Parent is empty for a
// name of one element.
func SplitDN(dn string) (first, parent string) {
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
