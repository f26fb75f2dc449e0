package main

import (
	"github.com/spf13/cobra"

	"infrabackup/starter/args"
)

func (a *app) keyCommand() *cobra.Command {
	group := &cobra.Command{Use: "key", Short: "Create, change and prove the keys that open backups", Args: args.None, RunE: args.NeedsCommand}
	group.AddCommand(a.keyGenerateCommand(), a.keySetCommand(), a.keyRewrapCommand(), a.keyRevokeCommand(), a.keyProveCommand(), a.keyRotateSigningCommand())
	return group
}
