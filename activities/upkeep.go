package activities

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/retention"
	"infrabackup/internal/schedule"
	"infrabackup/internal/upkeep"
)

// updatingTime bounds how long the stamp may take to say whether it is being updated.
const updatingTime = 30 * time.Second

// upkeepState asks the entity what it remembers of what goes on by itself.
func (a *Activities) upkeepState(ctx context.Context) (flow.UpkeepState, error) {
	state, err := flow.GetUpkeep.Ask(ctx, a.Client, flow.SettingsWorkflowID(a.Instance.Name), struct{}{})
	return state, a.entityFault(ctx, "the schedule cannot be read", err)
}

// PlanUpkeep says what is due: the slot of the schedule, by Temporal's clock, what is to be
// verified, and what has expired.
func (a *Activities) PlanUpkeep(ctx context.Context, in flow.PlanUpkeepInput) (flow.PlanUpkeepOutput, error) {
	state, err := a.upkeepState(ctx)
	if err != nil {
		return flow.PlanUpkeepOutput{}, err
	}
	out := flow.PlanUpkeepOutput{Enabled: state.Schedule.Enabled}
	if out.Slot, out.Due = state.Schedule.Due(in.Now); out.Due {
		if out.BackupID, err = backup.NewID(rand.Reader); err != nil {
			return out, err
		}
	}
	if in.SlotOnly {
		return out, nil
	}
	repo, s, err := a.repository(ctx, 0)
	if err != nil {
		return out, err
	}
	head, err := a.ledgerHead(ctx, s)
	if err != nil {
		return out, err
	}
	signers, err := a.trusted(ctx, s)
	if err != nil {
		return out, err
	}
	known, err := repo.Ledger().Read(ctx, signers)
	if err != nil {
		return out, err
	}
	listing, err := repo.List(ctx, 0)
	if err != nil {
		return out, err
	}
	hold, code := "", retention.Code("")
	if err := known.CheckIntact(head); err != nil {
		hold, code = fault.As(err).Message(), upkeep.LedgerUnreliable
	} else if f := a.keysMoving(ctx); f != nil {
		hold, code = f.Message(), retention.InUse
	}
	setting := state.Schedule.Setting
	if in.Try != nil {
		setting = *in.Try
	}
	all := upkeep.Gather(listing.Backups, known, state.Verdicts)
	out.Verify = upkeep.ToVerify(all, in.Now)
	out.Prune = upkeep.Prune(all, upkeep.Policy(setting, in.AcrossHole), a.Now(), in.Now, hold, code)
	out.Prune.Seen = flow.Seen{Revision: s.Revision, Ledger: head}
	return out, nil
}

// StartScheduled starts the backup of a slot, or says why there is none. The slot is
// claimed first, with the ID of its backup: an attempt that is repeated finds its own
// claim, and starts nothing a second time.
func (a *Activities) StartScheduled(ctx context.Context, in flow.StartScheduledInput) (flow.StartScheduledOutput, error) {
	state, err := a.upkeepState(ctx)
	if err != nil {
		return flow.StartScheduledOutput{}, err
	}
	if now := state.Schedule; now.Slot.Equal(in.Slot) && now.BackupID == in.BackupID {
		if run, ok := a.madeBy(ctx, in.BackupID); ok {
			return flow.StartScheduledOutput{Outcome: schedule.Started, RunID: run}, nil
		}
		return a.startClaimed(ctx, in)
	}
	claim := flow.SlotClaim{Slot: in.Slot, Outcome: schedule.Started, BackupID: in.BackupID}
	skipped := a.inTheWay(ctx)
	if skipped != nil {
		claim = flow.SlotClaim{Slot: in.Slot, Outcome: schedule.Skipped, Code: string(skipped.Code), Message: skipped.Message()}
	}
	_, err = flow.ClaimSlot.Send(ctx, a.Client, flow.SettingsWorkflowID(a.Instance.Name), claim)
	switch {
	case fault.CodeOf(err) == fault.SettingsChanged:
		activity.GetLogger(ctx).Info("the slot is not due any more", "slot", in.Slot)
		return flow.StartScheduledOutput{}, nil
	case err != nil:
		return flow.StartScheduledOutput{}, a.entityFault(ctx, "the slot cannot be claimed", err)
	case skipped != nil:
		return flow.StartScheduledOutput{Outcome: schedule.Skipped, Code: string(skipped.Code), Message: skipped.Message()}, nil
	}
	return a.startClaimed(ctx, in)
}

