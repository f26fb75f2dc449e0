package pki

import (
	"path"
	"regexp"
	"strings"
)

var caName = regexp.MustCompile(`^((root|sub|issuing|intermediate|enterprise)[-_.]?)?ca([-_.]?(cert|certificate|crt|key|private))?([-_.]?(g|v|gen)?[0-9]+|[-_.](old|new|prev|previous|renewed))*$`)

// IsCAName reports whether a file has a name that is usual for a CA's own
// certificate or key: cacert.pem, ca.crt, ca-key.pem, ca.key.pem, rootca-2.crt …
func IsCAName(name string) bool {
	base := strings.ToLower(path.Base(name))
	for {
		ext := path.Ext(base)
		switch ext {
		case ".pem", ".crt", ".cer", ".cert", ".der", ".key", ".old", ".bak", ".enc":
			base = strings.TrimSuffix(base, ext)
			continue
		}
		return caName.MatchString(base)
	}
}

// IsDatabaseName reports whether a file is by its name part of a CA's database.
func IsDatabaseName(name string) bool {
	base := path.Base(name)
	for _, suffix := range []string{".old", ".new"} {
		base = strings.TrimSuffix(base, suffix)
	}
	switch base {
	case "index.txt", "index.txt.attr", "serial", "crlnumber":
		return true
	}
	return strings.HasSuffix(base, ".srl")
}

// IsConfigName reports whether a file is by its name configuration.
func IsConfigName(name string) bool {
	base := path.Base(name)
	switch path.Ext(base) {
	case ".cnf", ".conf", ".cfg":
		return true
	}
	return base == "vars" || path.Base(path.Dir(name)) == "x509-types"
}
