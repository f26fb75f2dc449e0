package main

import (
	"context"

	"github.com/spf13/cobra"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/operator"
	"infrabackup/internal/settings"
	"infrabackup/starter/args"
)

func (a *app) settingsServicesCommand() *cobra.Command {
	group := &cobra.Command{
		Use: "services", Short: "Change what a backup has to contain", Args: args.None, RunE: args.NeedsCommand,
	}
	var fromWorkers bool
	cmd := &cobra.Command{
		Use:   "set (SERVICE... | --from-workers)",
		Short: "Set which services a backup has to contain from now on",
		Long: `Set which services a backup has to contain from now on: AD, CA, ARM, CRP, SRP, NRP,
KeyVault, RBAC. "enable" sets them to what the workers that answered had sources for.

A service that is named here and that no worker can capture makes a backup
PartialSucceeded and is named in it; "doctor" and "backup start" warn before. A source
that is added to a worker's configuration is captured when the service is named here.`,
		Example: "  infrabackup settings services set AD CA ARM CRP SRP NRP KeyVault RBAC\n  infrabackup settings services set --from-workers",
		Args:    cobra.ArbitraryArgs,
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			var names []string
			for _, s := range backup.Services() {
				names = append(names, string(s))
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: a.controlled(func(ctx context.Context, c controller, names []string) error {
			services, err := args.Services(names)
			switch {
			case err != nil:
				return err
			case fromWorkers == (len(services) > 0):
				return fault.Usagef("name the services, or give --from-workers")
			}
			if fromWorkers {
				if services, err = c.Sources(ctx); err != nil {
					return err
				}
				if len(services) == 0 {
					return fault.Newf(fault.SourceNotConfigured, "no worker that answers has a source")
				}
			}
			a.say("A backup has to contain %s.", settings.Join(services))
			summary, err := c.ChangeServices(ctx, services, operator.Requester())
			if err != nil {
				return err
			}
			a.warnMissing(ctx, c)
			return a.printSettings(summary)
		}),
	}
	cmd.Flags().BoolVar(&fromWorkers, "from-workers", false, "all services that the workers that answer have sources for")
	group.AddCommand(cmd)
	return group
}
