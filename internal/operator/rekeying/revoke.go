package rekeying

import (
	"context"
	"regexp"
	"slices"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository/rekey"
	"infrabackup/internal/seal"
)

// Revoke encrypts again every backup that the key with this fingerprint could open. Only
// cipher text is written to temp. Each backup's path is handed to begin before.
func (r *Rekeyer) Revoke(ctx context.Context, compromised, temp string, begin func(path string)) (Outcome, error) {
	if err := r.reliable(ctx); err != nil {
		return Outcome{}, err
	}
	if holds(r.Settings.PublicRecipients(), compromised) {
		return Outcome{}, fault.Usagef("key %s is still a current one; set other keys first with `infrabackup key set`", compromised)
	}
	listing, err := r.place.Repo.List(ctx, 0)
	if err != nil {
		return Outcome{}, err
	}
	var all []Rekeyed
	known := false
	for _, overview := range listing.Backups {
		done := Rekeyed{BackupID: overview.BackupID, Path: overview.Path}
		exposed, err := r.exposed(ctx, overview, compromised)
		switch {
		case err != nil:
			done.fail(err)
		case !exposed:
			done.Result = Already
		default:
			known = true
			if done.Written, err = r.reencrypt(ctx, overview.BackupID, temp, begin); err != nil {
				done.fail(err)
				break
			}
			done.Result = Reencrypted
		}
		if ctx.Err() != nil {
			return Outcome{}, ctx.Err()
		}
		all = append(all, done)
	}
	return Outcome{Backups: all, Unreadable: listing.Unreadable, Exposed: known}, nil
}

// fingerprintPattern is that of keys, as everything here prints them.
var fingerprintPattern = regexp.MustCompile(`^SHA256:[A-Za-z0-9+/]{43}$`)

// IsFingerprint reports whether text is the fingerprint of a key.
func IsFingerprint(text string) bool { return fingerprintPattern.MatchString(text) }

// exposed reports whether the holder of a key may know the key of a backup: it was
// made for it, or wrapped to it since. BACKUP_ROLLED_BACK when the backup is not what
// the ledger tells of: then no key is to be asked for, an old one least of all.
func (r *Rekeyer) exposed(ctx context.Context, overview backup.Overview, fingerprint string) (bool, error) {
	if err := r.diff.Err(overview.Path); fault.CodeOf(err) == fault.BackupRolledBack {
		return false, err
	}
	b, err := r.place.Repo.Open(ctx, backup.Ref{ID: overview.BackupID})
	if err != nil {
		return false, err
	}
	known, _ := r.ledger.State(overview.BackupID)
	return holds(b.Manifest().Recipients, fingerprint) || slices.Contains(known.Exposed, fingerprint), nil
}

func holds(recipients []backup.Recipient, fingerprint string) bool {
	return slices.ContainsFunc(recipients, func(r backup.Recipient) bool { return r.Fingerprint == fingerprint })
}

func (r *Rekeyer) reencrypt(ctx context.Context, id backup.ID, temp string, begin func(path string)) (int64, error) {
	u, err := r.unlock(ctx, id)
	if err != nil {
		return 0, err
	}
	begin(u.backup.Path())
	signing, err := seal.ParseSigningKey(r.Settings.Signing.PrivateKey.String)
	if err != nil {
		return 0, err
	}
	known, _ := r.ledger.State(id)
	staged, err := rekey.Reencrypt(ctx, r.place.Repo, id, u.own, r.recipients, rekey.ReencryptOptions{
		AllowedSigners: r.place.Signers, Sums: known.SumsSHA256, Temp: temp, Signer: signing.Fingerprint(), // the worker signs
	})
	if err != nil {
		return 0, err
	}
	_, err = r.service.Swap(ctx, r.Settings.Revision, id, staged.Sums, r.RequestedBy)
	return staged.Bytes, err
}
