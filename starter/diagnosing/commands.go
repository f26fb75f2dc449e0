package diagnosing

import (
	"context"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"infrabackup/internal/backup"
	"infrabackup/internal/control"
	"infrabackup/internal/control/facts"
	"infrabackup/internal/control/runs"
	"infrabackup/internal/flow/diagnosis"
)

// Controller is what the commands need of package control. [control.Controller] documents the
// methods.
type Controller interface {
	facts.Lister
	Show(ctx context.Context, id string) (backup.Overview, error)
	Schedule(ctx context.Context) (control.ScheduleStatus, error)
	Diagnose(ctx context.Context, trial diagnosis.ShareTrial) (diagnosis.Report, error)
	Runs() *runs.Reader
}

// Surroundings is what the commands get from the program.
type Surroundings struct {
	Instance func() string
	Now      func() time.Time
	// Bounded applies --timeout.
	Bounded    func(ctx context.Context) (context.Context, context.CancelFunc)
	Controller func(ctx context.Context) (Controller, error)
	Print      func(document any, table func(w *tabwriter.Writer)) error
	Say        func(format string, args ...any)
	// Failed ends the program with an exit code after everything was said.
	Failed func(code int) error
}

// Commands are the commands of the package.
func Commands(s Surroundings) []*cobra.Command {
	return []*cobra.Command{s.doctorCommand(), s.supportCommand(), s.versionCommand()}
}
