package recovery

import (
	"context"

	"infrabackup/internal/backup"
	"infrabackup/internal/control"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/privsep"
	"infrabackup/internal/restore"
	"infrabackup/internal/secret"
)

// Control is what is asked of an instance. [control.Controller] documents the methods.
type Control interface {
	KeyFile(ctx context.Context, id backup.ID) (flow.KeyFileOutput, error)
	BeginRestore(ctx context.Context, in flow.RestoreInput) (control.Begun, error)
}

// Keys opens the keys of backups. [privsep.KeyOpener] does.
type Keys interface {
	OpenKey(ctx context.Context, operator privsep.OperatorKey, keyAge []byte, public string) (privsep.OpenedKey, error)
}

// Restorer restores backups of one instance into one target of its workers. Fields are required.
type Restorer struct {
	Control Control
	Keys    Keys
	Target  string
	// Production consents to a target that may be the cloud that was backed up.
	Production bool
}

// BeginRestore begins to restore services of a backup, which are named. A target that has nothing
// for one of them is refused by the run, with TARGET_NOT_CONFIGURED and nothing written. The
// run makes a plan and does what that says; what cannot be undone it does not do, since no person
// has read the plan. It does not change key, and keeps nothing of it. Errors are those of
// [privsep.KeyOpener.OpenKey] and of the methods of [Control].
func (r Restorer) BeginRestore(ctx context.Context, id backup.ID, services []backup.Service, key privsep.OperatorKey, by string) (control.Begun, error) {
	if len(services) == 0 { // which a plan takes for all that the target has something for
		return control.Begun{}, fault.Newf(fault.RequestRefused, "the restore of backup %s names no service", id)
	}
	file, err := r.Control.KeyFile(ctx, id)
	if err != nil {
		return control.Begun{}, err
	}
	opened, err := r.Keys.OpenKey(ctx, key, file.KeyAge, file.Public)
	if err != nil {
		return control.Begun{}, err
	}
	first := flow.RestoreFirst{Selection: restore.Selection{Services: services}, Recipients: opened.Recipients, Production: r.Production}
	begun, err := r.Control.BeginRestore(ctx, flow.RestoreInput{
		RestoreAccess: flow.RestoreAccess{Target: r.Target, Key: secret.NewTransfer(opened.Key.Text()), RequestedBy: by},
		BackupID:      id, First: &first,
	})
	if err == nil && begun.ID == "" {
		err = fault.Newf(fault.AnswerRefused, "the restore has no ID")
	}
	return begun, err
}
