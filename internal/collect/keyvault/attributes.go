package keyvault

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"infrabackup/internal/azure"
)

// Codes of gaps.
const (
	GapDisabled      = "VERSION_DISABLED"       // the vault gives a disabled version to nobody
	GapExpired       = "VERSION_EXPIRED"        // nor one that has expired
	GapNotYetValid   = "VERSION_NOT_YET_VALID"  // nor one before its time
	GapNotExportable = "KEY_NOT_EXPORTABLE"     // the policy keeps the private key in the vault
	GapBlobRefused   = "BACKUP_BLOB_REFUSED"    // the vault makes no blob of this object
	GapDeletedHidden = "DELETED_OBJECTS_UNREAD" // the vault keeps deleted objects and does not list them
	GapNoAddress     = "VAULT_WITHOUT_ADDRESS"  // the vault's resource does not say where it is
	GapContacts      = "CONTACTS_UNREADABLE"    // reading them needs a permission that changes them
)

// attributes are what decides whether a vault gives a version.
type attributes struct {
	disabled        bool
	expires, begins int64 // Unix seconds, 0 for never and always
}

// attributesOf reads them from an element of a list.
func attributesOf(item []byte) attributes {
	all := gjson.GetBytes(item, "attributes")
	enabled := all.Get("enabled")
	return attributes{
		disabled: enabled.Exists() && enabled.Type != gjson.Null && !enabled.Bool(),
		expires:  all.Get("exp").Int(), begins: all.Get("nbf").Int(),
	}
}

// closed says why a version is given to nobody at a time, as the code of a gap, "" when
// it is open.
func (a attributes) closed(at time.Time) string {
	switch {
	case a.disabled:
		return GapDisabled
	case a.expires > 0 && a.expires <= at.Unix():
		return GapExpired
	case a.begins > 0 && a.begins > at.Unix():
		return GapNotYetValid
	}
	return ""
}

var closedReasons = map[string]string{
	GapDisabled:    "The vault gives a disabled version to no caller",
	GapExpired:     "The vault gives an expired version to no caller",
	GapNotYetValid: "The vault gives a version before its time to no caller",
}

// innerOf is the vault's own precise word for a refusal, "" when it has none.
func innerOf(err error) string {
	var said *azure.AnswerError
	if errors.As(err, &said) {
		return said.Inner
	}
	return ""
}

// byPolicy reports whether a refusal is surely about permissions or networks, by the
// codes that vaults are known to use.
func byPolicy(err error) bool {
	return slices.Contains([]string{"AccessDenied", "ForbiddenByPolicy", "ForbiddenByRbac", "ForbiddenByFirewall", "ForbiddenByConnection"}, innerOf(err))
}

// byState reports whether a refusal is surely about the object, as SecretDisabled is.
func byState(err error) bool {
	inner := innerOf(err)
	return slices.ContainsFunc([]string{"Disabled", "Expired", "NotYetValid", "Managed"}, func(word string) bool { return strings.HasSuffix(inner, word) })
}
