package recovering

import (
	"context"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"infrabackup/internal/backup"
	"infrabackup/internal/control"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/operator"
	"infrabackup/internal/operator/restoring"
	"infrabackup/internal/printable"
	"infrabackup/internal/restore"
	"infrabackup/internal/seal"
	"infrabackup/internal/secret"
	"infrabackup/internal/ui/table"
	"infrabackup/starter/args"
)

// Controller is what the commands need of package control. [control.Controller] documents the
// methods.
type Controller interface {
	PlanRestore(ctx context.Context, in flow.RestorePlanInput) (flow.RestorePlan, error)
	BeginRestore(ctx context.Context, in flow.RestoreInput) (control.Begun, error)
	WatchRestore(ctx context.Context, runID string, see func(flow.RestoreAt)) (flow.RestoreResult, error)
	CancelRestore(ctx context.Context) (flow.RestoreAt, error)
}

// RestoreCommands returns the commands that let a worker restore, for the group `restore`.
func RestoreCommands(s Surroundings) []*cobra.Command {
	group := s.grouped(&cobra.Command{}, s.workerPlanCommand(), s.workerApplyCommand(), s.workerUndoCommand(), s.workerShowCommand(), s.workerListCommand(),
		s.workerWatchCommand(), s.workerCancelCommand())
	all := group.Commands()
	group.RemoveCommand(all...)
	return all
}

// onShare opens the share of the settings for a command, with the operator's keys.
func (s Surroundings) onShare(ctx context.Context, f identityFlag, work func(place *operator.LocalRepo, identities []seal.Identity) error) error {
	identities, err := f.keys(ctx)
	if err != nil {
		return err
	}
	place, done, err := s.Share(ctx)
	if err != nil {
		return err
	}
	defer done()
	return work(place, identities)
}

func (s Surroundings) workerPlanCommand() *cobra.Command {
	var f identityFlag
	var selected selectFlags
	var target string
	cmd := &cobra.Command{
		Use:   "plan [ID|latest] --identity F --target NAME [--service S] [--item ID] [--match PATTERN]",
		Short: "Let a worker write down what a restore would do; changes nothing",
		Long: `Let a worker compare a backup with a target that its configuration has, and write a plan,
which is kept beside the backups, encrypted for the owner of the private key. The private key
stays on this machine: the worker gets the key of this one backup.

Without a selection everything is planned that the target has a place for; what the chosen
items need is added, unless the target has it. The plan holds names and digests and no
values, can be applied for 24 hours, and once.

A target with other names than the cloud of the backup needs a map of them, --map, which
"recover plan --write-map" writes.

--policy says what becomes of items that the target has and that differ: update, the
default, skip or fail, for one service (CA=skip) or for all (skip).`,
		Example: `  infrabackup restore plan latest --identity operator.key --target site-b
  infrabackup restore plan latest --identity operator.key --target site-b --service RBAC --policy skip`,
		Args: args.AtMostOne("ID"),
	}
	f.register(cmd)
	selected.register(cmd)
	cmd.Flags().StringVar(&target, "target", "", "name of the target, as the workers' configuration has it")
	cmd.RunE = func(cmd *cobra.Command, names []string) error {
		request, err := selected.request()
		if err != nil {
			return err
		}
		switch {
		case target == "":
			return fault.Usagef("--target is needed: the name of a target of the workers")
		case !flow.TargetName.MatchString(target):
			return fault.Usagef("--target %s is no name of a target: those of workers have at most 40 small letters, digits and '-'", printable.Quote(target))
		}
		name := latestOr(names)
		if name != backup.Latest {
			if name, err = operator.ParseName(name); err != nil {
				return err
			}
		}
		ctx := cmd.Context()
		return s.onShare(ctx, f, func(place *operator.LocalRepo, identities []seal.Identity) error {
			id, key, err := restoring.BackupKey(ctx, place, name, identities)
			if err != nil {
				return err
			}
			in := flow.RestorePlanInput{RestoreAccess: access(target, key), BackupID: id, Selection: request.Selection, Policies: request.Policies, Site: request.Site, Recipients: texts(identities)}
			return s.planned(ctx, place, identities, in)
		})
	}
	return cmd
}

// access is what a worker needs of the operator.
func access(target string, key seal.Identity) flow.RestoreAccess {
	return flow.RestoreAccess{Target: target, Key: secret.NewTransfer(key.Text()), RequestedBy: operator.Requester()}
}

