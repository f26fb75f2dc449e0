package main

import (
	"context"
	"slices"
	"text/tabwriter"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/operator"
	"infrabackup/internal/repository"
	"infrabackup/internal/repository/audit"
	"infrabackup/internal/repository/ledger"
	"infrabackup/internal/seal"
	"infrabackup/internal/settings"
)

// rekeying replaces the keys of finished backups, as their holder.
type rekeying struct {
	app        *app
	door       controller
	settings   settings.Settings
	place      *operator.LocalRepo
	diff       *audit.LedgerDiff
	ledger     *ledger.Ledger
	identities []seal.Identity
	recipients []seal.Recipient
	owns       map[backup.ID]seal.Identity // of the backups that were opened to wrap their keys anew
}

func (a *app) rekeying(ctx context.Context, keyFiles []string) (*rekeying, error) {
	r := &rekeying{app: a}
	var err error
	if r.identities, err = identities(ctx, keyFiles); err != nil {
		return nil, err
	}
	if r.door, err = a.controller(ctx); err != nil {
		return nil, err
	}
	if r.settings, err = r.door.Settings(ctx); err != nil {
		return nil, err
	}
	for _, s := range r.settings.Recipients {
		recipient, err := seal.ParseRecipient(s.Text)
		if err != nil {
			return nil, err
		}
		r.recipients = append(r.recipients, recipient)
	}
	if r.place, err = a.open(ctx, storeFlags{}); err != nil {
		return nil, err
	}
	if err = r.compare(ctx); err != nil {
		a.closeRepo(r.place)
		return nil, err
	}
	return r, nil
}

// compare reads the ledger, and compares the backups with it.
func (r *rekeying) compare(ctx context.Context) error {
	diff, err := audit.Compare(ctx, r.place.Repo, r.place.Signers)
	if err != nil {
		return err
	}
	r.diff, r.ledger = diff, diff.Ledger
	return nil
}

// reliable makes sure that the ledger is whole and as new as the service remembers: a
// thief who cuts it must not hide which backups his key could open.
func (r *rekeying) reliable(ctx context.Context) error {
	summary, err := r.door.Summary(ctx)
	if err != nil {
		return err
	}
	return r.ledger.CheckIntact(summary.Ledger)
}

// rekeyed is what became of one backup.
type rekeyed struct {
	BackupID backup.ID `json:"backupId"`
	Path     string    `json:"path"`
	Result   string    `json:"result"`
	Written  int64     `json:"writtenBytes"`
	Code     string    `json:"code,omitempty"`
	Message  string    `json:"message,omitempty"`
}

// Results of replacing a backup's key.
const (
	resultRewrapped   = "rewrapped"
	resultReencrypted = "reencrypted"
	resultCleared     = "cleared"   // it has the keys in force, and nothing lies beside it any more
	resultAlready     = "already"   // it has the keys in force
	resultNotOpened   = "notOpened" // the given key does not fit
	resultFailed      = "failed"
)

// rekeyedDocument is what -o json prints.
type rekeyedDocument struct {
	Recipients []backup.Recipient `json:"recipients"`
	Backups    []rekeyed          `json:"backups"`
}

// inForce reports whether a backup has the keys in force, by the ledger.
func (r *rekeying) inForce(known ledger.State) bool {
	return sameRecipients(known.Recipients, r.settings.PublicRecipients())
}

// unlocked is a backup with its own key.
type unlocked struct {
	backup  *repository.Backup
	keyFile []byte
	own     seal.Identity
}

func (r *rekeying) unlock(ctx context.Context, id backup.ID) (unlocked, error) {
	b, err := r.place.Repo.Open(ctx, backup.Ref{ID: id})
	if err != nil {
		return unlocked{}, err
	}
	keyFile, err := b.KeyFile(ctx)
	if err != nil {
		return unlocked{}, err
	}
	own, err := seal.OpenBackupKey(keyFile, r.identities)
	return unlocked{b, keyFile, own}, err
}

func (d *rekeyed) fail(err error) {
	f := fault.As(err)
	d.Result, d.Code, d.Message = resultFailed, string(f.Code), f.Message()
	if f.Code == fault.KeyDoesNotFit {
		d.Result = resultNotOpened
	}
}

func sameRecipients(a, b []backup.Recipient) bool {
	if len(a) != len(b) {
		return false
	}
	for _, one := range a {
		if !slices.Contains(b, one) {
			return false
		}
	}
	return true
}

// finish prints what was done. The exit code tells of backups that do not have the
// keys in force.
func (r *rekeying) finish(all []rekeyed, unreadable []backup.Finding) error {
	document := rekeyedDocument{Recipients: r.settings.PublicRecipients(), Backups: all}
	if document.Backups == nil {
		document.Backups = []rekeyed{}
	}
	code, notOpened := fault.ExitOK, false
	err := r.app.print(document, func(w *tabwriter.Writer) {
		line(w, "BACKUP", "RESULT", "WRITTEN", "MESSAGE")
		for _, d := range all {
			line(w, d.BackupID, d.Result, size(d.Written), d.Message)
		}
	})
	for _, d := range all {
		switch d.Result {
		case resultNotOpened:
			notOpened = true
		case resultFailed:
			code = fault.Code(d.Code).Exit()
		}
	}
	if notOpened && code == fault.ExitOK {
		code = fault.ExitKeyDoesNotFit
	}
	for _, f := range unreadable {
		r.app.say("Warning: %s was passed over: %s", f.File, f.Message)
		code = max(code, fault.ExitDamaged)
	}
	if err != nil || code == fault.ExitOK {
		return err
	}
	if notOpened {
		r.app.say("Not every backup has the keys in force. Start again with --identity naming a key that opens the others.")
	} else {
		r.app.say("Not every backup has the keys in force. `infrabackup backup verify --all` tells more of the others.")
	}
	return exitCode(code)
}
