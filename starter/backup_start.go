package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"infrabackup/internal/backup"
	"infrabackup/internal/control"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/operator"
	"infrabackup/internal/ui/progress"
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
				return usage("--spool-wait %s is shorter than a second", spoolWait)
			}
			c, err := a.controller(ctx)
			if err != nil {
				return err
			}
			var options []control.StartOption
			if ignoreSpace {
				options = append(options, control.IgnoreFreeSpace)
			}
			started, err := c.Start(ctx, a.caller(), spoolWait, options...)
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

// follow shows a run's progress and then its result, which has to be that of the backup
// that the run is known to make: the given one, or else the one that its progress names.
func (a *app) follow(ctx context.Context, c controller, runID string, id backup.ID) error {
	show := progress.NewRun(a.stderr, a.terminal(a.stderr))
	err := c.Watch(ctx, runID, func(p flow.Progress) {
		if id == "" {
			id = p.BackupID
		}
		show.See(p)
	})
	show.End()
	if err != nil {
		return err
	}
	overview, err := c.Wait(ctx, runID, id)
	if err != nil {
		return err
	}
	// A run's result is bounded and so without the check of references, which is in the
	// backup's manifest.
	// That the share has it is not for the run alone to say.
	if whole, err := c.Show(ctx, string(overview.BackupID)); err == nil {
		whole.Foreign = overview.Foreign
		overview = whole
	} else if fault.CodeOf(err) == fault.BackupNotFound {
		return fault.New(fault.AnswerRefused, fmt.Sprintf("run %s ended with %s, and the share has no backup %s", runID, overview.Status, overview.BackupID), err)
	} else {
		a.say("Warning: the manifest of the finished backup cannot be shown: %s", err.Error())
	}
	if err := a.print(overview, func(w *tabwriter.Writer) { table.Backup(w, overview) }); err != nil {
		return err
	}
	return partial(overview)
}

func (a *app) backupWatchCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "watch [ID]",
		Short: "Show the progress of the backup that runs, and wait for its end",
		Long: `Show the progress of the backup that runs, and wait for its end. With an ID, or the
beginning of one, only if it is that backup that runs.`,
		Example: "  infrabackup backup watch",
		Args:    args.AtMostOne("ID"),
		RunE: a.controlled(func(ctx context.Context, c controller, args []string) error {
			runID, err := a.runningOne(ctx, c, args)
			if err != nil {
				return err
			}
			return a.follow(ctx, c, runID, "")
		}),
	}
}

// runningOne returns the run of the backup that runs, which is the one that is named.
func (a *app) runningOne(ctx context.Context, c controller, args []string) (runID string, err error) {
	var id string
	if len(args) > 0 && args[0] != control.Latest {
		if id, err = operator.ParseName(args[0]); err != nil {
			return "", err
		}
	}
	if runID, err = c.Running(ctx); err != nil || id == "" {
		return runID, err
	}
	now, err := c.Progress(ctx, runID)
	if err != nil {
		return "", err
	}
	if !strings.HasPrefix(string(now.BackupID), id) {
		return "", fault.Newf(fault.BackupNotFound, "backup %s does not run, but %s does; see `infrabackup backup show %s`", id, now.BackupID, id)
	}
	return runID, nil
}

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
