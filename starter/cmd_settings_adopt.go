package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"infrabackup/internal/operator"
	"infrabackup/starter/args"
)

func (a *app) settingsAdoptCommand() *cobra.Command {
	var older bool
	cmd := &cobra.Command{
		Use:   "adopt [--older]",
		Short: "Go on with the settings after their workflow was ended, reset or set back",
		Long: `Go on with the newest settings that Temporal still has: after the
settings workflow was ended or reset, or the settings were set back in another way. A
worker compares them with what the share records, and takes over nothing that is older.

When Temporal has no settings any more that are as new as those that the share records,
--older continues with the newest there are. What was changed since is lost: look at
"settings show", and make the changes again. When Temporal has none at all, enable
backups again with "enable --adopt".

Find out first who did it, and keep that person from writing to the Temporal namespace.`,
		Example: "  infrabackup settings adopt",
		Args:    args.None,
		RunE: a.controlled(func(ctx context.Context, c controller, _ []string) error {
			out, err := c.AdoptSettings(ctx, older, operator.Requester())
			if err != nil {
				return err
			}
			if out.Lost > 0 {
				a.warn([]string{fmt.Sprintf("the share recorded revision %d of the settings; what was changed up to it is lost", out.Lost)})
			}
			return a.printSettings(out.Settings)
		}),
	}
	cmd.Flags().BoolVar(&older, "older", false, "go on with older settings than the share records, when Temporal has no others")
	return cmd
}
