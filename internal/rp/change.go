package rp

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"

	"infrabackup/internal/apierror"
	"infrabackup/internal/board"
	"infrabackup/internal/control"
	"infrabackup/internal/fault"
	"infrabackup/internal/rp/jsonbody"
	"infrabackup/internal/schedule"
	"infrabackup/internal/seal"
	"infrabackup/internal/settings"
)

func (x *exchange) putLocation() error { return x.changeLocation(x.version.replaces) }

func (x *exchange) patchLocation() error { return x.changeLocation(false) }

// changeLocation begins the change that a body asks for, as one revision of the settings.
func (x *exchange) changeLocation(replace bool) error {
	data, err := jsonbody.Read(x.w, x.r, jsonbody.MaxBytes)
	if err != nil {
		return err
	}
	p, err := x.parseLocation(data)
	if err != nil {
		return err
	}
	if replace {
		if err := p.complete(x.snap); err != nil {
			return err
		}
	}
	wanted, err := p.wanted(x.snap)
	if err != nil {
		return err
	}
	if wanted == nil {
		return x.accepted(nothingDone, x.version.changeSeconds)
	}
	wanted.RequestedBy = x.by()
	begun, err := x.beginChange(*wanted)
	if err != nil {
		return err
	}
	return x.accepted(begun, x.version.changeSeconds)
}

// beginChange begins a change and returns the id of the operation, [nothingDone] when it is
// done already.
func (x *exchange) beginChange(wanted control.Wanted) (string, error) {
	ctx, cancel := x.beginning()
	defer cancel()
	begun, err := x.loc.Control.BeginChange(ctx, wanted)
	if err != nil {
		return "", x.refused(err)
	}
	if begun.ID == "" {
		// Nothing was to be done, or it was done at once, as with a schedule alone.
		if begun.Schedule != nil {
			next := *begun.Schedule
			x.loc.Board.Apply(func(s *board.Snapshot) { s.Schedule.Setting = next })
		}
		return nothingDone, nil
	}
	at := x.h.options.Now()
	x.h.results.begin(x.loc, begun.ID, begun.Schedule)
	x.loc.Board.Apply(func(s *board.Snapshot) {
		if s.Change == nil {
			s.Change = &board.Change{ID: begun.ID, StartedAt: at}
		}
	})
	return begun.ID, nil
}

// beginning is the context in which operations begin: a client that hangs up in between must
// not leave it open whether something was begun.
func (x *exchange) beginning() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(x.r.Context()), beginTimeout)
}

// complete makes a patch the whole of a store: what is absent becomes what it was before
// anything was set.
func (p *patch) complete(s *board.Snapshot) error {
	usual := schedule.Default()
	p.schedule.FrequencyHours = cmp.Or(p.schedule.FrequencyHours, &usual.FrequencyHours)
	p.schedule.RetentionDays = cmp.Or(p.schedule.RetentionDays, &usual.RetentionDays)
	p.schedule.Enabled = cmp.Or(p.schedule.Enabled, &usual.Enabled)
	if p.path == nil && p.user == nil && p.password.IsZero() && p.recipient == nil {
		if !s.Enabled && !s.AsOf.IsZero() {
			return nil // it is clear
		}
		return &apierror.Error{Status: http.StatusConflict, Code: "ExternalStoreCannotBeCleared", Target: storePath,
			Message: "PUT replaces the whole store, and this one would clear it, so that nothing could be backed up or verified any more; nothing was changed.",
			Remedy:  "Send PATCH to change single members. To stop scheduled backups, set isBackupSchedulerEnabled to false with PATCH."}
	}
	return p.missing("PUT replaces the whole store at this api-version, so it has to be given; nothing was changed.", "Give it, or send PATCH to keep what is set.")
}

// missing names the first member that a store cannot be without.
func (p *patch) missing(why, remedy string) error {
	for _, m := range []struct {
		name string
		gone bool
	}{{memberPath, p.path == nil}, {memberUser, p.user == nil}, {memberPassword, p.password.IsZero()}, {memberCert, p.recipient == nil}} {
		if m.gone {
			return apierror.BadValue("MissingMember", jsonbody.Join(storePath, m.name), "The member '"+m.name+"' is missing. "+why, remedy)
		}
	}
	return nil
}

// wanted is the change that a patch makes to what is set, nil when it makes none as far as can
// be seen. A password cannot be seen, so one that is given is always handed on.
func (p *patch) wanted(s *board.Snapshot) (*control.Wanted, error) {
	var w control.Wanted
	any := false
	if p.path != nil && (!s.Enabled || settings.Share{Path: *p.path}.Place() != s.Settings.Share.Place()) {
		w.Share, any = &settings.Share{Path: *p.path}, true
	}
	if p.user != nil && (!s.Enabled || *p.user != s.Settings.Username) {
		w.Username, any = *p.user, true
	}
	if !p.password.IsZero() {
		w.Password, any = p.password, true
	}
	if p.recipient != nil && !p.isRecipient(s) {
		w.Recipients, any = []seal.Recipient{*p.recipient}, true
	}
	if changes(p.schedule, s) {
		w.SchedulePatch, any = p.schedule, true
	}
	if !any {
		return nil, nil
	}
	if !s.Enabled {
		w.Instance = s.Instance
	}
	// While nothing could be read yet, control knows better whether something is set.
	if !s.Enabled && !s.AsOf.IsZero() {
		if err := p.missing("Nothing is set yet, so it has to be given; nothing was changed.", "Give path, user name, password and encryption key or certificate together."); err != nil {
			return nil, err
		}
	}
	return &w, nil
}

// isRecipient reports whether backups are encrypted to the patch's key already.
func (p *patch) isRecipient(s *board.Snapshot) bool {
	if !s.Enabled {
		return false
	}
	for _, r := range s.Settings.Recipients {
		if r.Fingerprint == p.recipient.Fingerprint && (r.Thumbprint == p.recipient.Thumbprint || r.Thumbprint == "" && r.Expires.Equal(p.recipient.Expires)) {
			return true
		}
	}
	return false
}

// changes reports whether a patch of the schedule can change something: control knows that
// where the board has read nothing yet.
func changes(p schedule.Patch, s *board.Snapshot) bool {
	if s.AsOf.IsZero() {
		return p != schedule.Patch{}
	}
	now := settingOf(s)
	return p.Over(now) != now
}

// settingOf is the schedule as it is, the usual one where none was ever set.
func settingOf(s *board.Snapshot) schedule.Setting {
	if s.Schedule.FrequencyHours == 0 {
		return schedule.Default()
	}
	return s.Schedule.Setting
}

// refused is the error of an operation that could not be begun, with what is in the way.
func (x *exchange) refused(err error) error {
	f := apierror.AtRequest(err)
	if f.Code != apierror.CodeConflict {
		return f
	}
	s := x.loc.Board.Snapshot()
	id := ""
	switch {
	case errors.Is(err, fault.BackupRunning) && s.Running != nil:
		id = string(s.Running.BackupID)
	case errors.Is(err, fault.ChangeRunning) && s.Change != nil:
		id = s.Change.ID
	}
	if id != "" {
		at := x.v1Path("/operations/" + url.PathEscape(id))
		if x.version != nil {
			at = x.resultURL(id)
		}
		f.Info = append(f.Info, apierror.Info{Type: "RunningOperation", Info: apierror.Running{ID: id, Location: at}})
	}
	return f
}
