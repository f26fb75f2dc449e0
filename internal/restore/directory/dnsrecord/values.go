package dnsrecord

import "slices"

// Renamed are values with other names. One that cannot have them stays as it is.
func Renamed(values [][]byte, rename func(text string) string) [][]byte {
	out := slices.Clone(values)
	for i, value := range values {
		if r, err := Parse(value); err == nil {
			if changed, err := r.Renamed(rename); err == nil {
				out[i] = changed
			}
		}
	}
	return out
}

// Texts are the names and texts of a value, none when it cannot be read.
func Texts(value []byte) []string {
	r, err := Parse(value)
	if err != nil {
		return nil
	}
	return r.Texts()
}

// Key is what a value is compared by, itself when it cannot be read.
func Key(value []byte) []byte {
	r, err := Parse(value)
	if err != nil {
		return value
	}
	return r.Key()
}

// Missing are wanted values that are not live.
func Missing(wanted, live [][]byte) (missing [][]byte) {
	there := keysOf(live)
	for _, value := range wanted {
		if !there[string(Key(value))] {
			missing = append(missing, value)
		}
	}
	return missing
}

// Found are live values that say what others do, as the servers have them by now.
func Found(values, live [][]byte) (found [][]byte) {
	meant := keysOf(values)
	for _, value := range live {
		if meant[string(Key(value))] {
			found = append(found, value)
		}
	}
	return found
}

// keysOf has the values by what they are compared by: a node can have thousands.
func keysOf(values [][]byte) map[string]bool {
	keys := make(map[string]bool, len(values))
	for _, value := range values {
		keys[string(Key(value))] = true
	}
	return keys
}

// InTheWay are live values that cannot stay beside missing ones: what is left of a node that was
// deleted, and another CNAME, of which a name has one (RFC 1034, 3.6.2).
func InTheWay(missing, live [][]byte) (out [][]byte) {
	alias := slices.ContainsFunc(missing, func(v []byte) bool { return typeOf(v) == CNAME })
	for _, value := range live {
		if kind := typeOf(value); len(missing) > 0 && kind == Tombstone || kind == CNAME && alias {
			out = append(out, value)
		}
	}
	return out
}

func typeOf(value []byte) int {
	r, err := Parse(value)
	if err != nil {
		return -1
	}
	return int(r.Type)
}
