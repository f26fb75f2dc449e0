package directory

import (
	"strings"

	"infrabackup/internal/collect/ad/record"
)

// rdnType is the attribute that names an object, in small letters.
func rdnType(dn string) string {
	first, _ := record.SplitDN(dn)
	name, _, _ := strings.Cut(first, "=")
	return strings.ToLower(strings.TrimSpace(name))
}
