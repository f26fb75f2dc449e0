package directory

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"infrabackup/internal/collect/ad/record"
	"infrabackup/internal/diff/descriptor"
	"infrabackup/internal/diff/result"
)

// maxPlain is how many bytes of a value that is no text are shown as they are.
const maxPlain = 32

// shownValue is a value of an attribute for people.
func shownValue(key string, v []byte) string {
	if key == accountControl {
		return shownControl(v)
	}
	if utf8.Valid(v) && strings.IndexFunc(string(v), func(r rune) bool {
		return r < ' ' && r != '\n' && r != '\r' && r != '\t' || r == unicode.ReplacementChar
	}) < 0 {
		return string(v)
	}
	return shownBytes(v)
}

// shownBytes shows what is no text.
func shownBytes(v []byte) string {
	if len(v) <= maxPlain {
		return "0x" + hex.EncodeToString(v)
	}
	sum := sha256.Sum256(v)
	return fmt.Sprintf("%d bytes, SHA-256 %s", len(v), hex.EncodeToString(sum[:]))
}

// controls are the bits of userAccountControl (MS-ADTS 2.2.16).
var controls = []struct {
	bit  uint32
	name string
}{
	{0x2, "ACCOUNTDISABLE"}, {0x8, "HOMEDIR_REQUIRED"}, {0x20, "PASSWD_NOTREQD"}, {0x40, "PASSWD_CANT_CHANGE"}, {0x80, "ENCRYPTED_TEXT_PWD_ALLOWED"},
	{0x200, "NORMAL_ACCOUNT"}, {0x800, "INTERDOMAIN_TRUST_ACCOUNT"}, {0x1000, "WORKSTATION_TRUST_ACCOUNT"}, {0x2000, "SERVER_TRUST_ACCOUNT"},
	{0x10000, "DONT_EXPIRE_PASSWORD"}, {0x20000, "MNS_LOGON_ACCOUNT"}, {0x40000, "SMARTCARD_REQUIRED"}, {0x80000, "TRUSTED_FOR_DELEGATION"},
	{0x100000, "NOT_DELEGATED"}, {0x200000, "USE_DES_KEY_ONLY"}, {0x400000, "DONT_REQ_PREAUTH"}, {0x800000, "PASSWORD_EXPIRED"},
	{0x1000000, "TRUSTED_TO_AUTH_FOR_DELEGATION"}, {0x2000000, "NO_AUTH_DATA_REQUIRED"}, {0x4000000, "PARTIAL_SECRETS_ACCOUNT"},
}

func shownControl(v []byte) string {
	n, err := strconv.ParseInt(string(v), 10, 64)
	if err != nil {
		return shownValue("", v)
	}
	var out []string
	for _, c := range controls {
		if uint32(n)&c.bit != 0 {
			out = append(out, c.name)
		}
	}
	return string(v) + " " + strings.Join(out, " ")
}

// descriptors compares two security descriptors.
func (c *Comparer) descriptors(p *Pair, name string, a, b *record.Attribute) {
	if len(a.Values) != 1 || len(b.Values) != 1 {
		compareSets(&p.Details, name, plainValues("", a), plainValues("", b), ReasonOrder)
		return
	}
	x, errA := descriptor.Parse(a.Values[0])
	y, errB := descriptor.Parse(b.Values[0])
	if errA != nil || errB != nil {
		p.Permissions = true
		p.Details.Change(name, shownBytes(a.Values[0]), shownBytes(b.Values[0]))
		return
	}
	found := descriptor.Compare(x, y, c.Identities)
	if len(found) == 0 {
		p.Details.Ignore(ReasonOrigin)
		return
	}
	for _, d := range found {
		to := &p.Details
		if d.Inherited {
			to = &p.Inherited
		} else {
			p.Permissions, p.protected = true, p.protected || d.Protected
		}
		note(to, name+"."+d.What, d.Before, d.After)
	}
}

// note notes a difference; empty is what one side does not have.
func note(to *result.Details, path, before, after string) {
	switch {
	case before == "":
		to.Masked(path, result.Added, "", after)
	case after == "":
		to.Masked(path, result.Removed, before, "")
	default:
		to.Masked(path, result.Changed, before, after)
	}
}
