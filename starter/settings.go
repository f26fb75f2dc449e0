package main

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"infrabackup/internal/control"
	"infrabackup/internal/fault"
	"infrabackup/internal/settings"
	"infrabackup/internal/ui/table"
	"infrabackup/starter/args"
)

func (a *app) settingsCommand() *cobra.Command {
	group := &cobra.Command{Use: "settings", Short: "Look at what is in force, and who changed it", Args: args.None, RunE: args.NeedsCommand}
	group.AddCommand(&cobra.Command{
		Use:   "show",
		Short: "Show the settings in force, without secrets",
		Long: `Show the settings in force, without secrets. A worker compares them with what the share
was told: settings that were set back, whose workflow was ended or reset, are an error
that says so, and what to do. When the share does not answer they are shown with a
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
			case control.SetBack(err): // what is in force is shown all the same: it tells how far the ledger was
				a.warn([]string{fault.As(err).Message()})
			case err != nil:
				a.warn([]string{"the settings were not compared with what the share tells of them: " + fault.As(err).Message()})
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
		Short: "Encrypt the settings anew, after the codec key was changed",
		Long: `Let the workers write the settings anew, encrypted with the codec key that stands first
in their key file. It is the last step of changing the codec key; until then the
settings need the old one.`,
		Example: "  infrabackup settings reseal",
		Args:    args.None,
		RunE: a.controlled(func(ctx context.Context, c controller, _ []string) error {
			if err := c.Reseal(ctx, a.caller()); err != nil {
				return err
			}
			return a.print(map[string]bool{"resealed": true}, func(w *tabwriter.Writer) { table.Line(w, "The settings were encrypted anew.") })
		}),
	})
	group.AddCommand(a.settingsServicesCommand())
	group.AddCommand(a.settingsAdoptCommand())
	return group
}

func (a *app) settingsAdoptCommand() *cobra.Command {
	var older bool
	cmd := &cobra.Command{
		Use:   "adopt [--older]",
		Short: "Go on with the settings after their workflow was ended, reset or set back",
		Long: `Go on with the newest settings that Temporal still has: after somebody has ended the
settings workflow or reset it, or has set the settings back in another way. A worker
compares them with what the share was told, and nothing is taken over that is older.

When Temporal has no settings any more that are as new as those that the share tells of,
--older goes on with the newest there are. What was changed since is lost: look at
"settings show", and make the changes again. When Temporal has none at all, enable
backups anew with "enable --adopt".

Find out first who did it, and keep that person from writing to the Temporal namespace.`,
		Example: "  infrabackup settings adopt",
		Args:    args.None,
		RunE: a.controlled(func(ctx context.Context, c controller, _ []string) error {
			out, err := c.AdoptSettings(ctx, older, a.caller())
			if err != nil {
				return err
			}
			if out.Lost > 0 {
				a.warn([]string{fmt.Sprintf("the share told of revision %d of the settings; what was changed up to it is lost", out.Lost)})
			}
			return a.printSettings(out.Settings)
		}),
	}
	cmd.Flags().BoolVar(&older, "older", false, "go on with older settings than the share tells of, when Temporal has no others")
	return cmd
}

// settingsDocument is what -o json prints of settings.
type settingsDocument struct {
	settings.Summary
	SigningKeyFingerprint string   `json:"signingKeyFingerprint"`
	Warnings              []string `json:"warnings"`
}

// warn says what needs an operator's attention.
func (a *app) warn(warnings []string) {
	for _, warning := range warnings {
		a.say("Warning: %s.", warning)
	}
}

func (a *app) printSettings(s settings.Summary) error {
	document := settingsDocument{Summary: s, SigningKeyFingerprint: table.SignerFingerprint(s.SigningKey), Warnings: s.Warnings(time.Now())}
	err := a.print(document, func(w *tabwriter.Writer) { table.Settings(w, s) })
	a.warn(document.Warnings)
	return err
}
