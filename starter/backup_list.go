package main

import (
	"context"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"infrabackup/internal/flow"
	"infrabackup/internal/ui/table"
	"infrabackup/starter/args"
)

func (a *app) backupListCommand() *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List finished, running and failed backups, newest first",
		Long: `List the finished backups on the share, and the runs that left none: the one that
runs, and failed ones for as long as Temporal remembers them. The share is the truth:
the list is read from it each time.`,
		Example: "  infrabackup backup list\n  infrabackup backup list -o json | jq '.[0].backupId'",
		Args:    args.None,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := a.bounded(cmd.Context())
			defer cancel()
			if limit < 1 || limit > flow.MaxListed {
				return usage("--limit %d is not between 1 and %d", limit, flow.MaxListed)
			}
			c, err := a.controller(ctx)
			if err != nil {
				return err
			}
			listed, err := c.List(ctx, limit)
			if err != nil {
				return err
			}
			for _, f := range listed.Unreadable {
				a.say("Warning: %s: %s", f.File, f.Message)
			}
			if n := listed.Foreign.Count; n > 0 {
				a.say("Note: %d entries beside the backups are not infrabackup's; `infrabackup backup verify --all` names them.", n)
			}
			if listed.More {
				a.say("Older backups are left out; see --limit.")
			}
			if err := a.print(listed.Backups, func(w *tabwriter.Writer) { table.Backups(w, listed.Backups) }); err != nil {
				return err
			}
			return nil
		},
	}
	cmd.Flags().IntVar(&limit, "limit", 100, "how many, at most")
	return cmd
}

func (a *app) backupShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "show [ID|latest]",
		Short: "Show one backup: services, sizes, gaps, failures, dangling references",
		Long: `Show one backup: its services with sizes, gaps and failures, and how well they fit
together.

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
			return a.print(b, func(w *tabwriter.Writer) { table.Backup(w, b) })
		}),
	}
}
