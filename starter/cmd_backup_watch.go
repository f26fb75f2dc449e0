package main

import (
	"context"

	"github.com/spf13/cobra"

	"infrabackup/internal/fault"
	"infrabackup/starter/args"
)

func (a *app) backupWatchCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "watch [ID]",
		Short: "Show the progress of the backup that runs, and wait for its end",
		Long: `Show the progress of the backup that runs, and wait for its end. With an ID, or the
beginning of one, only if it is that backup that runs; one that has ended is shown at once.`,
		Example: "  infrabackup backup watch",
		Args:    args.AtMostOne("ID"),
		RunE: a.controlled(func(ctx context.Context, c controller, args []string) error {
			runID, err := a.runningOne(ctx, c, args)
			if fault.CodeOf(err) == fault.BackupNotFound && len(args) > 0 {
				if b, showErr := c.Show(ctx, args[0]); showErr == nil && b.Status.Final() {
					return a.finished(b)
				}
			}
			if err != nil {
				return err
			}
			return a.follow(ctx, c, runID, "")
		}),
	}
}
