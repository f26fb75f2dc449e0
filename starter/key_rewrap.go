package main

import (
	"context"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/repository"
	"infrabackup/internal/seal"
	"infrabackup/internal/settings"
)

func (a *app) keyRewrapCommand() *cobra.Command {
	var keyFiles []string
	cmd := &cobra.Command{
		Use:   "rewrap --identity OLD",
		Short: "Let the keys in force open the older backups too, and the old key none",
		Long: `Give every older backup the keys that are in force. Run it where the old private key is:
this command unwraps each backup's own key with it, wraps that to the keys in force, and
hands the result to a worker, which signs it. The private key does not leave this machine.
The worker takes a new key only from somebody who shows that the backup opens for them,
and only for as many keys of each kind as are in force.

Only key.age and the signed sums change, some KiB a backup; the parts stay as they are.
Afterwards the old key opens none of them. An interrupted run is simply started again; that
also removes what lies beside a backup as if its key were being replaced. A backup that is in
an earlier state than the ledger on the share tells of is not touched, and fails.

A key that somebody else has got hold of is another matter: whoever copied the old
key.age can still open that copy. For that see "infrabackup key revoke".`,
		Example: "  infrabackup key rewrap --identity old-operator.key",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := a.bounded(cmd.Context())
			defer cancel()
			if len(keyFiles) == 0 {
				return usage("--identity is needed: the file with a private key that opens the older backups")
			}
			r, err := a.rekeying(ctx, keyFiles)
			if err != nil {
				return err
			}
			defer r.place.close(a)
			return r.rewrap(ctx)
		},
	}
	cmd.Flags().StringArrayVar(&keyFiles, "identity", nil, "file with a private key that opens the older backups; may be repeated")
	return cmd
}

// rekeying replaces the keys of finished backups, as their holder.
type rekeying struct {
	app        *app
	door       controller
	settings   settings.Settings
	place      *opened
	standing   *repository.Standing
	ledger     *repository.Ledger
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
		r.place.close(a)
		return nil, err
	}
	return r, nil
}

// compare reads the ledger, and compares the backups with it.
func (r *rekeying) compare(ctx context.Context) error {
	standing, err := r.place.repo.Compare(ctx, r.place.signers)
	if err != nil {
		return err
	}
	r.standing, r.ledger = standing, standing.Ledger
	return nil
}

