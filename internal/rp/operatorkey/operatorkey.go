package operatorkey

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"infrabackup/internal/apierror"
	"infrabackup/internal/fault"
	"infrabackup/internal/privsep"
	"infrabackup/internal/rp/jsonbody"
	"infrabackup/internal/seal"
)

const (
	pfxMember      = "pfx"
	passwordMember = "password"
	identityMember = "identity"
)

// Of is the private key that a member of a body brings; false when it is absent or null. The caller
// clears it.
func Of(o jsonbody.Object, member string) (key privsep.OperatorKey, given bool, err error) {
	f, ok := o[strings.ToLower(member)]
	if !ok || f.Value == nil {
		return key, false, nil
	}
	k, ok := f.Value.(jsonbody.Object)
	if !ok {
		return key, false, apierror.Content(f.Name, "is not an object")
	}
	if err := k.Only(member, pfxMember, passwordMember, identityMember); err != nil {
		return key, false, err
	}
	var values [3]string
	for i, name := range []string{pfxMember, passwordMember, identityMember} {
		if values[i], err = jsonbody.String(k, name, member); err != nil {
			return key, false, err
		}
	}
	pfx, password, identity := values[0], values[1], values[2]
	switch {
	case (pfx == "") == (identity == ""):
		return key, false, apierror.Content(member, "has to have either 'pfx', with its 'password', or 'identity'")
	case identity != "" && password != "":
		return key, false, apierror.Content(member+"."+passwordMember, "goes with a 'pfx' only")
	case identity != "":
		return privsep.OperatorKey{File: []byte(identity)}, true, nil
	}
	file, err := jsonbody.Base64(pfx)
	if err != nil || len(file) > seal.MaxPFX {
		return key, false, apierror.Content(member+"."+pfxMember, fmt.Sprintf("is not base64 of at most %d bytes", seal.MaxPFX))
	}
	return privsep.OperatorKey{File: file, Password: []byte(password)}, true, nil
}

// Refused ties an error that is about a key to the member that the key came in; any other stays.
func Refused(err error, member string) error {
	code := fault.CodeOf(err)
	var shaped *apierror.Error
	if errors.As(err, &shaped) || !slices.Contains([]fault.Code{fault.KeyPassword, fault.KeyInvalid, fault.KeyDoesNotFit, fault.KeyNotHeld}, code) {
		return err
	}
	f := apierror.AtRequest(err)
	f.Target = member
	switch code {
	case fault.KeyPassword:
		f.Target += "." + passwordMember
	case fault.KeyInvalid, fault.KeyDoesNotFit:
		f.Remedy = "Give the private key of one of the recipients that the backup names: a .pfx file in base64, or the text of a key file."
	}
	return f
}
