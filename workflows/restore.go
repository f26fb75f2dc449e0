package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
)

// PlanRestore makes the plan of a restore, or that of its undo, and lays it on the share.
// Nothing is written to the target.
func PlanRestore(ctx workflow.Context, in flow.RestorePlanInput) (flow.RestorePlan, error) {
	what := fmt.Sprintf("plan a restore of backup %s into %s", in.BackupID, in.Target)
	if in.Undoes != "" {
		what = fmt.Sprintf("plan the undo of restore %.16s in %s", in.Undoes, in.Target)
	}
	workflow.SetCurrentDetails(ctx, what+", requested by "+in.RequestedBy)
	on := workflow.WithScheduleToStartTimeout(onTarget(ctx, in.RestoreAccess, what), planWait)
	plan, err := flow.MakeRestorePlan.Run(on, in)
	return plan, noTarget(err, in.RestoreAccess, planWait)
}

// Restore does what a plan says, a batch of steps an activity: it compares everything with
// the plan before the first write, and goes on where an earlier run was ended. What a run did
// not do, because it failed or was cancelled, the next one does, or an undo takes back. A run
// that is to make its plan first goes on from that plan; only inputs of since that came have it,
// so runs of before take the same way as ever.
func Restore(ctx workflow.Context, in flow.RestoreInput) (flow.RestoreResult, error) {
	r := &restoreRun{in: in, step: "comparing the target with the plan"}
	if err := flow.RestoreProgress.Handle(ctx, r.progress); err != nil {
		return flow.RestoreResult{}, err
	}
	err := r.run(ctx)
	if workflow.IsContinueAsNewError(err) {
		return flow.RestoreResult{}, err
	}
	r.close(ctx)
	if err != nil {
		err = noTarget(err, in.RestoreAccess, targetWait)
		r.enter(ctx, "ended: "+flow.DecodeFault(err).Message())
		return flow.RestoreResult{}, err
	}
	r.enter(ctx, "done")
	return flow.RestoreResult{PlanID: r.in.PlanID, Totals: r.at.Totals, Refused: r.at.Refused}, nil
}

// restoreRun is the state of one run.
type restoreRun struct {
	in   flow.RestoreInput
	at   flow.RestoreState
	step string
}

func (r *restoreRun) run(ctx workflow.Context) error {
	if r.in.First != nil {
		if err := r.planFirst(ctx, *r.in.First); err != nil {
			return err
		}
	}
	if r.in.Done == nil {
		r.enter(ctx, r.step)
		opened, err := flow.OpenRestore.Run(onTarget(ctx, r.in.RestoreAccess, "open the plan"), r.in)
		if err != nil {
			return err
		}
		r.at.Batches = opened.Batches
		if !opened.Begun {
			if _, err := flow.CompareRestore.Run(onTarget(ctx, r.in.RestoreAccess, "compare the target with the plan"), r.in); err != nil {
				return err
			}
		}
	} else {
		r.at = *r.in.Done
	}
	for r.at.Ended < r.at.Batches {
		r.enter(ctx, "writing")
		in := flow.RestoreBatchInput{RestoreInput: r.in, Number: r.at.Ended}
		in.Done = nil
		totals, err := flow.RestoreBatch.Run(onTarget(ctx, r.in.RestoreAccess, fmt.Sprintf("batch %d of %d", r.at.Ended+1, r.at.Batches)), in)
		if err != nil {
			return err
		}
		r.at.Totals.Add(totals)
		r.at.Ended++
		if r.at.Ended < r.at.Batches && workflow.GetInfo(ctx).GetContinueAsNewSuggested() {
			next := r.in
			next.Done = &r.at
			return flow.Restore.ContinueAsNew(ctx, next)
		}
	}
	return nil
}

// planFirst makes the plan that the run goes on from.
func (r *restoreRun) planFirst(ctx workflow.Context, first flow.RestoreFirst) error {
	r.enter(ctx, "making the plan")
	if r.in.PlanID != "" || r.in.Done != nil {
		return flow.EncodeFault(fault.Newf(fault.RequestRefused, "a run that makes its plan has none before"))
	}
	made, err := flow.MakeRestorePlan.Run(onTarget(ctx, r.in.RestoreAccess, "plan the restore"), flow.RestorePlanInput{
		RestoreAccess: r.in.RestoreAccess, BackupID: r.in.BackupID, Selection: first.Selection, Recipients: first.Recipients,
	})
	if err != nil {
		return err
	}
	r.in.PlanID, r.in.First, r.at.Refused = made.PlanID, nil, made.Counts.Refused
	if first.Production {
		r.in.Consent.Production = made.Production
	}
	return nil
}

// close lets the worker forget the key and the connections. When it cannot, it does so by
// itself after a while.
func (r *restoreRun) close(ctx workflow.Context) {
	if r.in.PlanID == "" {
		return // nothing was opened
	}
	ctx, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	on := workflow.WithTaskQueue(tidying(ctx, "close the restore"), flow.TargetQueue(r.in.Instance, r.in.Target))
	if _, err := flow.CloseRestore.Run(on, r.in); err != nil {
		workflow.GetLogger(ctx).Warn("the restore is closed by its worker later", "error", err)
	}
}

// enter records where the run is, for the query and for the Web UI.
func (r *restoreRun) enter(ctx workflow.Context, step string) {
	r.step = step
	t := r.at.Totals
	workflow.SetCurrentDetails(ctx, fmt.Sprintf("restore `%.16s` of backup `%s` into %s, requested by %s: %s\n\n- batches: %d of %d\n- confirmed: %d\n- unneeded: %d\n- refused, blocked or failed: %d",
		r.in.PlanID, r.in.BackupID, r.in.Target, r.in.RequestedBy, step, r.at.Ended, r.at.Batches, t.Confirmed, t.Unneeded, t.Refused+t.Blocked+t.Failed))
}

func (r *restoreRun) progress(struct{}) (flow.RestoreAt, error) {
	return flow.RestoreAt{PlanID: r.in.PlanID, BackupID: r.in.BackupID, Target: r.in.Target, Step: r.step, RestoreState: r.at}, nil
}

// onTarget is for work that only workers can do which have an account of the target.
func onTarget(ctx workflow.Context, in flow.RestoreAccess, summary string) workflow.Context {
	return onHost(ctx, flow.TargetQueue(in.Instance, in.Target), targetWait, summary)
}

// noTarget says what it means that nobody took up work on a target.
func noTarget(err error, in flow.RestoreAccess, wait time.Duration) error {
	if !notTakenUp(err) {
		return err
	}
	return flow.EncodeFault(fault.Newf(fault.NoWorker, "no worker that may write to the target %s took up the work within %s", in.Target, wait))
}
