package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"infrabackup/internal/control"
	"infrabackup/internal/operator"
	"infrabackup/internal/ui"
	"infrabackup/starter/args"
)

func (a *app) backupCommand() *cobra.Command {
	group := &cobra.Command{Use: "backup", Short: "Start, watch, verify and delete backups", Args: args.None, RunE: args.NeedsCommand}
	group.AddCommand(a.backupStartCommand(), a.backupListCommand(), a.backupShowCommand(), a.backupWatchCommand(),
		a.backupCancelCommand(), a.backupVerifyCommand(), a.backupDeleteCommand())
	return group
}

// latestOr returns the command's argument, by default the newest backup.
func latestOr(args []string) (string, error) {
	if len(args) == 0 || args[0] == control.Latest {
		return control.Latest, nil
	}
	return operator.ParseName(args[0])
}

// completionTime bounds what the shell's completion may cost.
const completionTime = 3 * time.Second

// completeIDs offers the newest backups to the shell.
func (a *app) completeIDs(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), completionTime)
	defer cancel()
	ids := []string{control.Latest}
	c, err := a.controller(ctx)
	if err != nil {
		return ids, cobra.ShellCompDirectiveNoFileComp
	}
	listed, err := c.List(ctx, 20)
	if err != nil {
		return ids, cobra.ShellCompDirectiveNoFileComp
	}
	for _, b := range listed.Backups {
		ids = append(ids, string(b.BackupID)+"\t"+ui.Time(b.StartedAt)+" "+string(b.Status))
	}
	return ids, cobra.ShellCompDirectiveNoFileComp
}
