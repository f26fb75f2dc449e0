package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"

	"infrabackup/internal/backup"
	"infrabackup/internal/control"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/operator"
	"infrabackup/internal/ui/progress"
	"infrabackup/internal/ui/table"
)

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
	return a.finished(overview)
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

// finished shows a backup that has ended, and is its exit code.
func (a *app) finished(b backup.Overview) error {
	err := a.print(b, func(w *tabwriter.Writer) { table.Backup(w, b) })
	switch {
	case err != nil || b.Status == backup.Succeeded:
		return err
	case b.Status == backup.PartialSucceeded:
		return exitCode(fault.ExitPartial)
	}
	return exitCode(fault.ExitFailed)
}
