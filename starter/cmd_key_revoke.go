package main

import (
	"context"
	"os"

	"infrabackup/internal/fault"
	"infrabackup/internal/operator/rekeying"
	"infrabackup/starter/args"

	"github.com/spf13/cobra"
)

func (a *app) keyRevokeCommand() *cobra.Command {
	var keyFiles []string
	var compromised, temp string
	cmd := &cobra.Command{
		Use:   "revoke --compromised FINGERPRINT --identity F",
		Short: "Re-encrypt backups that a stolen key could open",
		Long: `Re-encrypt every backup that was ever wrapped to the key with this fingerprint, parts
and all: an attacker with that key may have unwrapped the backups' own keys, and wrapping
those to another key would not take them back. Set new keys first ("infrabackup key
set"); --identity is a private key that opens the backups now.

Everything is decrypted and encrypted on this machine, streamed from and to the share, so
it takes as long as reading and writing all of it; a worker then reads it back, signs and
replaces each backup in one step. An interrupted run is simply started again; nothing of
it stays in --temp, and what it left in staging/ on the share is removed by that, or by a
backup that starts a week later. Copies of the old files that an attacker has made stay
readable to the thief: change the secrets in them.`,
		Example: "  infrabackup key revoke --compromised SHA256:3vq... --identity new-operator.key",
		Args:    args.None,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := a.bounded(cmd.Context())
			defer cancel()
			if compromised == "" || len(keyFiles) == 0 {
				return fault.Usagef("--compromised and --identity are needed")
			}
			r, err := a.rekey(ctx, keyFiles)
			if err != nil {
				return err
			}
			defer a.closeRepo(r.place)
			return r.revoke(ctx, compromised, temp)
		},
	}
	cmd.Flags().StringVar(&compromised, "compromised", "", "fingerprint of the stolen key, SHA256:...")
	cmd.Flags().StringArrayVar(&keyFiles, "identity", nil, "file with a private key that opens the backups now; may be repeated")
	cmd.Flags().StringVar(&temp, "temp", os.TempDir(), "folder with free space for the largest part; only cipher text is written there")
	return cmd
}

func (r *rekeyRun) revoke(ctx context.Context, compromised, temp string) error {
	if !rekeying.IsFingerprint(compromised) {
		return fault.Usagef("--compromised is not the fingerprint of a key, such as `infrabackup backup show` prints: SHA256: and 43 characters")
	}
	out, err := r.Revoke(ctx, compromised, temp, func(path string) { r.app.say("Re-encrypting %s ...", path) })
	if err != nil {
		return err
	}
	if !out.Exposed {
		r.app.say("Note: no backup that is on the share now was ever encrypted to %s, or all such were re-encrypted already.", compromised)
	}
	return r.finish(out)
}
