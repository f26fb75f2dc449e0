package slot

import (
	"context"
	"errors"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
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
	// updateHours is for how long an update that the stamp reports keeps scheduled backups from being
	// started. Updates of Azure Stack Hub take up to some days; one that never ends, or is only
	// reported for ever, must not.
	updateHours = 72
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
// The slot is claimed first, with the ID of its backup: an attempt that is repeated finds its own
// claim, and starts nothing a second time. When the backup cannot be started for good, or this is
// the last attempt, the claim is given up: the slot was skipped, and says why.
func (s Starter) Start(ctx context.Context, now schedule.State, in flow.StartScheduledInput) (flow.StartScheduledOutput, error) {
	if now.Slot.Equal(in.Slot) {
		switch {
		case now.Outcome == schedule.Skipped: // an attempt that is repeated
			return flow.StartScheduledOutput{Outcome: schedule.Skipped, Code: now.Code, Message: now.Message}, nil
		case now.BackupID == in.BackupID:
			return s.startClaimed(ctx, in, true)
		}
	}
	claim := flow.SlotClaim{Slot: in.Slot, Outcome: schedule.Started, BackupID: in.BackupID}
	skipped, noted, err := s.inTheWay(ctx, now)
	if err != nil {
		return flow.StartScheduledOutput{}, err
	}
	if noted != nil {
		claim.Code, claim.Message = string(noted.Code), noted.Message()
	}
	if skipped != nil {
		return s.claim(ctx, flow.SlotClaim{Slot: in.Slot, Outcome: schedule.Skipped, Code: string(skipped.Code), Message: skipped.Message()})
	}
	out, err := s.claim(ctx, claim)
	if err != nil || out.Outcome == "" {
		return out, err
	}
	return s.startClaimed(ctx, in, false)
}

// claim takes the slot, or gives it up. The outcome is empty when somebody else has taken it.
func (s Starter) claim(ctx context.Context, claim flow.SlotClaim) (flow.StartScheduledOutput, error) {
	_, err := flow.ClaimSlot.Send(ctx, s.Client, flow.SettingsWorkflowID(s.Instance), claim)
	switch {
	case fault.CodeOf(err) == fault.SettingsChanged:
		activity.GetLogger(ctx).Info("the slot is not due any more", "slot", claim.Slot)
		return flow.StartScheduledOutput{}, nil
	case err != nil:
		return flow.StartScheduledOutput{}, err
	}
	return flow.StartScheduledOutput{Outcome: claim.Outcome, Code: claim.Code, Message: claim.Message}, nil
}

// startClaimed starts the backup of a slot that is claimed for it, unless that was done before.
func (s Starter) startClaimed(ctx context.Context, in flow.StartScheduledInput, before bool) (flow.StartScheduledOutput, error) {
	run, err := "", error(nil)
	if before {
		run, err = s.madeBy(ctx, in.BackupID)
	}
	if err == nil && run == "" {
		run, err = s.begin(ctx, in.BackupID)
	}
	switch {
	case err == nil:
		return flow.StartScheduledOutput{Outcome: schedule.Started, RunID: run}, nil
	case !forGood(err) && !last(activity.GetInfo(ctx)):
		return flow.StartScheduledOutput{}, err
	}
	f := fault.As(err)
	activity.GetLogger(ctx).Warn("the scheduled backup cannot be started", "slot", in.Slot, "backup", in.BackupID, "error", err.Error())
	out, claimErr := s.claim(ctx, flow.SlotClaim{
		Slot: in.Slot, Outcome: schedule.Skipped, BackupID: in.BackupID, Code: string(f.Code), Message: f.Message(),
	})
	if claimErr != nil {
		return out, errors.Join(err, claimErr)
	}
	return out, nil
}

// begin starts a backup.
func (s Starter) begin(ctx context.Context, id backup.ID) (run string, err error) {
	started, err := flow.Backup.Start(ctx, s.Client, client.StartWorkflowOptions{
		ID: flow.BackupWorkflowID(s.Instance), TaskQueue: flow.Queue(s.Instance), WorkflowExecutionErrorWhenAlreadyStarted: true,
	}, flow.BackupInput{Instance: s.Instance, BackupID: id, RequestedBy: flow.BySchedule})
	var already *serviceerror.WorkflowExecutionAlreadyStarted
	if !errors.As(err, &already) {
		return idOf(started, err), unreachable("the scheduled backup cannot be started", err)
	}
	young, err := s.isYoung(ctx, already.RunId)
	switch {
	case err != nil:
		return "", err
	case young:
		// It can be this slot's own, begun by an attempt that ended before it gave the go-ahead:
		// then it ends by itself, and is started again.
		return "", fault.Newf(fault.TemporalUnreachable, "run %s has just been started, and does not tell yet which backup it makes", already.RunId)
	}
	// Another one was started since the slot was claimed, a moment ago.
	return "", fault.Newf(fault.BackupRunning, "a backup runs already: run %s", already.RunId)
}

func idOf(run flow.Run[backup.Overview], err error) string {
	if err != nil {
		return ""
	}
	return run.GetRunID()
}

// unreachable gives an error of the Temporal client a code, and nil none.
func unreachable(what string, err error) error {
	if err == nil {
		return nil
	}
	if f, ok := fault.Of(err); ok {
		return f
	}
	return fault.New(fault.TemporalUnreachable, what, err)
}

// forGood reports whether doing the same again cannot succeed.
func forGood(err error) bool {
	var (
		invalid   *serviceerror.InvalidArgument
		denied    *serviceerror.PermissionDenied
		namespace *serviceerror.NamespaceNotFound
	)
	return errors.As(err, &invalid) || errors.As(err, &denied) || errors.As(err, &namespace) || !fault.CodeOf(err).Retryable()
}

// last reports whether Temporal makes no attempt after this one.
func last(info activity.Info) bool {
	return info.RetryPolicy != nil && info.RetryPolicy.MaximumAttempts > 0 && info.Attempt >= info.RetryPolicy.MaximumAttempts
}

// describe asks Temporal for a run; nil when there is none, an empty run ID is the newest.
func (s Starter) describe(ctx context.Context, id, runID string) (*workflowpb.WorkflowExecutionInfo, error) {
	bounded, cancel := context.WithTimeout(ctx, describeTime)
	defer cancel()
	d, err := s.Client.DescribeWorkflowExecution(bounded, id, runID)
	var missing *serviceerror.NotFound
	if errors.As(err, &missing) {
		return nil, nil
	}
	return d.GetWorkflowExecutionInfo(), unreachable("Temporal does not say what runs as "+id, err)
}

// isYoung reports whether a run was started so recently that it may still wait for its go-ahead,
// which ends it after half that time.
func (s Starter) isYoung(ctx context.Context, runID string) (bool, error) {
	run, err := s.describe(ctx, flow.BackupWorkflowID(s.Instance), runID)
	return err == nil && (run == nil || time.Since(run.GetStartTime().AsTime()) < youngTime), err
}

// madeBy returns the newest run of a backup when it is the one that makes, or made, the
// backup that is named; an empty one when it is not.
func (s Starter) madeBy(ctx context.Context, id backup.ID) (run string, err error) {
	workflowID := flow.BackupWorkflowID(s.Instance)
	newest, err := s.describe(ctx, workflowID, "")
	if err != nil || newest == nil || newest.GetType().GetName() != flow.Backup.Name {
		return "", err
	}
	run = newest.GetExecution().GetRunId()
	p, err := flow.BackupProgress.AskRun(ctx, s.Client, workflowID, run, struct{}{})
	var failed *serviceerror.QueryFailed
	switch {
	case err == nil && p.BackupID == id:
		return run, nil
	case err == nil, errors.As(err, &failed) && neverBegan(newest.GetStatus()):
		return "", nil
	}
	return "", unreachable("run "+run+" does not tell which backup it makes", err)
}

// neverBegan reports whether a run that answers no question can have ended without a go-ahead.
// One that goes on, or has completed, has only failed to answer this time.
func neverBegan(status enumspb.WorkflowExecutionStatus) bool {
	return status != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING && status != enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED
}

// inTheWay says why no scheduled backup is to begin now, nil when nothing speaks against
// it. What the stamp does not say speaks against nothing, and is noted.
func (s Starter) inTheWay(ctx context.Context, now schedule.State) (skip, noted *fault.Fault, err error) {
	if f, err := s.BackingUp(ctx); f != nil || err != nil {
		return f, nil, err
	}
	if f, err := s.InUse(ctx); f != nil || err != nil {
		return f, nil, err
	}
	if s.Updating == nil {
		return nil, nil, nil
	}
	bounded, cancel := context.WithTimeout(ctx, updatingTime)
	defer cancel()
	switch update, err := s.Updating(bounded); {
	case err != nil:
		activity.GetLogger(ctx).Warn("it is unknown whether the stamp is being updated; the backup begins all the same", "error", err.Error())
		return nil, unclear(err), nil
	case update != "" && patient(now):
		return fault.Newf(fault.StampUpdating, "the stamp is being updated: %s", backup.Printable(update, flow.MaxText)), nil, nil
	case update != "":
		activity.GetLogger(ctx).Warn("the stamp has reported an update for long; the backup begins all the same", "update", update)
		return nil, fault.Newf(fault.StampUpdating, "no scheduled backup began for %d hours or more, and the stamp still reports an update: %s",
			updateHours, backup.Printable(update, flow.MaxText)), nil
	}
	return nil, nil, nil
}

// unclear is why it is not known whether the stamp is being updated. A stamp that did not answer in
// time is told as one that cannot be reached.
func unclear(err error) *fault.Fault {
	if errors.Is(err, context.DeadlineExceeded) {
		return fault.Newf(fault.SourceUnreachable, "the stamp did not tell within %s whether it is being updated", updatingTime)
	}
	return fault.As(err)
}

// patient reports whether an update may still keep a scheduled backup from being started: the slots
// that were not started since the newest that was do not make up [updateHours] yet.
func patient(now schedule.State) bool {
	return now.FrequencyHours > 0 && now.Missed < (updateHours+int64(now.FrequencyHours)-1)/int64(now.FrequencyHours)
}

// InUse says that settings are being changed, keys of backups replaced, or a backup restored;
// nil when none of it is so.
func (s Starter) InUse(ctx context.Context) (*fault.Fault, error) {
	if f, err := s.Restoring(ctx); f != nil || err != nil {
		return f, err
	}
	changing, err := s.goesOn(ctx, flow.ChangeSettingsWorkflowID(s.Instance))
	if err != nil {
		return nil, err
	}
	if changing {
		return fault.Newf(fault.ChangeRunning, "a change of settings of instance %s runs", s.Instance), nil
	}
	replacing, err := s.goesOn(ctx, flow.ReplaceKeysWorkflowID(s.Instance))
	if err == nil && replacing {
		return fault.Newf(fault.RewrapRunning, "keys of backups of instance %s are being replaced", s.Instance), nil
	}
	return nil, err
}

// Restoring says that a backup is being restored, or that undone; nil when not.
func (s Starter) Restoring(ctx context.Context) (*fault.Fault, error) {
	running, err := s.goesOn(ctx, flow.RestoreWorkflowID(s.Instance))
	if err == nil && running {
		return fault.Newf(fault.RestoreRunning, "a restore of instance %s runs", s.Instance), nil
	}
	return nil, err
}

// BackingUp says that a backup is being made; nil when not.
func (s Starter) BackingUp(ctx context.Context) (*fault.Fault, error) {
	running, err := s.goesOn(ctx, flow.BackupWorkflowID(s.Instance))
	if err == nil && running {
		return fault.Newf(fault.BackupRunning, "a backup of instance %s runs", s.Instance), nil
	}
	return nil, err
}

// goesOn reports whether a workflow runs.
func (s Starter) goesOn(ctx context.Context, id string) (bool, error) {
	run, err := s.describe(ctx, id, "")
	return err == nil && run.GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, err
}