// startClaimed starts the backup of a slot that is claimed for it.
func (a *Activities) startClaimed(ctx context.Context, in flow.StartScheduledInput) (flow.StartScheduledOutput, error) {
	run, err := flow.Backup.Start(ctx, a.Client, client.StartWorkflowOptions{
		ID: flow.BackupWorkflowID(a.Instance.Name), TaskQueue: flow.Queue(a.Instance.Name), WorkflowExecutionErrorWhenAlreadyStarted: true,
	}, flow.BackupInput{Instance: a.Instance.Name, BackupID: in.BackupID, RequestedBy: flow.BySchedule})
	var already *serviceerror.WorkflowExecutionAlreadyStarted
	switch {
	case errors.As(err, &already):
		// Another one was started since the slot was claimed, a moment ago.
		return flow.StartScheduledOutput{Outcome: schedule.Skipped, Code: string(fault.BackupRunning), Message: "a backup runs already: run " + already.RunId}, nil
	case err != nil:
		return flow.StartScheduledOutput{}, fault.New(fault.TemporalUnreachable, "the scheduled backup cannot be started", err)
	}
	return flow.StartScheduledOutput{Outcome: schedule.Started, RunID: run.GetRunID()}, nil
}

// madeBy returns the newest run of a backup when it is the one that makes, or made, the
// backup that is named.
func (a *Activities) madeBy(ctx context.Context, id backup.ID) (run string, ok bool) {
	workflowID := flow.BackupWorkflowID(a.Instance.Name)
	d, err := a.Client.DescribeWorkflowExecution(ctx, workflowID, "")
	if err != nil {
		return "", false
	}
	run = d.GetWorkflowExecutionInfo().GetExecution().GetRunId()
	p, err := flow.BackupProgress.AskRun(ctx, a.Client, workflowID, run, struct{}{})
	return run, err == nil && p.BackupID == id
}

// inTheWay says why no scheduled backup is to begin now, nil when nothing speaks against
// it. What cannot be found out speaks against nothing.
func (a *Activities) inTheWay(ctx context.Context) *fault.Fault {
	if a.goesOn(ctx, flow.BackupWorkflowID(a.Instance.Name)) {
		return fault.Newf(fault.BackupRunning, "a backup of instance %s runs already", a.Instance.Name)
	}
	if f := a.keysMoving(ctx); f != nil {
		return f
	}
	if a.Updating == nil {
		return nil
	}
	bounded, cancel := context.WithTimeout(ctx, updatingTime)
	defer cancel()
	switch update, err := a.Updating(bounded); {
	case err != nil:
		activity.GetLogger(ctx).Warn("it is unknown whether the stamp is being updated; the backup begins all the same", "error", err.Error())
	case update != "":
		return fault.Newf(fault.StampUpdating, "the stamp is being updated: %s", backup.Printable(update, flow.MaxText))
	}
	return nil
}

// keysMoving says that settings are being changed, or keys of backups replaced.
func (a *Activities) keysMoving(ctx context.Context) *fault.Fault {
	switch {
	case a.goesOn(ctx, flow.ChangeSettingsWorkflowID(a.Instance.Name)):
		return fault.Newf(fault.ChangeRunning, "a change of settings of instance %s runs", a.Instance.Name)
	case a.goesOn(ctx, flow.ReplaceKeysWorkflowID(a.Instance.Name)):
		return fault.Newf(fault.RewrapRunning, "keys of backups of instance %s are being replaced", a.Instance.Name)
	}
	return nil
}

// goesOn reports whether a workflow runs, as far as Temporal tells.
func (a *Activities) goesOn(ctx context.Context, id string) bool {
	bounded, cancel := context.WithTimeout(ctx, describeTime)
	defer cancel()
	d, err := a.Client.DescribeWorkflowExecution(bounded, id, "")
	return err == nil && d.GetWorkflowExecutionInfo().GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING
}

// noteVerdict lets the entity remember what came of a verification. When it cannot, the
// backup is verified again some time.
func (a *Activities) noteVerdict(ctx context.Context, v backup.Verdict) {
	note := flow.VerdictNote{BackupID: v.BackupID}
	if len(v.Findings) > 0 {
		note.Code = v.Findings[0].Code
	}
	bounded, cancel := context.WithTimeout(ctx, describeTime)
	defer cancel()
	if _, err := flow.NoteVerdict.Send(bounded, a.Client, flow.SettingsWorkflowID(a.Instance.Name), note); err != nil {
		activity.GetLogger(ctx).Warn("the verdict was not noted", "backup", v.BackupID, "error", err.Error())
	}
}
