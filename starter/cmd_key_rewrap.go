package main

import (
	"github.com/spf13/cobra"

	"infrabackup/internal/fault"
	"infrabackup/starter/args"
)

func (a *app) keyRewrapCommand() *cobra.Command {
	var keyFiles []string
	cmd := &cobra.Command{
		Use:   "rewrap --identity OLD",
		Short: "Let the current keys open the older backups too, and the old key none",
		Long: `Give every older backup the current keys. Run it where the old private key is:
this command unwraps each backup's own key with it, wraps that to the current keys, and
hands the result to a worker, which signs it. The private key does not leave this machine.
The worker takes a new key only from an operator who proves that the backup opens for them,
and only for as many keys of each kind as there are current ones.

Only key.age and the signed sums change, some KiB a backup; the parts stay as they are.
Afterwards the old key opens none of them. An interrupted run is simply started again; that
also removes what lies beside a backup as if its key were being replaced. A backup that is in
an earlier state than the ledger on the share records is not touched, and fails.

A key that was stolen is another matter: an attacker who copied the old
key.age can still open that copy. For that see "infrabackup key revoke".`,
		Example: "  infrabackup key rewrap --identity old-operator.key",
		Args:    args.None,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := a.bounded(cmd.Context())
			defer cancel()
			if len(keyFiles) == 0 {
				return fault.Usagef("--identity is needed: the file with a private key that opens the older backups")
			}
			r, err := a.rekey(ctx, keyFiles)
			if err != nil {
				return err
			}
			defer a.closeRepo(r.place)
			out, err := r.Rewrap(ctx)
			if err != nil {
				return err
			}
			return r.finish(out)
		},
	}
	cmd.Flags().StringArrayVar(&keyFiles, "identity", nil, "file with a private key that opens the older backups; may be repeated")
	return cmd
}
