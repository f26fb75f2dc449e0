package alerting

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"infrabackup/internal/alert"
	"infrabackup/internal/board"
	"infrabackup/internal/control/facts"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/operator"
	"infrabackup/internal/printable"
	"infrabackup/internal/ui"
	"infrabackup/internal/ui/table"
	"infrabackup/starter/args"
)

// Controller is what the commands need of package control. [control.Controller] documents the
// methods.
type Controller interface {
	facts.Controller
	Acknowledge(ctx context.Context, in flow.AlertAcknowledgement) (flow.Acknowledgement, error)
}

// Surroundings is what the commands get from the program.
type Surroundings struct {
	// Connected makes a command's function of one that needs a controller.
	Connected func(fn func(ctx context.Context, c Controller, args []string) error) func(*cobra.Command, []string) error
	Print     func(document any, table func(w *tabwriter.Writer)) error
	Say       func(format string, args ...any)
	// Failed ends the program with a code after everything was said.
	Failed func(code fault.Code) error
}

// Commands are the commands of the package.
func Commands(s Surroundings) []*cobra.Command {
	group := &cobra.Command{
		Use: "alert", Short: "See what needs attention, and say that it is known", Args: args.None, RunE: args.NeedsCommand,
	}
	group.AddCommand(s.listCommand(), s.showCommand(), s.acknowledgeCommand())
	return []*cobra.Command{group}
}

func (s Surroundings) listCommand() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "list [--all]",
		Short: "List open alerts, the worst first",
		Long: `List what is wrong with the instance now, the worst first. An alert is open for as long as
its cause holds, and closes by itself. Those that were acknowledged are shown with --all.

Everything is read for it, from Temporal and from the share. What needs time to show, such
as a running backup that makes no progress, is seen by "infrabackup serve" only, and so is
when an alert without a time of its own was opened.

The exit code is 0 whether there are alerts or not. When something cannot be read, the
alerts that are known are shown all the same, and the exit code is that of the reason.`,
		Example: "  infrabackup alert list\n  infrabackup alert list --all -o json | jq -r '.[] | select(.severity == \"critical\") | .id'",
		Args:    args.None,
		RunE: s.Connected(func(ctx context.Context, c Controller, _ []string) error {
			now, err := facts.Read(ctx, c)
			if err != nil {
				return err
			}
			shown := slices.DeleteFunc(slices.Clone(now.Alerts), func(a alert.Alert) bool { return !all && !a.AcknowledgedAt.IsZero() })
			if err := s.Print(table.OpenAlerts(shown), func(w *tabwriter.Writer) { table.Alerts(w, shown) }); err != nil {
				return err
			}
			if n := len(now.Alerts) - len(shown); n > 0 {
				s.Say("Left out because they were acknowledged: %d; see --all.", n)
			}
			return s.whole(now)
		}),
	}
	cmd.Flags().BoolVar(&all, "all", false, "also show those that were acknowledged")
	return cmd
}

// whole says when something could not be read, and ends the program with its code then.
func (s Surroundings) whole(now *board.Snapshot) error {
	if now.Fault == nil {
		return nil
	}
	s.Say("Warning: not everything could be read, so alerts may be missing: %s", now.Fault.Line())
	return s.Failed(now.Fault.Code)
}

func (s Surroundings) showCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "show CODE-OR-ID",
		Short: "Explain an alert: what it means, what to do, and whether it is open",
		Long: `Explain an alert and show where it is open. CODE is a cause such as SHARE_FULL, whether
it holds or not. With the ID of an open alert, as "alert list" prints it, only that one is
shown.`,
		Example: "  infrabackup alert show NO_GOOD_BACKUP\n  infrabackup alert show BACKUP_DAMAGED/6f8c7527-bdc7-4a7b-b834-649bab41174e -o json",
		Args:    args.One("CODE-OR-ID"),
		RunE: s.Connected(func(ctx context.Context, c Controller, args []string) error {
			key := alert.ParseKey(args[0])
			cause, known := alert.Find(key.Code)
			if !known {
				return unknown(args[0])
			}
			now, err := facts.Read(ctx, c)
			if err != nil {
				return err
			}
			open := matching(now, key)
			if len(open) == 0 && key.Object != "" {
				return notOpen(now, key)
			}
			if err := s.Print(table.ExplainedAlert{Cause: cause, Open: table.OpenAlerts(open)}, func(w *tabwriter.Writer) { table.Alert(w, cause, open) }); err != nil {
				return err
			}
			return s.whole(now)
		}),
	}
}

