package main

import (
	"context"

	"github.com/spf13/cobra"

	"infrabackup/internal/operator"
	"infrabackup/starter/args"
)

func (a *app) keyRotateSigningCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "rotate-signing",
		Short: "Sign with a new key from now on",
		Long: `Create a new key for signing backups and the ledger. The old key signs the entry that
introduces it. What was signed before stays valid: allowed_signers on the share lists
both. Keep a copy of that file, or of what "settings show" prints, away from the share.`,
		Example: "  infrabackup key rotate-signing",
		Args:    args.None,
		RunE: a.controlled(func(ctx context.Context, c controller, _ []string) error {
			summary, err := c.ChangeSigningKey(ctx, operator.Requester())
			if err != nil {
				return err
			}
			return a.printSettings(summary)
		}),
	}
}
