package main

import (
	"context"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"infrabackup/internal/control"
	"infrabackup/internal/fault"
	"infrabackup/internal/operator"
	"infrabackup/internal/ui/table"
	"infrabackup/starter/args"
)

func (a *app) settingsCommand() *cobra.Command {
	group := &cobra.Command{Use: "settings", Short: "Look at the active settings, and who changed them", Args: args.None, RunE: args.NeedsCommand}
	group.AddCommand(&cobra.Command{
		Use:   "show",
		Short: "Show the active settings, without secrets",
		Long: `Show the active settings, without secrets. A worker compares them with what the share
recorded: settings that were set back, whose workflow was ended or reset, are an error
that names the cause and what to do. When the share does not answer they are shown with a
warning, because they were not compared.`,
		Example: "  infrabackup settings show -o json",
		Args:    args.None,
		RunE: a.controlled(func(ctx context.Context, c controller, _ []string) error {
			summary, err := c.Summary(ctx)
			if err != nil {
				return err
			}
			switch err := c.Standing(ctx); {
			case control.SettingsSetBack(err):
				return err
			case control.SetBack(err): // the active settings are shown all the same: they tell how far the ledger was
				a.warn([]string{fault.As(err).Message()})
			case err != nil:
				a.warn([]string{"the settings were not compared with what the share records of them: " + fault.As(err).Message()})
			}
			return a.printSettings(summary)
		}),
	}, &cobra.Command{
		Use:   "history",
		Short: "Show who changed what, when, and what came of it",
		Long: `Show every change of share, account, keys and services, refused ones too: when, by whom, what, and
the result. Secrets are never part of it. The Temporal Web UI has each change as a
workflow of its own, for as long as Temporal keeps closed workflows.`,
		Example: "  infrabackup settings history",
		Args:    args.None,
		RunE: a.controlled(func(ctx context.Context, c controller, _ []string) error {
			history, err := c.History(ctx)
			if err != nil {
				return err
			}
			return a.print(history, func(w *tabwriter.Writer) { table.History(w, history) })
		}),
	}, &cobra.Command{
		Use:   "reseal",
		Short: "Re-encrypt the settings, after the codec key was changed",
		Long: `Let the workers write the settings again, encrypted with the first codec key
of their key file. It is the last step of changing the codec key; until then the
settings need the old one.`,
		Example: "  infrabackup settings reseal",
		Args:    args.None,
		RunE: a.controlled(func(ctx context.Context, c controller, _ []string) error {
			if err := c.Reseal(ctx, operator.Requester()); err != nil {
				return err
			}
			return a.print(map[string]bool{"resealed": true}, func(w *tabwriter.Writer) { table.Line(w, "The settings were re-encrypted.") })
		}),
	})
	group.AddCommand(a.settingsServicesCommand())
	group.AddCommand(a.settingsAdoptCommand())
	return group
}
