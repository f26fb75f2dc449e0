package main

import (
	"context"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"infrabackup/internal/board"
	"infrabackup/internal/control/facts"
	"infrabackup/internal/fault"
	"infrabackup/internal/ui/table"
	"infrabackup/starter/args"
)

func (a *app) backupShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "show [ID|latest]",
		Short: "Show one backup: services, sizes, gaps, failures, dangling references",
		Long: `Show one backup: its services with sizes, gaps and failures, and how well they fit
together. "Restorable" is until when everything can be restored from it, and what ends that:
the retention, or that Active Directory forgets what was deleted since.

Services are captured at different times. "Captured" is the time from the first read of
any service to the last, "Apart" the longest time between the end of one service's
capture and the start of another's. A reference dangles when its target's service is in
the backup and the target is not, such as a role assignment to a user that was deleted:
nothing is wrong with the backup, but a restore would meet the same. It is unchecked when
the target's service is not in the backup. At most 200 dangling references are listed;
all are counted.`,
		Example:           "  infrabackup backup show latest\n  infrabackup backup show latest -o json | jq .consistency.dangling",
		Args:              args.AtMostOne("ID"),
		ValidArgsFunction: a.completeIDs,
		RunE: a.controlled(func(ctx context.Context, c controller, args []string) error {
			id, err := latestOr(args)
			if err != nil {
				return err
			}
			if id, err = a.whole(ctx, c, id); err != nil {
				return err
			}
			b, err := c.Show(ctx, id)
			if err != nil {
				return err
			}
			known, err := facts.Backup(ctx, c, b)
			if err != nil {
				a.say("Note: it is unknown when the backup was last verified, and until when it can be restored: %s.", fault.As(err).Message())
			}
			row := table.Listed([]board.Backup{known}, err == nil)[0]
			return a.print(row, func(w *tabwriter.Writer) { table.ShownBackup(w, row) })
		}),
	}
}
