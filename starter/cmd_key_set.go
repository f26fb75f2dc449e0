package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"infrabackup/internal/control"
	"infrabackup/internal/operator"
	"infrabackup/internal/settings"
	"infrabackup/starter/args"
)

func (a *app) keySetCommand() *cobra.Command {
	var keys recipientFlags
	var every int
	cmd := &cobra.Command{
		Use:   "set (--recipient R | --certificate F | --key-file F) [--prove-every DAYS]",
		Short: "Encrypt new backups to other keys from now on",
		Long: `Encrypt new backups to these keys from now on, and to no others: give every key that is
to open them, such as an escrow key beside the operator's. The keys are tried and the
share is probed first; when anything fails, the old keys stay current. A backup that
runs goes on with the keys that it began with.

Older backups keep their keys until "infrabackup key rewrap" gives them the new ones.`,
		Example: `  infrabackup key set --recipient age1...
  infrabackup key set --certificate backup.cer --recipient age1...`,
		Args: args.None,
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		ctx, cancel := a.bounded(cmd.Context())
		defer cancel()
		in := control.KeyChange{RequestedBy: operator.Requester()}
		if cmd.Flags().Changed("prove-every") {
			if err := args.CheckProofDays(every); err != nil {
				return err
			}
			in.ProofDays = &every
		}
		if in.ProofDays == nil || keys.given() {
			var err error
			if in.Recipients, err = keys.load(ctx, time.Now()); err != nil {
				return err
			}
		}
		return a.keySet(ctx, in)
	}
	keys.register(cmd)
	cmd.Flags().IntVar(&every, "prove-every", settings.DefaultProofDays, "warn of a key that was not proven for this many days; may be given alone")
	return cmd
}

func (a *app) keySet(ctx context.Context, in control.KeyChange) error {
	c, err := a.controller(ctx)
	if err != nil {
		return err
	}
	summary, err := c.ChangeKey(ctx, in)
	if err != nil {
		return err
	}
	if len(in.Recipients) > 0 {
		a.say("New backups open with these keys. Older ones keep theirs: run `infrabackup key rewrap --identity OLD` with a key that opens them.")
	}
	return a.printSettings(summary)
}
