package ldiftest

import (
	"encoding/base64"
	"fmt"
	"strings"
)

// Record is one record: names and values in
// order.
type Record [][2]string

// Read is an independent reader for RFC 2849 content and change records. It takes
// values that look like URLs as they are, since ldbsearch writes such.
func Read(text string) ([]Record, error) {
	var all []Record
	var current Record
	for line := range strings.SplitSeq(strings.ReplaceAll(text, "\n ", ""), "\n") {
		switch {
		case line == "":
			if len(current) > 0 {
				all = append(all, current)
			}
			current = nil
		case line[0] == '#' || line == "-":
		default:
			name, value, ok := strings.Cut(line, ":")
			if !ok {
				return nil, fmt.Errorf("line %q has no colon", line)
			}
			if encoded, ok := strings.CutPrefix(value, ":"); ok {
				raw, err := base64.StdEncoding.DecodeString(strings.TrimLeft(encoded, " "))
				if err != nil {
					return nil, err
				}
				value = string(raw)
			} else {
				value = strings.TrimLeft(value, " ") // FILL, RFC 2849
			}
			current = append(current, [2]string{name, value})
		}
	}
	return all, nil
}

// Value is the first value under a name, or "".
func (r Record) Value(name string) string {
	for _, pair := range r {
		if pair[0] == name {
			return pair[1]
		}
	}
	return ""
}
