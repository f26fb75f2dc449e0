package rp

import (
	"encoding/asn1"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"infrabackup/internal/apierror"
	"infrabackup/internal/backup"
	"infrabackup/internal/rp/jsonbody"
)

// maxPFX bounds a certificate with its private key, before base64.
const maxPFX = 64 << 10

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

// restore checks everything that a restore would need, and then says that it cannot be started
// here. The private key is looked at in its outer form only, and forgotten.
func (x *exchange) restore() error {
	b, err := x.named()
	if err != nil {
		return err
	}
	service, err := x.restoreOptions()
	if err != nil {
		return err
	}
	switch {
	case !b.Status.Final():
		return &apierror.Error{Status: http.StatusConflict, Code: apierror.CodeConflict, Message: "The backup " + string(b.BackupID) + " is not finished.", Remedy: "Wait until it has ended, or choose another one."}
	case b.Status != backup.Succeeded && b.Status != backup.PartialSucceeded:
		return &apierror.Error{Status: http.StatusConflict, Code: "BackupNotRestorable", Message: fmt.Sprintf("The backup %s has the status %s, so it holds nothing to restore.", b.BackupID, b.Status), Remedy: "Choose a backup that succeeded."}
	case service != "" && !slices.ContainsFunc(b.Services, func(s backup.ServiceResult) bool { return s.Service == service && s.Status == backup.Succeeded }):
		return &apierror.Error{Status: http.StatusConflict, Code: "BackupNotRestorable", Target: "roleName", Message: fmt.Sprintf("The backup %s does not hold %s.", b.BackupID, service), Remedy: "Choose a backup in which this role succeeded."}
	}
	return &apierror.Error{Status: http.StatusConflict, Code: "RestoreNotAvailable",
		Message: "The backup " + string(b.BackupID) + " was found and the request is well-formed, but this version cannot write a backup back into the services. Nothing was changed, and the private key was not kept.",
		Remedy:  "Take what is needed out of the backup at a host that has the private key, as the operations guide describes under restoring, and bring it back with each service's own tools."}
}

// restoreOptions reads the options, which 2016-05-01 does not have.
func (x *exchange) restoreOptions() (backup.Service, error) {
	if x.version.bit == v2016 {
		return "", x.noBody()
	}
	data, err := jsonbody.Read(x.w, x.r, jsonbody.MaxRestoreBytes)
	if err != nil {
		return "", err
	}
	if data == nil {
		return "", apierror.Content("", "is missing")
	}
	o, err := jsonbody.Parse(data)
	clear(data)
	if err != nil {
		return "", err
	}
	if err := o.Only("", "roleName", "decryptionCertBase64", "decryptionCertPassword"); err != nil {
		return "", err
	}
	name, err := jsonbody.String(o, "roleName", "")
	if err != nil {
		return "", err
	}
	service, err := roleService(name)
	if err != nil {
		return "", err
	}
	if _, err := jsonbody.String(o, "decryptionCertPassword", ""); err != nil {
		return "", err
	}
	pfx, err := jsonbody.String(o, "decryptionCertBase64", "")
	if err != nil {
		return "", err
	}
	return service, checkPFX(pfx)
}

// checkPFX wants base64 of what begins as a PFX does (RFC 7292: a sequence that begins with
// the integer 3) and has nothing behind it.
func checkPFX(text string) error {
	bad := func(why string) error {
		return apierror.BadValue("KeyInvalid", "decryptionCertBase64", "The decryption certificate "+why+".", "Give the .pfx file with the private key in base64.")
	}
	if text == "" {
		return bad("is missing")
	}
	der, err := decodeBase64(text)
	if err != nil {
		return bad("is not base64")
	}
	defer clear(der)
	if len(der) > maxPFX {
		return bad(fmt.Sprintf("has more than %d bytes", maxPFX))
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
	return nil
}
