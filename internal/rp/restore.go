package rp

import (
	"errors"
	"fmt"
	"net/http"
	"slices"

	"infrabackup/internal/apierror"
	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/privsep"
	"infrabackup/internal/rp/jsonbody"
	"infrabackup/internal/rp/restoreoptions"
)

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
	services := []backup.Service{service}
	if service == "" {
		services = held(b.Overview)
	}
	switch {
	case !b.Status.Final():
		return &apierror.Error{Status: http.StatusConflict, Code: apierror.CodeConflict, Message: "The backup " + string(b.BackupID) + " is not finished.", Remedy: "Wait until it has ended, or choose another one."}
	case b.Status != backup.Succeeded && b.Status != backup.PartialSucceeded:
		return &apierror.Error{Status: http.StatusConflict, Code: "BackupNotRestorable", Message: fmt.Sprintf("The backup %s has the status %s, so it holds nothing to restore.", b.BackupID, b.Status), Remedy: "Choose a backup that succeeded."}
	case service != "" && !slices.Contains(held(b.Overview), service):
		return &apierror.Error{Status: http.StatusConflict, Code: "BackupNotRestorable", Target: "roleName", Message: fmt.Sprintf("The backup %s does not hold %s.", b.BackupID, service), Remedy: "Choose a backup in which this role succeeded."}
	case x.loc.Restore == nil:
		return notAvailable(b.BackupID, "nothing says what it may be restored into", "Name a target of the workers in the configuration of this service, as 'restore' of the instance.")
	case x.version.bit == v2016:
		return notAvailable(b.BackupID, "this api-version brings no private key", "Use api-version 2018-09-01 or later, with the decryption certificate.")
	case len(services) == 0:
		return &apierror.Error{Status: http.StatusConflict, Code: "BackupNotRestorable", Message: fmt.Sprintf("The backup %s holds no service.", b.BackupID), Remedy: "Choose another backup."}
	}
	ctx, cancel := x.beginning()
	defer cancel()
	begun, err := x.loc.Restore.BeginRestore(ctx, b.BackupID, services, key, x.by())
	if err != nil {
		return x.keyRefused(err)
	}
	x.h.results.begin(x.loc, begun.ID, nil)
	return x.accepted(begun.ID, restoreSeconds)
}

// held are the services that a backup holds. They are named to the restore also when all are
// wanted: one that the target has nothing for is refused then, and not left out in silence.
func held(b backup.Overview) (services []backup.Service) {
	for _, s := range b.Services {
		if s.Status == backup.Succeeded {
			services = append(services, s.Service)
		}
	}
	return services
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
		f.Target = restoreoptions.Password
	case fault.KeyInvalid:
		f.Target, f.Remedy = restoreoptions.Certificate, "Give the .pfx file with the private key of the encryption certificate in base64."
	case fault.KeyDoesNotFit:
		f.Target, f.Remedy = restoreoptions.Certificate, "Give the certificate that the backup names, with its private key."
	}
	return f
}

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
	return restoreoptions.Parse(o)
}
