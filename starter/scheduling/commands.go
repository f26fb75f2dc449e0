package scheduling

import (
	"context"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"infrabackup/internal/control"
	"infrabackup/internal/control/operation"
	"infrabackup/internal/fault"
	"infrabackup/internal/schedule"
)

// Controller is what the commands need of package control. [control.Controller] documents
// the methods.
type Controller interface {
	Schedule(ctx context.Context) (control.ScheduleStatus, error)
	SetSchedule(ctx context.Context, next schedule.Setting, over *schedule.Setting, by string) (control.ScheduleStatus, error)
	Prune(ctx context.Context, dryRun, acrossHole bool, by string) (operation.PruneResult, error)
	PruneBy(ctx context.Context, setting schedule.Setting, by string) (operation.PruneResult, error)
}

// Surroundings is what the commands get from the program.
type Surroundings struct {
	// Connected makes a command's function of one that needs a controller.
	Connected func(fn func(ctx context.Context, c Controller) error) func(*cobra.Command, []string) error
	Print     func(document any, table func(w *tabwriter.Writer)) error
	Say       func(format string, args ...any)
	// Consent asks on a terminal whether something is really to be deleted, unless yes is given.
	Consent func(ctx context.Context, yes bool, what string) error
	// Failed ends the program with a code after everything was said.
	Failed func(code fault.Code) error
}

// Commands are the commands of the package.
func Commands(s Surroundings) []*cobra.Command {
	return []*cobra.Command{s.scheduleCommand(), s.pruneCommand()}
}

func (s Surroundings) warn(warnings []string) {
	for _, warning := range warnings {
		s.Say("Warning: %s.", warning)
	}
}
