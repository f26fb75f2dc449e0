package main

import (
	"context"

	"github.com/spf13/cobra"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/printable"
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
		Short: "Say which services a backup has to contain from now on",
		Long: `Say which services a backup has to contain from now on: AD, CA, ARM, CRP, SRP, NRP,
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
		RunE: a.controlled(func(ctx context.Context, c controller, args []string) error {
			services, err := servicesOf(args)
			switch {
			case err != nil:
				return err
			case fromWorkers == (len(services) > 0):
				return usage("name the services, or give --from-workers")
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
			summary, err := c.ChangeServices(ctx, services, a.caller())
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

// servicesOf reads names of services, whatever their case; each counts once.
func servicesOf(names []string) ([]backup.Service, error) {
	seen := map[backup.Service]bool{}
	var services []backup.Service
	for _, name := range names {
		service, err := backup.ParseService(name)
		if err != nil {
			return nil, usage("%s is no service; use AD, CA, ARM, CRP, SRP, NRP, KeyVault or RBAC", printable.Quote(name))
		}
		if !seen[service] {
			seen[service] = true
			services = append(services, service)
		}
	}
	return services, nil
}

// warnMissing names the services that a backup has to contain and that nobody can
// capture now. What cannot be found out is no reason to fail.
func (a *app) warnMissing(ctx context.Context, c controller) {
	missing, err := c.Missing(ctx)
	if err == nil && len(missing) > 0 {
		a.say("Warning: no worker has a source for %s: the backup will lack that, and end as PartialSucceeded. See `infrabackup doctor`.", settings.Join(missing))
	}
}