func (s Surroundings) acknowledgeCommand() *cobra.Command {
	var note string
	cmd := &cobra.Command{
		Use:   "acknowledge ID [--note TEXT]",
		Short: "Say that an open alert is known",
		Long: `Say that an open alert is known. It stays open until its cause is gone, and is left out of
"alert list"; API and page show who acknowledged it. When its cause goes and comes back,
that is another alert. ID is as "alert list" prints it; the code is enough when only one
alert has it. Acknowledging again replaces the note.`,
		Example: "  infrabackup alert acknowledge SCHEDULE_OFF --note 'backups are started by cron'",
		Args:    args.One("ID"),
	}
	cmd.RunE = s.Connected(func(ctx context.Context, c Controller, args []string) error {
		if len(note) > flow.MaxNote {
			return fault.Usagef("--note has %d bytes, and may have %d", len(note), flow.MaxNote)
		}
		key := alert.ParseKey(args[0])
		if _, known := alert.Find(key.Code); !known {
			return unknown(args[0])
		}
		now, err := facts.Read(ctx, c)
		if err != nil {
			return err
		}
		found := matching(now, key)
		switch {
		case len(found) == 0:
			return notOpen(now, key)
		case len(found) > 1:
			return fault.Usagef("%d alerts have the code %s: %s", len(found), key.Code, names(found))
		}
		a := found[0]
		noted := cmd.Flags().Changed("note")
		if !a.AcknowledgedAt.IsZero() && !noted {
			s.Say("It was acknowledged before, at %s by %s; nothing was changed.", ui.Time(a.AcknowledgedAt), a.AcknowledgedBy)
			return s.print(a)
		}
		kept, err := c.Acknowledge(ctx, flow.AlertAcknowledgement{
			Code: string(a.Code), Object: a.Object, By: operator.Requester(), Note: note, Since: a.Since, Replace: noted,
		})
		if err != nil {
			return err
		}
		if kept.Note == "" && note != "" {
			s.Say("Warning: the note was not kept: the worker is of an earlier version.")
		}
		a.AcknowledgedAt, a.AcknowledgedBy, a.Note = kept.At, kept.By, kept.Note
		return s.print(a)
	})
	cmd.Flags().StringVar(&note, "note", "", fmt.Sprintf("why it may stay, one line of at most %d bytes", flow.MaxNote))
	return cmd
}

func (s Surroundings) print(a alert.Alert) error {
	all := []alert.Alert{a}
	return s.Print(table.OpenAlerts(all)[0], func(w *tabwriter.Writer) { table.Alerts(w, all) })
}

// matching are the open alerts with a key, or with its code when it names no object.
func matching(now *board.Snapshot, key alert.Key) []alert.Alert {
	if a, ok := now.Alert(key); ok {
		return []alert.Alert{a}
	}
	var all []alert.Alert
	for _, a := range now.Alerts {
		if key.Object == "" && a.Code == key.Code {
			all = append(all, a)
		}
	}
	return all
}

const maxNamed = 5 // alerts in one message

func names(all []alert.Alert) string {
	var out []string
	for _, a := range all[:min(len(all), maxNamed)] {
		out = append(out, printable.Quote(a.Key().String()))
	}
	if len(all) > maxNamed {
		out = append(out, "and others")
	}
	return strings.Join(out, ", ")
}

func unknown(text string) error {
	f := fault.Newf(fault.ItemNotFound, "no alert has the code %s", printable.Quote(string(alert.ParseKey(text).Code)))
	f.Advice = "`infrabackup alert list` shows those that are open."
	return f
}

// notOpen says that an alert is not open, or why that is not known.
func notOpen(now *board.Snapshot, key alert.Key) error {
	if now.Fault != nil {
		return now.Fault
	}
	f := fault.Newf(fault.ItemNotFound, "the alert %s is not open", printable.Quote(key.String()))
	f.Advice = "It may have closed by itself; `infrabackup alert list --all` shows those that are open."
	return f
}
