package main

import (
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"infrabackup/internal/control"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/operator"
	"infrabackup/internal/ui/table"
	"infrabackup/starter/args"
)

func (a *app) backupStartCommand() *cobra.Command {
	var wait, ignoreSpace bool
	var spoolWait time.Duration
	cmd := &cobra.Command{
		Use:   "start [--wait]",
		Short: "Start a backup",
		Long: `Start a full backup of every service that it has to contain by the settings; each is
captured by a worker that has its source. One backup
of an instance runs at a time; a second start exits with code 4 and names the one
that runs.

The backup goes on when this command ends, also when it is interrupted (Ctrl-C) or its
--timeout has passed while it waits.`,
		Example: "  infrabackup backup start --wait\n  infrabackup backup start -o json | jq -r .backupId",
		Args:    args.None,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := a.bounded(cmd.Context())
			defer cancel()
			if spoolWait < time.Second {
				return fault.Usagef("--spool-wait %s is shorter than a second", spoolWait)
			}
			c, err := a.controller(ctx)
			if err != nil {
				return err
			}
			var options []control.StartOption
			if ignoreSpace {
				options = append(options, control.IgnoreFreeSpace)
			}
			started, err := c.Start(ctx, operator.Requester(), spoolWait, options...)
			if err != nil {
				return err
			}
			if summary, err := c.Summary(ctx); err == nil { // the backup runs, whatever there is to warn of
				a.warn(summary.Warnings(time.Now()))
			}
			a.warnMissing(ctx, c)
			a.say("Backup %s runs.", started.BackupID)
			if !wait {
				return a.print(started, func(w *tabwriter.Writer) { table.Line(w, started.BackupID) })
			}
			return a.follow(ctx, c, started.RunID, started.BackupID)
		},
	}
	cmd.Flags().BoolVar(&wait, "wait", false, "show progress and wait for the end")
	cmd.Flags().DurationVar(&spoolWait, "spool-wait", flow.DefaultSpoolWait, "how long to wait for a worker host that holds captured data before the service is captured again")
	cmd.Flags().BoolVar(&ignoreSpace, "ignore-free-space", false, "start also when the share reports less free space than a backup is expected to need")
	return cmd
}
