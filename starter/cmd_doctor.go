package main

import (
	"context"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/ui/table"
	"infrabackup/starter/args"
)

func (a *app) doctorCommand() *cobra.Command {
	var skipShare bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check everything that a backup depends on",
		Long: `Check Temporal, every worker with its sources and spool, the settings, that each service
which a backup has to contain is captured by one of the workers, and everything that a
backup needs from the share: what the share's adapters are held to in tests is tried on
the real share, in a folder of its own that is removed again.`,
		Example: "  infrabackup doctor",
		Args:    args.None,
		RunE: a.controlled(func(ctx context.Context, c controller, _ []string) error {
			report, err := c.Diagnose(ctx, !skipShare)
			if err != nil {
				return err
			}
			if err := a.print(report, func(w *tabwriter.Writer) { table.Diagnosis(w, report) }); err != nil {
				return err
			}
			for _, worker := range append([]flow.DiagnoseOutput{report}, report.Workers...) {
				for _, check := range worker.Checks {
					if !check.OK {
						return exitCode(fault.Code(check.Code).Exit())
					}
				}
			}
			return nil
		}),
	}
	cmd.Flags().BoolVar(&skipShare, "skip-share", false, "do not try the share")
	return cmd
}