// texts are the public halves of keys.
func texts(identities []seal.Identity) []string {
	all := make([]string, 0, len(identities))
	for _, identity := range identities {
		all = append(all, identity.Public())
	}
	return all
}

// planned lets a worker make a plan, and shows it.
func (s Surroundings) planned(ctx context.Context, place *operator.LocalRepo, identities []seal.Identity, in flow.RestorePlanInput) error {
	c, err := s.Controller(ctx)
	if err != nil {
		return err
	}
	made, err := c.PlanRestore(ctx, in)
	if err != nil {
		return err
	}
	plan, _, err := restoring.ReadPlan(ctx, place, made.PlanID, identities)
	if err != nil {
		return err
	}
	if err := s.show(plan); err != nil {
		return err
	}
	s.Say("Nothing was changed. To do this: infrabackup restore apply %.16s", made.PlanID)
	return nil
}

func (s Surroundings) workerApplyCommand() *cobra.Command {
	var f identityFlag
	var agreed consent
	cmd := &cobra.Command{
		Use:   "apply PLAN --identity F",
		Short: "Let a worker do what a plan says, or go on with it",
		Long: `Let a worker compare the target with the plan, and do what the plan says. PLAN is the plan's
ID or its beginning, as "restore plan" and "restore list" show it. When anything moved since, or
this version would write something else, nothing is written. What is about to be changed is
saved beside the backups, encrypted, so that "restore undo" can take it back.

The command waits for the end, and tells how many steps were confirmed by reading the target
again. When it is interrupted, the restore goes on. One that was cancelled or has failed in
between goes on with the same command: what was done is not done twice. No backup is made
while a restore runs.`,
		Example: `  infrabackup restore apply 3f2a91c0 --identity operator.key`,
		Args:    args.One("PLAN"),
	}
	f.register(cmd)
	agreed.register(cmd)
	cmd.RunE = func(cmd *cobra.Command, names []string) error {
		ctx := cmd.Context()
		return s.onShare(ctx, f, func(place *operator.LocalRepo, identities []seal.Identity) error {
			plan, key, err := restoring.ReadPlan(ctx, place, names[0], identities)
			if err != nil {
				return err
			}
			if plan.Header.Kind == restore.OfUndo {
				return fault.Usagef("this is the plan of an undo: infrabackup restore undo %.16s goes on with it", plan.Header.Undoes)
			}
			return s.applied(ctx, plan, key, agreed, "Applying plan "+plan.Header.PlanID[:16]+" changes "+plan.Header.Target.Name+".")
		})
	}
	return cmd
}

// applied lets a worker do what a plan says, and tells what came of it.
func (s Surroundings) applied(ctx context.Context, plan *restore.Plan, key seal.Identity, agreed consent, what string) error {
	if err := s.Consent(ctx, agreed.yes, what); err != nil {
		return err
	}
	c, err := s.Controller(ctx)
	if err != nil {
		return err
	}
	begun, err := c.BeginRestore(ctx, flow.RestoreInput{RestoreAccess: access(plan.Header.Target.Name, key), PlanID: plan.Header.PlanID,
		BackupID: plan.Header.Origin.BackupID, Consent: agreed.given()})
	if err != nil {
		return err
	}
	result, err := c.WatchRestore(ctx, begun.ID, s.restoreProgress())
	if err != nil {
		return err
	}
	return s.ended(plan, result.Totals)
}

// restoreProgress tells how far a restore is, whenever that changes.
func (s Surroundings) restoreProgress() func(flow.RestoreAt) {
	var last flow.RestoreAt
	return func(at flow.RestoreAt) {
		if at == last {
			return
		}
		last = at
		s.Say("%s: batch %d of %d, %d steps confirmed", at.Step, min(at.Ended+1, at.Batches), at.Batches, at.Totals.Confirmed)
	}
}

func (s Surroundings) workerUndoCommand() *cobra.Command {
	var f identityFlag
	var agreed consent
	cmd := &cobra.Command{
		Use:   "undo RESTORE --identity F",
		Short: "Let a worker take back what a restore did",
		Long: `Let a worker take back what a restore changed: what it made is removed, what it changed
becomes as it was, each only while it still is as the restore left it. RESTORE is the plan's ID
or its beginning. What cannot be taken back is listed and stays.`,
		Example: `  infrabackup restore undo 3f2a91c0 --identity operator.key`,
		Args:    args.One("RESTORE"),
	}
	f.register(cmd)
	agreed.register(cmd)
	cmd.RunE = func(cmd *cobra.Command, names []string) error {
		ctx := cmd.Context()
		return s.onShare(ctx, f, func(place *operator.LocalRepo, identities []seal.Identity) error {
			return s.undone(ctx, place, identities, names[0], agreed)
		})
	}
	return cmd
}

