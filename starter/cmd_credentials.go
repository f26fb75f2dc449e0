package main

import (
	"github.com/spf13/cobra"

	"infrabackup/internal/operator"
	"infrabackup/starter/args"
)

func (a *app) credentialsCommand() *cobra.Command {
	group := &cobra.Command{Use: "credentials", Short: "Change the account on the share", Args: args.None, RunE: args.NeedsCommand}
	var username, passwordFile string
	cmd := &cobra.Command{
		Use:   "set [--username USER] [--password-file F]",
		Short: "Use another account, or another password, on the share",
		Long: `Use another account, or another password, from now on. The share is probed with it
first: one login, which is not repeated when it is refused, so that the account is not
locked. When anything fails, the old account stays active. A backup that runs goes on
with the account that it began with.`,
		Example: `  infrabackup credentials set --password-file new
  infrabackup credentials set --username 'CORP\backup2'`,
		Args: args.None,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := a.bounded(cmd.Context())
			defer cancel()
			prompt := "New password"
			if username != "" {
				prompt = "Password of " + username
			}
			password, err := a.password(ctx, passwordFile, prompt)
			if err != nil {
				return err
			}
			c, err := a.controller(ctx)
			if err != nil {
				return err
			}
			now, err := c.Summary(ctx)
			if err != nil {
				return err
			}
			if username == "" {
				username = now.Username
			}
			a.say("Probing %s as %s ...", now.Share.Path, username)
			summary, err := c.ChangeCredentials(ctx, username, password, operator.Requester())
			if err != nil {
				a.noteDomain(username, err)
				return err
			}
			return a.printSettings(summary)
		},
	}
	cmd.Flags().StringVar(&username, "username", "", `account on the share: DOMAIN\user or user@realm (default: the current one)`)
	cmd.Flags().StringVar(&passwordFile, "password-file", "", "file with the account's password, - for standard input (default: ask)")
	group.AddCommand(cmd)
	return group
}
