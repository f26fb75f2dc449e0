package rekeying

import (
	"context"
	"slices"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/seal"
)

// Rewrap lets the keys in the settings open the older backups too, and their former keys
// none. The outcome is that of as many as were reached when there is an error.
func (r *Rekeyer) Rewrap(ctx context.Context) (Outcome, error) {
	listing, err := r.place.Repo.List(ctx, 0)
	if err != nil {
		return Outcome{}, err
	}
	var all []Rekeyed
	var keys []flow.WrappedKey
	for _, b := range listing.Backups {
		done := Rekeyed{BackupID: b.BackupID, Path: b.Path}
		key, err := r.newKey(ctx, b)
		switch {
		case err != nil:
			done.fail(err)
		case key == nil:
			done.Result = Already
		default:
			keys = append(keys, flow.WrappedKey{BackupID: b.BackupID, KeyAge: key})
		}
		all = append(all, done)
	}
	replaced, err := r.hand(ctx, keys)
	for _, b := range replaced {
		i := slices.IndexFunc(all, func(d Rekeyed) bool { return d.BackupID == b.BackupID })
		all[i].Result, all[i].Written = Rewrapped, b.Written
		if known, _ := r.ledger.State(b.BackupID); !b.Changed && r.isCurrent(known) {
			all[i].Result = Cleared
		}
	}
	return Outcome{Backups: all, Unreadable: listing.Unreadable}, err
}

// hand hands the new keys to a worker, batch by batch, and vouches for each: the worker
// makes challenges that only the backups' own keys answer.
func (r *Rekeyer) hand(ctx context.Context, keys []flow.WrappedKey) ([]flow.ReplacedBackup, error) {
	var done []flow.ReplacedBackup
	for batch := range slices.Chunk(keys, flow.RewrapBatch) {
		if err := r.vouch(ctx, batch); err != nil {
			return done, err
		}
		replaced, err := r.service.Rewrap(ctx, r.Settings.Revision, batch, r.RequestedBy)
		done = append(done, replaced...)
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// vouch answers the challenges to those of the backups whose keys were opened here.
func (r *Rekeyer) vouch(ctx context.Context, batch []flow.WrappedKey) error {
	var ids []backup.ID
	for _, key := range batch {
		if _, opened := r.owns[key.BackupID]; opened {
			ids = append(ids, key.BackupID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	challenges, err := r.service.KeyFileChallenges(ctx, r.Settings.Revision, ids)
	if err != nil {
		return err
	}
	for i := range batch {
		at := slices.IndexFunc(challenges, func(c flow.KeyFileChallenge) bool { return c.BackupID == batch[i].BackupID })
		if at < 0 {
			continue
		}
		statement, err := seal.KeyFileStatement(r.Instance, batch[i].BackupID, r.Settings.Revision, r.Settings.PublicRecipients(), batch[i].KeyAge)
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
// backup that has the current keys by the ledger gets the one that it has there, when
// replacing that did not end or files lie beside it. One that is in another state than
// the ledger tells of is for its operator to look at: nothing of it is used.
func (r *Rekeyer) newKey(ctx context.Context, b backup.Overview) ([]byte, error) {
	known, _ := r.ledger.State(b.BackupID)
	differs := r.diff.Err(b.Path)
	switch {
	case differs != nil && fault.CodeOf(differs) != fault.RewrapUnfinished:
		return nil, differs
	case !r.isCurrent(known):
		return r.wrap(ctx, b.BackupID)
	case differs != nil:
		return r.place.Repo.NewestKey(ctx, b.BackupID, known.SumsSHA256)
	}
	return nil, nil
}

// wrap opens a backup's key and wraps it to the current keys.
func (r *Rekeyer) wrap(ctx context.Context, id backup.ID) ([]byte, error) {
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
	return seal.Rewrap(u.keyFile, r.Identities, r.recipients)
}