func (s Surroundings) undone(ctx context.Context, place *operator.LocalRepo, identities []seal.Identity, id string, agreed consent) error {
	done, key, err := restoring.ReadPlan(ctx, place, id, identities)
	if err != nil {
		return err
	}
	if done.Header.Kind == restore.OfUndo {
		return fault.Usagef("this is an undo itself: plan the restore again")
	}
	c, err := s.Controller(ctx)
	if err != nil {
		return err
	}
	made, err := c.PlanRestore(ctx, flow.RestorePlanInput{RestoreAccess: access(done.Header.Target.Name, key), BackupID: done.Header.Origin.BackupID,
		Undoes: done.Header.PlanID, Recipients: texts(identities)})
	if err != nil {
		return err
	}
	undo, key, err := restoring.ReadPlan(ctx, place, made.PlanID, identities)
	if err != nil {
		return err
	}
	for _, r := range undo.Refusals {
		s.Say("This stays: %s: %s", r.Key, r.Detail)
	}
	return s.applied(ctx, undo, key, agreed, undoing(undo))
}

func (s Surroundings) workerShowCommand() *cobra.Command {
	var f identityFlag
	cmd := &cobra.Command{
		Use:     "show RESTORE --identity F",
		Short:   "Show the plan of a restore by a worker",
		Long:    `Show what a plan does, step by step, what it refuses and what cannot come back.`,
		Example: `  infrabackup restore show 3f2a91c0 --identity operator.key`,
		Args:    args.One("RESTORE"),
	}
	f.register(cmd)
	cmd.RunE = func(cmd *cobra.Command, names []string) error {
		ctx := cmd.Context()
		return s.onShare(ctx, f, func(place *operator.LocalRepo, identities []seal.Identity) error {
			plan, _, err := restoring.ReadPlan(ctx, place, names[0], identities)
			if err != nil {
				return err
			}
			return s.show(plan)
		})
	}
	return cmd
}

func (s Surroundings) workerListCommand() *cobra.Command {
	var f identityFlag
	cmd := &cobra.Command{
		Use:     "list --identity F",
		Short:   "List the restores by workers",
		Long:    `List the restores whose plans and journals lie beside the backups, and how far each is.`,
		Example: `  infrabackup restore list --identity operator.key`,
		Args:    args.None,
	}
	f.register(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		ctx := cmd.Context()
		return s.onShare(ctx, f, func(place *operator.LocalRepo, identities []seal.Identity) error {
			all, err := restoring.List(ctx, restoring.OnShare(place), identities)
			if err != nil {
				return err
			}
			return s.printList(all)
		})
	}
	return cmd
}

func (s Surroundings) workerWatchCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "watch",
		Short:   "Show the progress of the restore that runs, and wait for its end",
		Long:    `Show the progress of the restore that runs, or what came of the newest one, and wait for its end.`,
		Example: `  infrabackup restore watch`,
		Args:    args.None,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := s.Controller(cmd.Context())
			if err != nil {
				return err
			}
			done, err := c.WatchRestore(cmd.Context(), "", s.restoreProgress())
			if err != nil {
				return err
			}
			return s.printTotals(result{PlanID: done.PlanID, Totals: done.Totals})
		},
	}
}

func (s Surroundings) workerCancelCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "cancel",
		Short: "Stop the restore that runs",
		Long: `Stop the restore that runs, after the steps that it is at. What was done stays, and is in the
journal: "restore apply" goes on, "restore undo" takes it back.`,
		Example: `  infrabackup restore cancel`,
		Args:    args.None,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := s.Controller(cmd.Context())
			if err != nil {
				return err
			}
			at, err := c.CancelRestore(cmd.Context())
			if err != nil {
				return err
			}
			return s.Print(at, func(w *tabwriter.Writer) {
				table.Line(w, fmt.Sprintf("Restore %.16s was stopped after batch %d of %d.", at.PlanID, at.Ended, at.Batches))
			})
		},
	}
}
