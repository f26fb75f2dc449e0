package slot

import (
	"context"
	"errors"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/schedule"
)

const (
	// updatingTime bounds how long the stamp may take to say whether it is being updated.
	updatingTime = 30 * time.Second
	describeTime = 5 * time.Second // for one question to Temporal
	// youngTime is twice as long as a run waits for its go-ahead.
	youngTime = 30 * time.Second
)

// Starter starts the backups of an instance's slots, in an activity.
type Starter struct {
	Client   client.Client
	Instance string
	// Updating names the update that the stamp is at, empty when there is none; nil where
	// there is no stamp to ask.
	Updating func(ctx context.Context) (string, error)
}

// Start starts the backup of a slot, or says why there is none. Now is the schedule as it is.
// The slot is
// claimed first, with the ID of its backup: an attempt that is repeated finds its own
// claim, and starts nothing a second time.
func (s Starter) Start(ctx context.Context, now schedule.State, in flow.StartScheduledInput) (flow.StartScheduledOutput, error) {
	if now.Slot.Equal(in.Slot) && now.BackupID == in.BackupID {
		if run, ok := s.madeBy(ctx, in.BackupID); ok {
			return flow.StartScheduledOutput{Outcome: schedule.Started, RunID: run}, nil
		}
		return s.startClaimed(ctx, in)
	}
	claim := flow.SlotClaim{Slot: in.Slot, Outcome: schedule.Started, BackupID: in.BackupID}
	skipped := s.inTheWay(ctx)
	if skipped != nil {
		claim = flow.SlotClaim{Slot: in.Slot, Outcome: schedule.Skipped, Code: string(skipped.Code), Message: skipped.Message()}
	}
	_, err := flow.ClaimSlot.Send(ctx, s.Client, flow.SettingsWorkflowID(s.Instance), claim)
	switch {
	case fault.CodeOf(err) == fault.SettingsChanged:
		activity.GetLogger(ctx).Info("the slot is not due any more", "slot", in.Slot)
		return flow.StartScheduledOutput{}, nil
	case err != nil:
		return flow.StartScheduledOutput{}, err
	case skipped != nil:
		return flow.StartScheduledOutput{Outcome: schedule.Skipped, Code: string(skipped.Code), Message: skipped.Message()}, nil
	}
	return s.startClaimed(ctx, in)
}

// startClaimed starts the backup of a slot that is claimed for it.
func (s Starter) startClaimed(ctx context.Context, in flow.StartScheduledInput) (flow.StartScheduledOutput, error) {
	run, err := flow.Backup.Start(ctx, s.Client, client.StartWorkflowOptions{
		ID: flow.BackupWorkflowID(s.Instance), TaskQueue: flow.Queue(s.Instance), WorkflowExecutionErrorWhenAlreadyStarted: true,
	}, flow.BackupInput{Instance: s.Instance, BackupID: in.BackupID, RequestedBy: flow.BySchedule})
	var already *serviceerror.WorkflowExecutionAlreadyStarted
	switch {
	case errors.As(err, &already) && s.isYoung(ctx, already.RunId):
		// It can be this slot's own, begun by an attempt that ended before it gave the go-ahead:
		// then it ends by itself, and is started again.
		return flow.StartScheduledOutput{}, fault.Newf(fault.TemporalUnreachable, "run %s has just been started, and does not tell yet which backup it makes", already.RunId)
	case errors.As(err, &already):
		// Another one was started since the slot was claimed, a moment ago.
		return flow.StartScheduledOutput{Outcome: schedule.Skipped, Code: string(fault.BackupRunning), Message: "a backup runs already: run " + already.RunId}, nil
	case err != nil:
		return flow.StartScheduledOutput{}, fault.New(fault.TemporalUnreachable, "the scheduled backup cannot be started", err)
	}
	return flow.StartScheduledOutput{Outcome: schedule.Started, RunID: run.GetRunID()}, nil
}

// isYoung reports whether a run was started so recently that it may still wait for its go-ahead,
// which ends it after half that time.
func (s Starter) isYoung(ctx context.Context, runID string) bool {
	bounded, cancel := context.WithTimeout(ctx, describeTime)
	defer cancel()
	d, err := s.Client.DescribeWorkflowExecution(bounded, flow.BackupWorkflowID(s.Instance), runID)
	return err == nil && time.Since(d.GetWorkflowExecutionInfo().GetStartTime().AsTime()) < youngTime
}

// madeBy returns the newest run of a backup when it is the one that makes, or made, the
// backup that is named.
func (s Starter) madeBy(ctx context.Context, id backup.ID) (run string, ok bool) {
	workflowID := flow.BackupWorkflowID(s.Instance)
	d, err := s.Client.DescribeWorkflowExecution(ctx, workflowID, "")
	if err != nil {
		return "", false
	}
	run = d.GetWorkflowExecutionInfo().GetExecution().GetRunId()
	p, err := flow.BackupProgress.AskRun(ctx, s.Client, workflowID, run, struct{}{})
	return run, err == nil && p.BackupID == id
}

// inTheWay says why no scheduled backup is to begin now, nil when nothing speaks against
// it. What cannot be found out speaks against nothing.
func (s Starter) inTheWay(ctx context.Context) *fault.Fault {
	if s.goesOn(ctx, flow.BackupWorkflowID(s.Instance)) {
		return fault.Newf(fault.BackupRunning, "a backup of instance %s runs already", s.Instance)
	}
	if f := s.KeysMoving(ctx); f != nil {
		return f
	}
	if s.Updating == nil {
		return nil
	}
	bounded, cancel := context.WithTimeout(ctx, updatingTime)
	defer cancel()
	switch update, err := s.Updating(bounded); {
	case err != nil:
		activity.GetLogger(ctx).Warn("it is unknown whether the stamp is being updated; the backup begins all the same", "error", err.Error())
	case update != "":
		return fault.Newf(fault.StampUpdating, "the stamp is being updated: %s", backup.Printable(update, flow.MaxText))
	}
	return nil
}

// KeysMoving says that settings are being changed, or keys of backups replaced.
func (s Starter) KeysMoving(ctx context.Context) *fault.Fault {
	switch {
	case s.goesOn(ctx, flow.ChangeSettingsWorkflowID(s.Instance)):
		return fault.Newf(fault.ChangeRunning, "a change of settings of instance %s runs", s.Instance)
	case s.goesOn(ctx, flow.ReplaceKeysWorkflowID(s.Instance)):
		return fault.Newf(fault.RewrapRunning, "keys of backups of instance %s are being replaced", s.Instance)
	}
	return nil
}

// goesOn reports whether a workflow runs, as far as Temporal tells.
func (s Starter) goesOn(ctx context.Context, id string) bool {
	bounded, cancel := context.WithTimeout(ctx, describeTime)
	defer cancel()
	d, err := s.Client.DescribeWorkflowExecution(bounded, id, "")
	return err == nil && d.GetWorkflowExecutionInfo().GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING
}
