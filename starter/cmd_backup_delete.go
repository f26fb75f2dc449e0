package main

import (
	"text/tabwriter"

	"infrabackup/internal/operator"
	"infrabackup/internal/ui/table"
	"infrabackup/starter/args"

	"github.com/spf13/cobra"
)

func (a *app) backupDeleteCommand() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "delete ID --yes",
		Short: "Remove one finished backup from the share",
		Long: `Remove one finished backup from the share, for good. On a terminal this asks first;
scripts give --yes. What others put into the backup's folder is not deleted: it stays in
incoming/ on the share, and is named.`,
		Example:           "  infrabackup backup delete 0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11 --yes",
		Args:              args.One("ID"),
		ValidArgsFunction: a.completeIDs,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := a.bounded(cmd.Context())
			defer cancel()
			id, err := operator.ParseName(args[0])
			if err != nil {
				return err
			}
			var c controller
			if !operator.IsWhole(id) { // asked for by its whole ID
				if c, err = a.controller(ctx); err != nil {
					return err
				}
				if id, err = a.whole(ctx, c, id); err != nil {
					return err
				}
			}
			if err := a.consent(ctx, yes, id); err != nil {
				return err
			}
			if c, err = a.controller(ctx); err != nil {
				return err
			}
			gone, err := c.Delete(ctx, id, operator.Requester())
			if err != nil {
				return err
			}
			return a.print(gone, func(w *tabwriter.Writer) {
				table.Line(w, "Deleted", gone.BackupID)
				table.Foreign(w, gone.Foreign)
			})
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "really delete, without asking")
	return cmd
}