// reliable makes sure that the ledger is whole and as new as the service remembers: a
// thief who cuts it must not hide which backups his key could open.
func (r *rekeying) reliable(ctx context.Context) error {
	summary, err := r.door.Summary(ctx)
	if err != nil {
		return err
	}
	if len(r.ledger.Findings) > 0 {
		return fault.Newf(fault.LedgerDamaged, "the ledger cannot be relied on: %s", r.ledger.Findings[0].Message)
	}
	if now := r.ledger.Head(); now.Sequence < summary.Ledger.Sequence {
		return fault.Newf(fault.LedgerRolledBack, "the ledger on the share ends with entry %d, and had %d", now.Sequence, summary.Ledger.Sequence)
	}
	return nil
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

func (r *rekeying) rewrap(ctx context.Context) error {
	listing, err := r.place.repo.List(ctx, 0)
	if err != nil {
		return err
	}
	var all []rekeyed
	var keys []flow.WrappedKey
	for _, b := range listing.Backups {
		done := rekeyed{BackupID: b.BackupID, Path: b.Path}
		key, err := r.newKey(ctx, b)
		switch {
		case err != nil:
			done.fail(err)
		case key == nil:
			done.Result = resultAlready
		default:
			keys = append(keys, flow.WrappedKey{BackupID: b.BackupID, KeyAge: key})
		}
		all = append(all, done)
	}
	replaced, err := r.hand(ctx, keys)
	for _, b := range replaced {
		i := slices.IndexFunc(all, func(d rekeyed) bool { return d.BackupID == b.BackupID })
		all[i].Result, all[i].Written = resultRewrapped, b.Written
		if known, _ := r.ledger.State(b.BackupID); !b.Changed && r.inForce(known) {
			all[i].Result = resultCleared
		}
	}
	if err != nil {
		return err
	}
	return r.finish(all, listing.Unreadable)
}

// hand hands the new keys to a worker, batch by batch, and vouches for each: the worker
// makes challenges that only the backups' own keys answer.
func (r *rekeying) hand(ctx context.Context, keys []flow.WrappedKey) ([]flow.ReplacedBackup, error) {
	var done []flow.ReplacedBackup
	for batch := range slices.Chunk(keys, flow.RewrapBatch) {
		if err := r.vouch(ctx, batch); err != nil {
			return done, err
		}
		replaced, err := r.door.Rewrap(ctx, r.settings.Revision, batch, r.app.caller())
		done = append(done, replaced...)
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// vouch answers the challenges to those of the backups whose keys were opened here.
func (r *rekeying) vouch(ctx context.Context, batch []flow.WrappedKey) error {
	var ids []backup.ID
	for _, key := range batch {
		if _, opened := r.owns[key.BackupID]; opened {
			ids = append(ids, key.BackupID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	challenges, err := r.door.KeyFileChallenges(ctx, r.settings.Revision, ids)
	if err != nil {
		return err
	}
	for i := range batch {
		at := slices.IndexFunc(challenges, func(c flow.KeyFileChallenge) bool { return c.BackupID == batch[i].BackupID })
		if at < 0 {
			continue
		}
		statement, err := seal.KeyFileStatement(r.app.instance, batch[i].BackupID, r.settings.Revision, r.settings.PublicRecipients(), batch[i].KeyAge)
		if err != nil {
			return err
		}
		challenge := challenges[at]
		if batch[i].Voucher, err = seal.VouchForKeyFile(challenge.Text, r.owns[batch[i].BackupID], statement); err != nil {
			return err
		}
		challenge.Text = nil
		batch[i].Challenge = &challenge
	}
	return nil
}

// newKey returns the key.age that a backup is to have; nil when nothing is to be done. A
// backup that has the keys in force by the ledger gets the one that it has there, when
// replacing that did not end or files lie beside it. One that is in another state than
// the ledger tells of is for its operator to look at: nothing of it is used.
func (r *rekeying) newKey(ctx context.Context, b backup.Overview) ([]byte, error) {
	known, _ := r.ledger.State(b.BackupID)
	differs := r.standing.Of(b.Path)
	switch {
	case differs != nil && fault.CodeOf(differs) != fault.RewrapUnfinished:
		return nil, differs
	case !r.inForce(known):
		return r.wrap(ctx, b.BackupID)
	case differs != nil:
		return r.place.repo.NewestKey(ctx, b.BackupID, known.SumsSHA256)
	}
	return nil, nil
}

// inForce reports whether a backup has the keys in force, by the ledger.
func (r *rekeying) inForce(known repository.LedgerState) bool {
	return sameRecipients(known.Recipients, r.settings.PublicRecipients())
}

// wrap opens a backup's key and wraps it to the keys in force.
func (r *rekeying) wrap(ctx context.Context, id backup.ID) ([]byte, error) {
	u, err := r.unlock(ctx, id)
	if err != nil {
		return nil, err
	}
	if u.own.Public() != u.backup.Manifest().BackupKey {
		return nil, fault.Newf(fault.BackupForged, "key.age of backup %s holds another key than its parts are encrypted to", id)
	}
	if r.owns == nil {
		r.owns = map[backup.ID]seal.Identity{}
	}
	r.owns[id] = u.own
	return seal.Rewrap(u.keyFile, r.identities, r.recipients)
}

// unlocked is a backup with its own key.
type unlocked struct {
	backup  *repository.Backup
	keyFile []byte
	own     seal.Identity
}

func (r *rekeying) unlock(ctx context.Context, id backup.ID) (unlocked, error) {
	b, err := r.place.repo.Open(ctx, id)
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
