package recovering

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"infrabackup/internal/fault"
	"infrabackup/internal/operator/restoring"
	"infrabackup/internal/printable"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/statedir"
	"infrabackup/internal/ui/table"
	"infrabackup/starter/args"
)

func (s Surroundings) applyCommand() *cobra.Command {
	var f common
	var agreed consent
	cmd := &cobra.Command{
		Use:   "apply PLAN --identity F --target F",
		Short: "Do what a plan says, or go on with it",
		Long: `Compare the target with the plan, and do what the plan says. When anything moved since, or
this version would write something else, nothing is written. What is about to be changed is
saved in --state, encrypted, so that "recover undo" can take it back.

An apply that was ended goes on with the same command: what was done is not done twice. The
end tells how many steps were confirmed by reading the target again.`,
		Example: `  infrabackup recover apply ca.plan --from /mnt/AzSBackups --identity operator.key --target site-b.yaml`,
		Args:    args.One("PLAN"),
	}
	f.register(cmd, s)
	f.registerTarget(cmd)
	agreed.register(cmd)
	open := s.Backups(cmd)
	cmd.RunE = func(cmd *cobra.Command, names []string) error {
		return s.apply(cmd.Context(), names[0], f, agreed, open)
	}
	return cmd
}

func (s Surroundings) apply(ctx context.Context, file string, f common, agreed consent, open Open) error {
	identities, err := f.keys(ctx)
	if err != nil {
		return err
	}
	state, err := f.stateDir(s)
	if err != nil {
		return err
	}
	plan, err := readFile(file)
	if err != nil {
		return err
	}
	target, err := f.openTarget(ctx)
	if err != nil {
		return err
	}
	defer target.Close()
	if err := s.Consent(ctx, agreed.yes, "Applying "+file+" changes "+target.Fingerprint.Name+"."); err != nil {
		return err
	}
	o := &opener{open: open, identities: identities}
	defer o.close()
	done, err := restoring.Apply(ctx, plan, identities, target, o.backup, restoring.Application{State: state, Consent: agreed.given(), Progress: s.told()})
	if err != nil {
		return err
	}
	return s.ended(done.Plan, done.Totals)
}

// told says what did not come about, as it happens.
func (s Surroundings) told() func(restore.Outcome) {
	return func(o restore.Outcome) {
		if !o.Status.Good() {
			s.Say("Step %d is %s: %s %s", o.N, o.Status, o.Code, o.Detail)
		}
		for _, f := range o.Residual {
			s.Say("Step %d left a name of the source: %s", o.N, f)
		}
	}
}

// result is the outcome as JSON.
type result struct {
	PlanID  string         `json:"planId"`
	Totals  restore.Totals `json:"totals"`
	Refused int            `json:"refusedByPlan"`
	Lost    int            `json:"lost"`
}

func (s Surroundings) ended(plan *restore.Plan, totals restore.Totals) error {
	return s.printTotals(result{PlanID: plan.Header.PlanID, Totals: totals, Refused: len(plan.Refusals), Lost: len(plan.Losses)})
}

func (s Surroundings) printTotals(r result) error {
	totals := r.Totals
	err := s.Print(r, func(w *tabwriter.Writer) {
		table.Line(w, "Restore:", printable.Text(fmt.Sprintf("%.16s", r.PlanID)))
		table.Line(w, "Confirmed:", totals.Confirmed)
		table.Line(w, "Unneeded:", totals.Unneeded)
		for _, row := range []struct {
			name string
			n    int
		}{{"Refused:", totals.Refused}, {"Blocked:", totals.Blocked}, {"Failed:", totals.Failed}, {"Not begun:", totals.Undone}, {"With names of the source:", totals.Residual}} {
			if row.n > 0 {
				table.Line(w, row.name, row.n)
			}
		}
	})
	if err == nil && !totals.Whole() {
		return s.Failed(fault.RestoreIncomplete)
	}
	return err
}

func (s Surroundings) undoCommand() *cobra.Command {
	var f common
	var agreed consent
	cmd := &cobra.Command{
		Use:   "undo RESTORE --identity F --target F",
		Short: "Take back what a restore did",
		Long: `Take back what a restore changed: what it made is removed, what it changed becomes as it
was, each only while it still is as the restore left it. RESTORE is the plan's ID or its
beginning, as "recover list" shows it. What cannot be taken back is listed and stays.

A restore that was ended in between is looked at first, for which the backup is needed.`,
		Example: `  infrabackup recover undo 3f2a91c0 --identity operator.key --target site-b.yaml`,
		Args:    args.One("RESTORE"),
	}
	f.register(cmd, s)
	f.registerTarget(cmd)
	agreed.register(cmd)
	open := s.Backups(cmd)
	cmd.RunE = func(cmd *cobra.Command, names []string) error {
		return s.undo(cmd.Context(), names[0], f, agreed, open)
	}
	return cmd
}

func (s Surroundings) undo(ctx context.Context, id string, f common, agreed consent, open Open) (err error) {
	identities, err := f.keys(ctx)
	if err != nil {
		return err
	}
	state, err := f.stateDir(s)
	if err != nil {
		return err
	}
	target, err := f.openTarget(ctx)
	if err != nil {
		return err
	}
	defer target.Close()
	o := &opener{open: open, identities: identities}
	defer o.close()
	application := restoring.Application{State: state, Consent: agreed.given(), Progress: s.told()}
	u, err := restoring.PrepareUndo(ctx, id, identities, target, o.backup, application)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, u.Close()) }()
	for _, r := range u.Plan.Refusals {
		s.Say("This stays: %s: %s", r.Key, r.Detail)
	}
	if err := s.Consent(ctx, agreed.yes, undoing(u.Plan)); err != nil {
		return err
	}
	totals, err := u.Apply(ctx, target, application)
	if err != nil {
		return err
	}
	return s.ended(u.Plan, totals)
}

func undoing(p *restore.Plan) string {
	return "Undoing changes " + p.Header.Target.Name + ": " + counted(p.Header.Counts.Remove, "removed") + ", " + counted(p.Header.Counts.Update, "put back") + "."
}

// readFile reads a plan's file.
func readFile(name string) (data []byte, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fault.New(fault.Usage, "the plan cannot be read", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	if data, err = io.ReadAll(io.LimitReader(f, statedir.MaxPlanBytes+1)); err != nil {
		return nil, fault.New(fault.Usage, "the plan cannot be read", err)
	}
	if len(data) > statedir.MaxPlanBytes {
		return nil, fault.Newf(fault.PlanInvalid, "%s is larger than any plan", name)
	}
	return data, nil
}
