package scheduling

import (
	"context"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"infrabackup/internal/control/operation"
	"infrabackup/internal/fault"
	"infrabackup/internal/operator"
	"infrabackup/internal/ui"
	"infrabackup/internal/ui/table"
	"infrabackup/starter/args"
)

func (s Surroundings) pruneCommand() *cobra.Command {
	var dryRun, yes, acrossHole bool
	cmd := &cobra.Command{
		Use:   "prune (--dry-run | --yes)",
		Short: "Remove backups that are older than they are to be kept",
		Long: `Remove what the schedule removes by itself while it is on: backups that are older than
"schedule set --keep" says. With --dry-run nothing is removed, and what would become of
each backup is shown, with the reason.

Nothing is removed while the clocks of worker and Temporal differ, or the ledger is not
whole. After a long time without backups nothing is removed, either, until the backups
since then are old enough: a clock that jumped looks the same. When there really were none,
--across-hole removes what has expired.`,
		Example: "  infrabackup prune --dry-run\n  infrabackup prune --yes",
		Args:    args.None,
		RunE: s.Connected(func(ctx context.Context, c Controller) error {
			if dryRun && yes {
				return fault.Usagef("--dry-run and --yes contradict each other")
			}
			if !dryRun {
				if err := s.Consent(ctx, yes, "expired backups"); err != nil {
					return err
				}
			}
			out, err := c.Prune(ctx, dryRun, acrossHole, operator.Requester())
			if err != nil {
				return err
			}
			return s.printPruned(out)
		}),
	}
	flags := cmd.Flags()
	flags.BoolVar(&dryRun, "dry-run", false, "only show what would be removed")
	flags.BoolVar(&yes, "yes", false, "really remove, without asking")
	flags.BoolVar(&acrossHole, "across-hole", false, "also remove what grew old while there were no backups")
	return cmd
}

func (s Surroundings) printPruned(out operation.PruneResult) error {
	err := s.Print(out, func(w *tabwriter.Writer) {
		table.Line(w, "BACKUP", "FINISHED", "REMOVE", "REASON")
		for _, d := range out.Decisions {
			remove := "no"
			if d.Remove {
				remove = "yes"
			}
			table.Line(w, d.BackupID, ui.Time(d.FinishedAt), remove, d.Reason)
		}
		for _, id := range out.Removed {
			table.Line(w, "Removed", id)
		}
		table.FailedSteps(w, out.Failed)
	})
	if out.Hold != "" {
		s.Say("Warning: nothing is removed: %s.", out.Hold)
	}
	if err == nil && len(out.Failed) > 0 {
		f := out.Failed[0]
		s.Say("%d backups could not be removed; the first is %s: %s", len(out.Failed), f.BackupID, f.Message)
		return s.Failed(fault.Code(f.Code))
	}
	return err
}
