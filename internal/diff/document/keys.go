package document

import (
	"strings"

	"infrabackup/internal/backup"
	"infrabackup/internal/diff/jsondiff"
)

// Twin says by what an item is found again that has another ID on the other side.
type Twin struct {
	// Key is the same for both; empty when there is nothing to find it by.
	Key string
	// Same, when not empty, is the reason for which such a pair is no difference at all. Then
	// any two with one key are a pair, else only when neither side has a second one.
	Same string
}

// guids are members of properties that a provider draws once and keeps while a resource lives.
var guids = []string{"resourceGuid", "vmId", "uniqueId"}

// nilGUID is what some providers give in place of one.
const nilGUID = "00000000-0000-0000-0000-000000000000"

// Twin finds out by what an item is found again. Principal says what the other side calls a
// principal; it is nil for the second side.
func (c *Comparer) Twin(service backup.Service, kind, id string, data []byte, principal func(string) string) Twin {
	root, err := c.Read(service, kind, data)
	if err != nil {
		return Twin{} // it is compared by its ID alone
	}
	properties := root.Member("properties")
	switch {
	case service == backup.RBAC && kind == "role-assignment":
		who, role := strings.ToLower(properties.Text("principalId")), strings.ToLower(properties.Text("roleDefinitionId"))
		if principal != nil {
			who = principal(who)
		}
		scope := strings.ToLower(strings.TrimRight(properties.Text("scope"), "/"))
		if who == "" || role == "" {
			return Twin{}
		}
		return Twin{Key: strings.Join([]string{scope, role[strings.LastIndexByte(role, '/')+1:], who}, "\x00"), Same: ReasonName}
	case service == backup.KeyVault && strings.HasSuffix(kind, "-version"):
		return Twin{Key: c.vaultKey(id, root), Same: ReasonObject}
	}
	for _, name := range guids {
		if guid := strings.ToLower(properties.Text(name)); guid != "" && guid != nilGUID {
			return Twin{Key: name + "\x00" + guid}
		}
	}
	return Twin{}
}

// vaultKey is the object that a version is of, and what the version holds.
func (c *Comparer) vaultKey(id string, root jsondiff.Value) string {
	at := strings.LastIndexByte(id, '/')
	if at < 0 {
		return ""
	}
	content := []byte(id[:at])
	for _, name := range []string{"value", "contentType", "tags", "cer", "x5t"} {
		content = append(root.Member(name).AppendPrints(append(content, 0)), 0)
	}
	for _, name := range []string{"kty", "crv", "n", "e", "x", "y", "key_ops"} {
		content = append(root.Member("key").Member(name).AppendPrints(append(content, 0)), 0)
	}
	for _, name := range []string{"enabled", "nbf", "exp"} {
		content = append(root.Member("attributes").Member(name).AppendPrints(append(content, 0)), 0)
	}
	print := c.key.Of(content)
	clear(content)
	return string(print[:])
}
