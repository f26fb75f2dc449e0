package recovering

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"infrabackup/internal/operator/localfile"
	"infrabackup/internal/operator/restoring"
	"infrabackup/internal/printable"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/statedir"
	"infrabackup/internal/ui/table"
	"infrabackup/starter/args"
)

func (s Surroundings) showCommand() *cobra.Command {
	var f common
	cmd := &cobra.Command{
		Use:     "show PLAN|RESTORE --identity F",
		Short:   "Show a plan, of a file or of a restore",
		Long:    `Show what a plan does, step by step, what it refuses and what cannot come back.`,
		Example: `  infrabackup recover show ca.plan --identity operator.key`,
		Args:    args.One("PLAN"),
	}
	f.register(cmd, s)
	cmd.RunE = func(cmd *cobra.Command, names []string) error {
		plan, err := s.find(cmd.Context(), names[0], f)
		if err != nil {
			return err
		}
		return s.show(plan)
	}
	return cmd
}

// find reads a plan of a file, or of the restore of that ID.
func (s Surroundings) find(ctx context.Context, name string, f common) (*restore.Plan, error) {
	identities, err := f.keys(ctx)
	if err != nil {
		return nil, err
	}
	if !isID(name) {
		data, err := readFile(name)
		if err != nil {
			return nil, err
		}
		return statedir.ReadPlan(bytes.NewReader(data), identities)
	}
	state, err := f.stateDir(s)
	if err != nil {
		return nil, err
	}
	dir, plan, err := statedir.Open(ctx, state, name, identities)
	if err != nil {
		return nil, err
	}
	return plan, dir.Close()
}

// isID reports whether a name is that of a restore rather than of a file.
func isID(name string) bool {
	return len(name) >= 4 && strings.Trim(name, "0123456789abcdef") == "" && !localfile.Exists(name)
}

// shown is a plan as JSON.
type shown struct {
	restore.Header
	Steps    []restore.Step    `json:"steps"`
	Refusals []restore.Refusal `json:"refused"`
	Losses   []restore.Loss    `json:"lost"`
}

func (s Surroundings) show(p *restore.Plan) error {
	document := shown{Header: p.Header, Steps: append([]restore.Step{}, p.Steps...), Refusals: append([]restore.Refusal{}, p.Refusals...), Losses: append([]restore.Loss{}, p.Losses...)}
	return s.Print(document, func(w *tabwriter.Writer) {
		h := p.Header
		table.Line(w, "Plan:", h.PlanID[:16])
		if h.Kind == restore.OfUndo {
			table.Line(w, "Undoes:", h.Undoes[:16])
		}
		table.Line(w, "Backup:", h.Origin.BackupID)
		table.Line(w, "Target:", printable.Text(h.Target.Name)+" ("+h.Target.ID()+")"+production(h.Production))
		if h.Site != nil {
			table.Line(w, "Names:", "those of "+printable.Text(h.Site.Source.FQDN)+" become those of "+printable.Text(h.Site.Target.FQDN))
		}
		table.Line(w, "Applies until:", h.Expires.Format("2006-01-02 15:04:05 UTC"))
		table.Line(w, "Would be:", summary(h.Counts))
		table.Line(w)
		table.Line(w, "STEP", "ACTION", "ITEM", "WHY", "UNDO", "FIELDS")
		for _, step := range p.Steps {
			if step.Action != restore.Skip {
				table.Line(w, step.N, step.Action, printable.Text(step.Key.String()), why(step), step.Reversible.Grade, printable.Short(strings.Join(step.Fields, ", ")))
			}
		}
		for _, r := range p.Refusals {
			table.Line(w, "-", "refused", printable.Text(r.Key.String()), r.Code, "", printable.Text(r.Detail))
		}
		for _, l := range p.Losses {
			table.Line(w, "-", "lost", printable.Text(l.Key.String()), l.Code, "", printable.Text(l.Detail))
		}
	})
}

func production(is bool) string {
	if is {
		return ", which may be the cloud that was backed up"
	}
	return ""
}

func why(s restore.Step) string {
	if s.AddedBy == restore.Needed {
		return string(s.Reason) + ", needed by " + printable.Text(s.NeededBy)
	}
	return string(s.Reason)
}

func counted(n int, what string) string { return fmt.Sprintf("%d %s", n, what) }

func summary(c restore.Counts) string {
	parts := []string{counted(c.Create, "created"), counted(c.Update, "changed")}
	for _, p := range []struct {
		n    int
		what string
	}{{c.Undelete, "undeleted"}, {c.Remove, "removed"}, {c.Along, "brought along"}, {c.Skip, "left as they are"}, {c.Refused, "refused"}, {c.Lost, "lost"}, {c.Irreversible, "without undo"}} {
		if p.n > 0 {
			parts = append(parts, counted(p.n, p.what))
		}
	}
	return strings.Join(parts, ", ")
}

func (s Surroundings) listCommand() *cobra.Command {
	var f common
	cmd := &cobra.Command{
		Use:     "list --identity F",
		Short:   "List the restores of this machine",
		Long:    `List the restores whose journals lie in --state, and how far each is.`,
		Example: `  infrabackup recover list --identity operator.key`,
		Args:    args.None,
	}
	f.register(cmd, s)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return s.list(cmd.Context(), f) }
	return cmd
}

func (s Surroundings) list(ctx context.Context, f common) error {
	identities, err := f.keys(ctx)
	if err != nil {
		return err
	}
	state, err := f.stateDir(s)
	if err != nil {
		return err
	}
	all, err := restoring.List(ctx, state, identities)
	if err != nil {
		return err
	}
	return s.printList(all)
}

func (s Surroundings) printList(all []restoring.Listed) error {
	return s.Print(all, func(w *tabwriter.Writer) {
		table.Line(w, "RESTORE", "KIND", "BACKUP", "TARGET", "STATE")
		for _, row := range all {
			table.Line(w, row.PlanID[:16], row.Kind, row.BackupID, printable.Text(row.Target), row.State)
		}
	})
}
