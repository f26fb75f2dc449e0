package main

import (
	"text/tabwriter"

	"github.com/spf13/cobra"

	"infrabackup/internal/control/facts"
	"infrabackup/internal/fault"
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
the list is read from it each time. VERIFIED is when each was last verified, by itself or on
request, and what was found. RESTORABLE UNTIL is how long everything can be restored from
it; "infrabackup backup show" says what ends that.`,
		Example: "  infrabackup backup list\n  infrabackup backup list -o json | jq '.[0].backupId'",
		Args:    args.None,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := a.bounded(cmd.Context())
			defer cancel()
			if limit < 1 || limit > flow.MaxListed {
				return fault.Usagef("--limit %d is not between 1 and %d", limit, flow.MaxListed)
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
			known, err := facts.Backups(ctx, c, listed.Backups)
			if err != nil {
				a.say("Note: it is unknown when the backups were last verified, and until when they can be restored: %s.", fault.As(err).Message())
			}
			rows := table.Listed(known, err == nil)
			return a.print(rows, func(w *tabwriter.Writer) { table.Backups(w, rows) })
		},
	}
	cmd.Flags().IntVar(&limit, "limit", 100, "how many, at most")
	return cmd
}
