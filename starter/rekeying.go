package main

import (
	"context"
	"text/tabwriter"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/operator"
	"infrabackup/internal/operator/localfile"
	"infrabackup/internal/operator/rekeying"
	"infrabackup/internal/settings"
	"infrabackup/internal/ui"
	"infrabackup/internal/ui/table"
)

// rekeyRun is a command that replaces the keys of backups.
type rekeyRun struct {
	*rekeying.Rekeyer
	app      *app
	settings settings.Settings
	place    *operator.LocalRepo
}

func (a *app) rekey(ctx context.Context, keyFiles []string) (*rekeyRun, error) {
	r := &rekeyRun{app: a}
	keys, err := localfile.Identities(ctx, keyFiles)
	if err != nil {
		return nil, err
	}
	c, err := a.controller(ctx)
	if err != nil {
		return nil, err
	}
	if r.settings, err = c.Settings(ctx); err != nil {
		return nil, err
	}
	r.Rekeyer, err = rekeying.New(c, rekeying.Options{Instance: a.instance, Settings: r.settings, Identities: keys, RequestedBy: operator.Requester()})
	if err != nil {
		return nil, err
	}
	if r.place, err = a.open(ctx, storeFlags{}); err != nil {
		return nil, err
	}
	if err = r.Read(ctx, r.place); err != nil {
		a.closeRepo(r.place)
		return nil, err
	}
	return r, nil
}

// rekeyedDocument is what -o json prints.
type rekeyedDocument struct {
	Recipients []backup.Recipient `json:"recipients"`
	Backups    []rekeying.Rekeyed `json:"backups"`
}

// finish prints what was done. The exit code tells of backups that do not have the
// current keys.
func (r *rekeyRun) finish(out rekeying.Outcome) error {
	document := rekeyedDocument{Recipients: r.settings.PublicRecipients(), Backups: out.Backups}
	if document.Backups == nil {
		document.Backups = []rekeying.Rekeyed{}
	}
	code, notOpened := fault.ExitOK, false
	err := r.app.print(document, func(w *tabwriter.Writer) {
		table.Line(w, "BACKUP", "RESULT", "WRITTEN", "MESSAGE")
		for _, d := range out.Backups {
			table.Line(w, d.BackupID, d.Result, ui.Size(d.Written), d.Message)
		}
	})
	for _, d := range out.Backups {
		switch d.Result {
		case rekeying.NotOpened:
			notOpened = true
		case rekeying.Failed:
			code = fault.Code(d.Code).Exit()
		}
	}
	if notOpened && code == fault.ExitOK {
		code = fault.ExitKeyDoesNotFit
	}
	for _, f := range out.Unreadable {
		r.app.say("Warning: %s was passed over: %s", f.File, f.Message)
		code = max(code, fault.ExitDamaged)
	}
	if err != nil || code == fault.ExitOK {
		return err
	}
	if notOpened {
		r.app.say("Not every backup has the current keys. Start again with --identity naming a key that opens the others.")
	} else {
		r.app.say("Not every backup has the current keys. `infrabackup backup verify --all` reports on the others.")
	}
	return exitCode(code)
}
