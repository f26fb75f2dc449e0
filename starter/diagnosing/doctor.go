package diagnosing

import (
	"text/tabwriter"

	"github.com/spf13/cobra"

	"infrabackup/internal/fault"
	"infrabackup/internal/flow/diagnosis"
	"infrabackup/internal/ui/table"
	"infrabackup/starter/args"
)

func (s Surroundings) doctorCommand() *cobra.Command {
	var skipShare, thorough bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check everything that a backup depends on",
		Long: `Check Temporal, every worker with its sources and spool, the settings, that each service
which a backup has to contain is captured by one of the workers, and everything that a
backup needs from the share: that is tried on the real share, in a folder of its own that
is removed again. With --thorough all that the share's adapters are held to in tests is
tried, which takes several times as long and about 20 MB of free space for the time.`,
		Example: "  infrabackup doctor\n  infrabackup doctor --thorough",
		Args:    args.None,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := s.Bounded(cmd.Context())
			defer cancel()
			c, err := s.Controller(ctx)
			if err != nil {
				return err
			}
			report, err := c.Diagnose(ctx, trial(skipShare, thorough))
			if err != nil {
				return err
			}
			if err := s.Print(report, func(w *tabwriter.Writer) { table.Diagnosis(w, report) }); err != nil {
				return err
			}
			for _, worker := range append([]diagnosis.Report{report}, report.Workers...) {
				for _, check := range worker.Checks {
					if !check.OK {
						return s.Failed(fault.Code(check.Code).Exit())
					}
				}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&skipShare, "skip-share", false, "do not try the share")
	cmd.Flags().BoolVar(&thorough, "thorough", false, "try all that the share's adapters promise, not only what a backup needs of the server")
	cmd.MarkFlagsMutuallyExclusive("skip-share", "thorough")
	return cmd
}

func trial(skipShare, thorough bool) diagnosis.ShareTrial {
	switch {
	case skipShare:
		return diagnosis.ShareUntried
	case thorough:
		return diagnosis.ShareTriedThoroughly
	}
	return diagnosis.ShareTried
}
