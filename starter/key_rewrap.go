package main

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/seal"
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
			defer a.closeRepo(r.place)
			return r.rewrap(ctx)
		},
	}
	cmd.Flags().StringArrayVar(&keyFiles, "identity", nil, "file with a private key that opens the older backups; may be repeated")
	return cmd
}

func (r *rekeying) rewrap(ctx context.Context) error {
	listing, err := r.place.Repo.List(ctx, 0)
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
	differs := r.diff.Err(b.Path)
	switch {
	case differs != nil && fault.CodeOf(differs) != fault.RewrapUnfinished:
		return nil, differs
	case !r.inForce(known):
		return r.wrap(ctx, b.BackupID)
	case differs != nil:
		return r.place.Repo.NewestKey(ctx, b.BackupID, known.SumsSHA256)
	}
	return nil, nil
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
