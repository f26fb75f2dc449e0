package main

import (
	"github.com/spf13/cobra"

	"infrabackup/starter/args"
)

func (a *app) backupCommand() *cobra.Command {
	group := &cobra.Command{Use: "backup", Short: "Start, watch, verify, compare and delete backups", Args: args.None, RunE: args.NeedsCommand}
	group.AddCommand(a.backupStartCommand(), a.backupListCommand(), a.backupShowCommand(), a.backupWatchCommand(),
		a.backupCancelCommand(), a.backupVerifyCommand(), a.backupDiffCommand(), a.backupDeleteCommand())
	return group
}
