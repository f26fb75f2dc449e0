package main

import (
	"context"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"infrabackup/internal/ui/table"
	"infrabackup/starter/args"
)

func (a *app) backupCancelCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "cancel [ID]",
		Short: "Stop the backup that runs, and remove what it had written",
		Long: `Stop the backup that runs, and remove what it had written. With an ID, or the
beginning of one, only if it is that backup that runs.`,
		Example: "  infrabackup backup cancel",
		Args:    args.AtMostOne("ID"),
		RunE: a.controlled(func(ctx context.Context, c controller, args []string) error {
			if _, err := a.runningOne(ctx, c, args); err != nil {
				return err
			}
			a.say("Stopping the backup and cleaning up ...")
			if err := c.Cancel(ctx); err != nil {
				return err
			}
			return a.print(map[string]bool{"cancelled": true}, func(w *tabwriter.Writer) { table.Line(w, "The backup was cancelled.") })
		}),
	}
}
