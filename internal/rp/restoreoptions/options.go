package restoreoptions

import (
	"encoding/asn1"
	"fmt"
	"strings"

	"infrabackup/internal/apierror"
	"infrabackup/internal/backup"
	"infrabackup/internal/privsep"
	"infrabackup/internal/rp/jsonbody"
	"infrabackup/internal/seal"
)

// The members that bring a private key.
const (
	Certificate = "decryptionCertBase64"
	Password    = "decryptionCertPassword"
)

// roleAliases are Azure Stack's names of services that have another name here.
var roleAliases = map[string]backup.Service{
	"was": backup.ARM, "domain": backup.AD,
	"keyvaultinternalcontrolplane": backup.KeyVault, "keyvaultinternaldataplane": backup.KeyVault, "keyvaultcontrolplane": backup.KeyVault,
	"keyvaultdataplane": backup.KeyVault, "keyvaultnamingservice": backup.KeyVault,
}

// roleService finds the service of a role's name; the empty name is all of them. The refusal
// does not repeat the name: beside it stands a password, and people mix fields up.
func roleService(name string) (backup.Service, error) {
	if name == "" {
		return "", nil
	}
	if s, ok := roleAliases[strings.ToLower(name)]; ok {
		return s, nil
	}
	s, err := backup.ParseService(name)
	if err != nil {
		return "", apierror.BadValue(apierror.CodeContent, "roleName", "The role is not known.", "Leave it empty for all roles, or use one of those that the backup shows.")
	}
	return s, nil
}

// Parse reads the options of a restore: the service of its role, empty for all, and the private
// key with its password. Errors are [apierror.Error].
func Parse(o jsonbody.Object) (service backup.Service, key privsep.OperatorKey, err error) {
	if err := o.Only("", "roleName", Certificate, Password); err != nil {
		return "", key, err
	}
	name, err := jsonbody.String(o, "roleName", "")
	if err != nil {
		return "", key, err
	}
	if service, err = roleService(name); err != nil {
		return "", key, err
	}
	password, err := jsonbody.String(o, Password, "")
	if err != nil {
		return "", key, err
	}
	text, err := jsonbody.String(o, Certificate, "")
	if err != nil {
		return "", key, err
	}
	pfx, err := readPFX(text)
	return service, privsep.OperatorKey{File: pfx, Password: []byte(password)}, err
}

// readPFX wants base64 of what begins as a PFX does (RFC 7292: a sequence that begins with
// the integer 3) and has nothing behind it.
func readPFX(text string) ([]byte, error) {
	bad := func(why string) ([]byte, error) {
		return nil, apierror.BadValue("KeyInvalid", Certificate, "The decryption certificate "+why+".", "Give the .pfx file with the private key in base64.")
	}
	if text == "" {
		return bad("is missing")
	}
	der, err := jsonbody.Base64(text)
	if err != nil {
		return bad("is not base64")
	}
	if len(der) > seal.MaxPFX {
		return bad(fmt.Sprintf("has more than %d bytes", seal.MaxPFX))
	}
	var outer asn1.RawValue
	rest, err := asn1.Unmarshal(der, &outer)
	if err != nil || len(rest) > 0 || outer.Class != asn1.ClassUniversal || outer.Tag != asn1.TagSequence || !outer.IsCompound {
		return bad("is no .pfx file")
	}
	var version int
	if _, err := asn1.Unmarshal(outer.Bytes, &version); err != nil || version != 3 {
		return bad("is no .pfx file")
	}
	return der, nil
}
