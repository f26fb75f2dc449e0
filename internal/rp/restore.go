package rp

import (
	"encoding/asn1"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"infrabackup/internal/apierror"
	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/privsep"
	"infrabackup/internal/rp/jsonbody"
	"infrabackup/internal/seal"
)

// roleAliases are Azure Stack's names of services that have another name here.
var roleAliases = map[string]backup.Service{
	"was": backup.ARM, "domain": backup.AD,
	"keyvaultinternalcontrolplane": backup.KeyVault, "keyvaultinternaldataplane": backup.KeyVault, "keyvaultcontrolplane": backup.KeyVault,
	"keyvaultdataplane": backup.KeyVault, "keyvaultnamingservice": backup.KeyVault,
}

// roleService finds the service of a role's name; the empty name is all of them.
func roleService(name string) (backup.Service, error) {
	if name == "" {
		return "", nil
	}
	if s, ok := roleAliases[strings.ToLower(name)]; ok {
		return s, nil
	}
	s, err := backup.ParseService(name)
	if err != nil {
		return "", apierror.BadValue(apierror.CodeContent, "roleName", "The role "+apierror.Quoted(name)+" is not known.", "Leave it empty for all roles, or use one of those that the backup shows.")
	}
	return s, nil
}

// restore begins to write a backup back into the target that the configuration names. Every
// check that needs neither a worker nor the private key comes first.
func (x *exchange) restore() error {
	b, err := x.named()
	if err != nil {
		return err
	}
	service, key, err := x.restoreOptions()
	if err != nil {
		return err
	}
	defer key.Clear()
	switch {
	case !b.Status.Final():
		return &apierror.Error{Status: http.StatusConflict, Code: apierror.CodeConflict, Message: "The backup " + string(b.BackupID) + " is not finished.", Remedy: "Wait until it has ended, or choose another one."}
	case b.Status != backup.Succeeded && b.Status != backup.PartialSucceeded:
		return &apierror.Error{Status: http.StatusConflict, Code: "BackupNotRestorable", Message: fmt.Sprintf("The backup %s has the status %s, so it holds nothing to restore.", b.BackupID, b.Status), Remedy: "Choose a backup that succeeded."}
	case service != "" && !slices.ContainsFunc(b.Services, func(s backup.ServiceResult) bool { return s.Service == service && s.Status == backup.Succeeded }):
		return &apierror.Error{Status: http.StatusConflict, Code: "BackupNotRestorable", Target: "roleName", Message: fmt.Sprintf("The backup %s does not hold %s.", b.BackupID, service), Remedy: "Choose a backup in which this role succeeded."}
	case x.loc.Restore == nil:
		return notAvailable(b.BackupID, "nothing says what it may be restored into", "Name a target of the workers in the configuration of this service, as 'restore' of the instance.")
	case x.version.bit == v2016:
		return notAvailable(b.BackupID, "this api-version brings no private key", "Use api-version 2018-09-01 or later, with the decryption certificate.")
	}
	ctx, cancel := x.beginning()
	defer cancel()
	begun, err := x.loc.Restore.BeginRestore(ctx, b.BackupID, service, key, x.by())
	if err != nil {
		return x.keyRefused(err)
	}
	x.h.results.begin(x.loc, begun.ID, nil)
	return x.accepted(begun.ID, restoreSeconds)
}

// restoreSeconds is how long to wait before asking how far a restore is, as Azure Stack says.
const restoreSeconds = 60

func notAvailable(id backup.ID, why, remedy string) error {
	return &apierror.Error{Status: http.StatusConflict, Code: "RestoreNotAvailable",
		Message: "The backup " + string(id) + " was found and the request is well-formed, but " + why + ". Nothing was changed, and no private key was kept.", Remedy: remedy}
}

// keyRefused ties what is wrong with a key to the member that brought it.
func (x *exchange) keyRefused(err error) error {
	refused := x.refused(err)
	var f *apierror.Error
	if !errors.As(refused, &f) {
		return refused
	}
	switch fault.CodeOf(err) {
	case fault.KeyPassword:
		f.Target = memberPFXPassword
	case fault.KeyInvalid:
		f.Target, f.Remedy = memberPFX, "Give the .pfx file with the private key of the encryption certificate in base64."
	case fault.KeyDoesNotFit:
		f.Target, f.Remedy = memberPFX, "Give the certificate that the backup names, with its private key."
	}
	return f
}

// The members that bring a private key.
const (
	memberPFX         = "decryptionCertBase64"
	memberPFXPassword = "decryptionCertPassword"
)

// restoreOptions reads the options, which 2016-05-01 does not have.
func (x *exchange) restoreOptions() (service backup.Service, key privsep.OperatorKey, err error) {
	if x.version.bit == v2016 {
		return "", key, x.noBody()
	}
	data, err := jsonbody.Read(x.w, x.r, jsonbody.MaxRestoreBytes)
	if err != nil {
		return "", key, err
	}
	if data == nil {
		return "", key, apierror.Content("", "is missing")
	}
	o, err := jsonbody.Parse(data)
	clear(data)
	if err != nil {
		return "", key, err
	}
	if err := o.Only("", "roleName", memberPFX, memberPFXPassword); err != nil {
		return "", key, err
	}
	name, err := jsonbody.String(o, "roleName", "")
	if err != nil {
		return "", key, err
	}
	if service, err = roleService(name); err != nil {
		return "", key, err
	}
	password, err := jsonbody.String(o, memberPFXPassword, "")
	if err != nil {
		return "", key, err
	}
	text, err := jsonbody.String(o, memberPFX, "")
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
		return nil, apierror.BadValue("KeyInvalid", memberPFX, "The decryption certificate "+why+".", "Give the .pfx file with the private key in base64.")
	}
	if text == "" {
		return bad("is missing")
	}
	der, err := decodeBase64(text)
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
