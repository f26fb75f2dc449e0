package pki

import (
	"strings"
)

// IsKeyURI reports whether a key is named by reference rather than by file:
// a PKCS#11 URI (RFC 7512), or the handle of another store or engine.
func IsKeyURI(value string) bool {
	lower := strings.ToLower(value)
	for _, scheme := range []string{"pkcs11:", "handle:", "tpmkey:", "engine:", "org.openssl.engine:"} {
		if strings.HasPrefix(lower, scheme) {
			return true
		}
	}
	return false
}

// PublicKeyURI takes out of a key's URI whatever can hold a PIN: the attributes
// pin-value and pin-source of RFC 7512, and any other query, since vendors put
// secrets there as well.
func PublicKeyURI(uri string) string {
	uri, _, _ = strings.Cut(strings.TrimSpace(uri), "?")
	scheme, rest, ok := strings.Cut(uri, ":")
	if !ok || !strings.EqualFold(scheme, "pkcs11") {
		return scheme + ":…"
	}
	var kept []string
	for attribute := range strings.SplitSeq(rest, ";") {
		name, _, _ := strings.Cut(attribute, "=")
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "token", "manufacturer", "serial", "model", "library-manufacturer", "library-description", "library-version",
			"object", "type", "id", "slot-id", "slot-manufacturer", "slot-description":
			kept = append(kept, attribute)
		}
	}
	return scheme + ":" + strings.Join(kept, ";")
}
