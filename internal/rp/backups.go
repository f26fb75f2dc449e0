package rp

import (
	"net/http"
	"strings"

	"infrabackup/internal/apierror"
	"infrabackup/internal/backup"
	"infrabackup/internal/board"
	"infrabackup/internal/flow"
	"infrabackup/internal/rp/jsonbody"
	"infrabackup/internal/rp/wire"
)

// backupView is a backup with the snapshot that it is seen in.
type backupView struct {
	board.Backup
	snapshot *board.Snapshot
	elapsed  string // duration of the run so far, or of all of it
}

// roles are the states of the services.
func (b backupView) roles() []wire.RoleStatus {
	all := []wire.RoleStatus{}
	for _, s := range b.Services {
		all = append(all, wire.RoleStatus{RoleName: string(s.Service), Status: statusWord(s.Status)})
	}
	return all
}

// statusWord is one of the seven words that clients know; any other would break them.
func statusWord(s backup.Status) string {
	switch s {
	case backup.Creating, backup.Queued, backup.Running, backup.Deleted, backup.PartialSucceeded, backup.Succeeded:
		return string(s)
	}
	return string(backup.Failed)
}

// created is the end of the run, as Azure Stack has it, and its start while it runs.
func (b backupView) created() *string {
	if b.FinishedAt.IsZero() {
		return wire.Date(b.StartedAt)
	}
	return wire.Date(b.FinishedAt)
}

// uploaded reports whether everything of it is on the share.
func (b backupView) uploaded() bool {
	return b.Path != "" && (b.Status == backup.Succeeded || b.Status == backup.PartialSucceeded)
}

// recoveryReady reports whether all that a backup has to contain is in it, it was verified,
// the holder of a key that opens it was heard of, and nothing has made it worthless since.
func (b backupView) recoveryReady() bool {
	if !b.Good() || b.VerifiedAt.IsZero() || b.Restorable.IsZero() {
		return false
	}
	for _, want := range b.snapshot.Settings.Services {
		found := false
		for _, s := range b.Services {
			found = found || s.Service == want && s.Status == backup.Succeeded
		}
		if !found {
			return false
		}
	}
	for _, r := range b.snapshot.Settings.Recipients {
		if r.ProvenAt.IsZero() {
			continue
		}
		if len(b.Recipients) == 0 { // lists leave them out
			return true
		}
		for _, own := range b.Recipients {
			if own.Fingerprint == r.Fingerprint {
				return true
			}
		}
	}
	return false
}

// view sees a backup in a snapshot.
func (x *exchange) view(s *board.Snapshot, b board.Backup) backupView {
	end := b.FinishedAt
	if end.IsZero() {
		end = x.h.options.Now()
	}
	return backupView{Backup: b, snapshot: s, elapsed: wire.Duration(end.Sub(b.StartedAt))}
}

// backupBody is a backup as the version shows it.
func (x *exchange) backupBody(s *board.Snapshot, b board.Backup) any {
	name := x.spelled()
	r := wire.Resource{
		ID: x.locationID(name) + "/backups/" + string(b.BackupID), Name: name + "/" + string(b.BackupID),
		Type: wire.BackupType, Location: x.loc.name, Tags: map[string]string{},
	}
	v := x.view(s, b)
	return x.version.backup(r, wire.Backup{
		ID: string(b.BackupID), Status: statusWord(b.Status), Elapsed: v.elapsed, DeploymentID: s.Instance.DeploymentID, Created: v.created(), Thumbprint: wire.Text(b.Thumbprint),
		Roles: v.roles(), RecoveryReady: v.recoveryReady(), Uploaded: v.uploaded(), Automatic: b.Scheduled,
	})
}

// lookUp finds a backup by its GUID.
func lookUp(s *board.Snapshot, id backup.ID) (board.Backup, bool) {
	for _, b := range s.Backups {
		if b.BackupID == id {
			return b, true
		}
	}
	return board.Backup{}, false
}

// named finds the backup of the address, which is given by its GUID or as LOCATION/GUID.
func (x *exchange) named() (board.Backup, error) {
	id := x.params.Backup
	if location, rest, ok := strings.Cut(id, "/"); ok {
		id = rest
		if !strings.EqualFold(location, x.loc.name) {
			id = ""
		}
	}
	b, ok := lookUp(x.snap, backup.ID(strings.ToLower(id)))
	if err := unread(x.snap); !ok && err != nil {
		return board.Backup{}, err // it may be there
	}
	if !ok {
		return board.Backup{}, apierror.NotFound("The backup " + apierror.Quoted(x.params.Backup) + " could not be found in the location " + apierror.Quoted(x.spelled()) + ".")
	}
	return b, nil
}

func (x *exchange) listBackups() error {
	top, skip, err := x.page()
	if err != nil {
		return err
	}
	body := wire.List{Value: []any{}}
	backups := x.snap.Backups[min(skip, len(x.snap.Backups)):]
	for _, b := range backups[:min(top, len(backups))] {
		body.Value = append(body.Value, x.backupBody(x.snap, b))
	}
	return x.answer(http.StatusOK, apierror.MediaType, body)
}

func (x *exchange) getBackup() error {
	b, err := x.named()
	if err != nil {
		return err
	}
	return x.answer(http.StatusOK, apierror.MediaType, x.backupBody(x.snap, b))
}

func (x *exchange) createBackup() error {
	if err := x.noBody(); err != nil {
		return err
	}
	if x.snap.Fault == nil && !x.snap.AsOf.IsZero() && !x.snap.Enabled {
		return &apierror.Error{Status: http.StatusConflict, Code: apierror.CodeNotConfigured, Message: "No backup location is set, so nothing can be backed up.",
			Remedy: "Set path, user name, password and encryption key of the backup location first."}
	}
	ctx, cancel := x.beginning()
	defer cancel()
	begun, err := x.loc.Control.BeginBackup(ctx, x.by())
	if err != nil {
		return x.refused(err)
	}
	at, id, by := x.h.options.Now(), backup.ID(begun.ID), x.by()
	x.h.results.begin(x.loc, begun.ID, nil)
	x.loc.Board.Apply(func(s *board.Snapshot) {
		if _, known := lookUp(s, id); known {
			return
		}
		s.Running = &flow.Progress{BackupID: id, Status: backup.Creating, StartedAt: at, Services: []flow.ServiceProgress{}}
		s.Backups = append([]board.Backup{{Overview: backup.Overview{
			BackupID: id, Status: backup.Creating, StartedAt: at, RequestedBy: by, Services: []backup.ServiceResult{},
		}}}, s.Backups...)
	})
	return x.accepted(begun.ID, x.version.beginSeconds)
}

// noBody takes nothing, or an object without members.
func (x *exchange) noBody() error {
	data, err := jsonbody.Read(x.w, x.r, jsonbody.MaxBytes)
	if err != nil || data == nil {
		return err
	}
	o, err := jsonbody.Parse(data)
	if err != nil {
		return err
	}
	return o.Only("")
}
