package workflows

import (
	"fmt"

	"go.temporal.io/sdk/workflow"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/schedule"
	"infrabackup/internal/upkeep"
)

// Upkeep does what is due: it starts the backup of a slot, verifies what is to be verified,
// and removes what has expired while backups start by themselves. Nothing is believed of
// whoever started it: what is due is found out here. A step that fails is told in the
// result, and keeps no other from being done.
func Upkeep(ctx workflow.Context) (flow.UpkeepOutput, error) {
	u := &upkeepRun{instance: flow.InstanceOf(ctx)}
	u.startDue(ctx)
	plan, err := u.plan(ctx)
	if err != nil {
		u.failed(ctx, "plan", "", err)
		return u.out, ctx.Err()
	}
	u.verify(ctx, plan.Verify)
	if len(plan.Verify) > 0 && ctx.Err() == nil {
		// What was verified counts, and it may have taken long.
		if plan, err = u.plan(ctx); err != nil {
			u.failed(ctx, "plan", "", err)
			return u.out, ctx.Err()
		}
	}
	u.out.Hold = plan.Prune.Hold
	if plan.Enabled {
		p := pruning{instance: u.instance, by: flow.ByRetention}
		u.out.Removed, u.out.Failed = p.run(ctx, plan.Prune, u.out.Failed)
	}
	u.tell(ctx)
	return u.out, ctx.Err()
}

// upkeepRun is the state of one run.
type upkeepRun struct {
	instance string
	out      flow.UpkeepOutput
}

// startDue starts the backup of the slot that is due, for which the share is not read: a
// share that is away is for the backup to report.
func (u *upkeepRun) startDue(ctx workflow.Context) {
	plan, err := flow.PlanUpkeep.Run(asking(ctx, "look at the schedule"), flow.PlanUpkeepInput{Instance: u.instance, Now: workflow.Now(ctx).UTC(), SlotOnly: true})
	if err != nil {
		u.failed(ctx, "plan", "", err)
		return
	}
	if !plan.Due {
		return
	}
	started, err := flow.StartScheduled.Run(preparing(ctx, "start the backup of "+plan.Slot.String()), flow.StartScheduledInput{
		Instance: u.instance, Slot: plan.Slot, BackupID: plan.BackupID,
	})
	if err != nil {
		u.failed(ctx, "start", plan.BackupID, err)
		return
	}
	u.out.Slot, u.out.Started = plan.Slot, started
	if started.Outcome == schedule.Started {
		u.out.BackupID = plan.BackupID
	}
	u.tell(ctx)
}

func (u *upkeepRun) plan(ctx workflow.Context) (flow.PlanUpkeepOutput, error) {
	return flow.PlanUpkeep.Run(shortRead(ctx, "look at ledger and backups"), flow.PlanUpkeepInput{Instance: u.instance, Now: workflow.Now(ctx).UTC()})
}

// verify verifies backups, one after the other. While that goes on, a slot may come.
func (u *upkeepRun) verify(ctx workflow.Context, ids []backup.ID) {
	for _, id := range ids {
		if ctx.Err() != nil {
			return
		}
		future := flow.VerifyBackup.Start(streaming(ctx, "verify "+string(id)), flow.VerifyInput{Instance: u.instance, BackupID: id})
		for {
			if done, err := workflow.AwaitWithTimeout(ctx, flow.UpkeepInterval, future.IsReady); done || err != nil {
				break
			}
			u.startDue(ctx)
		}
		verdict, err := future.Get(ctx)
		if err != nil {
			u.failed(ctx, "verify", id, err)
			continue
		}
		note := upkeep.Note(verdict, flow.VerifyInput{})
		u.out.Verdicts = append(u.out.Verdicts, flow.Verdict{
			BackupID: id, At: workflow.Now(ctx).UTC(), Code: note.Code, Beside: note.Beside, Sequence: note.Sequence,
		})
	}
}

func (u *upkeepRun) failed(ctx workflow.Context, step string, id backup.ID, err error) {
	u.out.Failed = append(u.out.Failed, failedStep(ctx, step, id, err))
}

// failedStep tells of a step that failed.
func failedStep(ctx workflow.Context, step string, id backup.ID, err error) flow.FailedStep {
	f := flow.DecodeFault(err)
	workflow.GetLogger(ctx).Warn("a step of upkeep failed", "step", step, "backup", id, "error", f.Error())
	return flow.FailedStep{Step: step, BackupID: id, Code: string(f.Code), Message: backup.Printable(f.Message(), flow.MaxText)}
}

// tell shows in the Web UI what was done.
func (u *upkeepRun) tell(ctx workflow.Context) {
	text := "no backup was due"
	switch {
	case u.out.Started.Outcome == schedule.Started:
		text = "started backup " + string(u.out.BackupID)
	case u.out.Started.Outcome == schedule.Skipped:
		text = "skipped a backup: " + u.out.Started.Code
	}
	workflow.SetCurrentDetails(ctx, fmt.Sprintf("%s; %d verified, %d removed, %d steps failed", text, len(u.out.Verdicts), len(u.out.Removed), len(u.out.Failed)))
}

// Prune removes what has expired, or tells what would be removed.
func Prune(ctx workflow.Context, in flow.PruneInput) (flow.PruneOutput, error) {
	workflow.SetCurrentDetails(ctx, "removing what has expired, requested by "+in.RequestedBy)
	plan, err := flow.PlanUpkeep.Run(shortRead(ctx, "look at ledger and backups"), flow.PlanUpkeepInput{
		Instance: in.Instance, Now: workflow.Now(ctx).UTC(), AcrossHole: in.AcrossHole, Try: in.Try,
	})
	if err != nil {
		return flow.PruneOutput{}, err
	}
	out := flow.PruneOutput{Plan: plan.Prune}
	if !in.DryRun && in.Try == nil {
		p := pruning{instance: in.Instance, by: in.RequestedBy}
		out.Removed, out.Failed = p.run(ctx, plan.Prune, nil)
	}
	return out, ctx.Err()
}

// pruning removes backups.
type pruning struct{ instance, by string }

// run removes what a plan says, the oldest first. A backup that cannot be removed keeps no
// other, unless what was planned is not so any more.
func (p pruning) run(ctx workflow.Context, plan flow.PrunePlan, failed []flow.FailedStep) ([]backup.ID, []flow.FailedStep) {
	var removed []backup.ID
	for _, id := range plan.Remove() {
		if ctx.Err() != nil {
			break
		}
		_, err := flow.DeleteBackup.Run(tidying(ctx, "remove "+string(id)), flow.DeleteInput{
			Instance: p.instance, BackupID: id, RequestedBy: p.by, Seen: plan.Seen, Pruned: true,
		})
		if err != nil {
			step := failedStep(ctx, "delete", id, err)
			failed = append(failed, step)
			if step.Code == string(fault.SettingsChanged) {
				break
			}
			continue
		}
		removed = append(removed, id)
	}
	return removed, failed
}
