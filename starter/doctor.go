package main

import (
	"context"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
)

func (a *app) doctorCommand() *cobra.Command {
	var skipShare bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check everything that a backup depends on",
		Long: `Check Temporal, a worker, its sources and spool, the settings, and everything that a
backup needs from the share: what the share's adapters are held to in tests is tried on
the real share, in a folder of its own that is removed again.`,
		Example: "  infrabackup doctor",
		Args:    noArgs,
		RunE: a.controlled(func(ctx context.Context, c controller, _ []string) error {
			report, err := c.Diagnose(ctx, !skipShare)
			if err != nil {
				return err
			}
			if err := a.printDiagnosis(report); err != nil {
				return err
			}
			for _, check := range report.Checks {
				if !check.OK {
					return exitCode(fault.Code(check.Code).Exit())
				}
			}
			return nil
		}),
	}
	cmd.Flags().BoolVar(&skipShare, "skip-share", false, "do not try the share")
	return cmd
}

func (a *app) printDiagnosis(report flow.DiagnoseOutput) error {
	return a.print(report, func(w *tabwriter.Writer) {
		line(w, "Worker:", report.Host, report.Version)
		for _, check := range report.Checks {
			if check.OK {
				line(w, "ok", check.Name, check.Message)
			} else {
				line(w, "FAIL", check.Name, check.Code+": "+check.Message+" "+check.Remedy)
			}
		}
	})
}
