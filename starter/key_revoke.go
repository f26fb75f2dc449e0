package main

import (
	"context"
	"os"
	"regexp"
	"slices"

	"github.com/spf13/cobra"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository/rekey"
	"infrabackup/internal/seal"
)

func (a *app) keyRevokeCommand() *cobra.Command {
	var keyFiles []string
	var compromised, temp string
	cmd := &cobra.Command{
		Use:   "revoke --compromised FINGERPRINT --identity F",
		Short: "Encrypt backups anew that a stolen key could open",
		Long: `Encrypt anew every backup that was ever wrapped to the key with this fingerprint, parts
and all: whoever has that key may have unwrapped the backups' own keys, and wrapping
those to another key would not take them back. Set new keys first ("infrabackup key
set"); --identity is a private key that opens the backups now.

Everything is decrypted and encrypted on this machine, streamed from and to the share, so
it takes as long as reading and writing all of it; a worker then reads it back, signs and
replaces each backup in one step. An interrupted run is simply started again; nothing of
it stays in --temp, and what it left in staging/ on the share is removed by that, or by a
backup that starts a week later. Copies of the old files that somebody has made stay
readable to the thief: change the secrets in them.`,
		Example: "  infrabackup key revoke --compromised SHA256:3vq... --identity new-operator.key",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := a.bounded(cmd.Context())
			defer cancel()
			if compromised == "" || len(keyFiles) == 0 {
				return usage("--compromised and --identity are needed")
			}
			r, err := a.rekeying(ctx, keyFiles)
			if err != nil {
				return err
			}
			defer a.closeRepo(r.place)
			return r.revoke(ctx, compromised, temp)
		},
	}
	cmd.Flags().StringVar(&compromised, "compromised", "", "fingerprint of the stolen key, SHA256:...")
	cmd.Flags().StringArrayVar(&keyFiles, "identity", nil, "file with a private key that opens the backups now; may be repeated")
	cmd.Flags().StringVar(&temp, "temp", os.TempDir(), "folder with room for the largest part; only cipher text is written there")
	return cmd
}

func (r *rekeying) revoke(ctx context.Context, compromised, temp string) error {
	if !fingerprintPattern.MatchString(compromised) {
		return usage("--compromised is not the fingerprint of a key, such as `infrabackup backup show` prints: SHA256: and 43 characters")
	}
	if err := r.reliable(ctx); err != nil {
		return err
	}
	if holds(r.settings.PublicRecipients(), compromised) {
		return usage("key %s is in force still; set other keys first with `infrabackup key set`", compromised)
	}
	listing, err := r.place.Repo.List(ctx, 0)
	if err != nil {
		return err
	}
	var all []rekeyed
	known := false
	for _, overview := range listing.Backups {
		done := rekeyed{BackupID: overview.BackupID, Path: overview.Path}
		exposed, err := r.exposed(ctx, overview, compromised)
		switch {
		case err != nil:
			done.fail(err)
		case !exposed:
			done.Result = resultAlready
		default:
			known = true
			if done.Written, err = r.reencrypt(ctx, overview.BackupID, temp); err != nil {
				done.fail(err)
				break
			}
			done.Result = resultReencrypted
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		all = append(all, done)
	}
	if !known {
		r.app.say("Note: no backup that is on the share now was ever encrypted to %s, or all such were encrypted anew already.", compromised)
	}
	return r.finish(all, listing.Unreadable)
}

// fingerprintPattern is that of keys, as everything here prints them.
var fingerprintPattern = regexp.MustCompile(`^SHA256:[A-Za-z0-9+/]{43}$`)

// exposed reports whether the holder of a key may know the key of a backup: it was
// made for it, or wrapped to it since. BACKUP_ROLLED_BACK when the backup is not what
// the ledger tells of: then no key is to be asked for, an old one least of all.
func (r *rekeying) exposed(ctx context.Context, overview backup.Overview, fingerprint string) (bool, error) {
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

func (r *rekeying) reencrypt(ctx context.Context, id backup.ID, temp string) (int64, error) {
	u, err := r.unlock(ctx, id)
	if err != nil {
		return 0, err
	}
	r.app.say("Encrypting %s anew ...", u.backup.Path())
	signing, err := seal.ParseSigningKey(r.settings.Signing.PrivateKey.String)
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
	_, err = r.door.Swap(ctx, r.settings.Revision, id, staged.Sums, r.app.caller())
	return staged.Bytes, err
}
