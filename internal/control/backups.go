package control

import (
	"context"
	"crypto/rand"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"

	"infrabackup/internal/backup"
	"infrabackup/internal/control/subject"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
)

// Started identifies a backup that was started.
type Started struct {
	BackupID backup.ID `json:"backupId"`
	RunID    string    `json:"runId"`
}

// Start starts a backup. NOT_ENABLED before enable; BACKUP_RUNNING, with the run that
// is in the way, while another one runs, RESTORE_RUNNING while a backup is restored. SpoolWait is [flow.DefaultSpoolWait] when zero.
func (c *Controller) Start(ctx context.Context, requestedBy string, spoolWait time.Duration, options ...StartOption) (Started, error) {
	id := flow.BackupWorkflowID(c.instance)
	if info, err := c.current(ctx, id); err == nil && info != nil {
		// Nothing could be started, whatever else is wrong.
		started := serviceerror.NewWorkflowExecutionAlreadyStarted("", "", info.GetExecution().GetRunId())
		return Started{}, c.running(ctx, started, fault.BackupRunning, "a backup", id)
	}
	if err := c.notRestoring(ctx); err != nil {
		return Started{}, err
	}
	if _, err := c.Summary(ctx); err != nil {
		return Started{}, err
	}
	if err := c.Standing(ctx); SetBack(err) {
		return Started{}, err // whatever else keeps a worker from the share, the run finds and waits for
	}
	backupID, err := backup.NewID(rand.Reader)
	if err != nil {
		return Started{}, err
	}
	in := flow.BackupInput{Instance: c.instance, BackupID: backupID, RequestedBy: requestedBy, SpoolWait: spoolWait}
	for _, option := range options {
		option(&in)
	}
	run, err := flow.Backup.Start(ctx, c.client, c.options(id), in)
	if err != nil {
		return Started{}, c.running(ctx, err, fault.BackupRunning, "a backup", id)
	}
	return Started{BackupID: backupID, RunID: run.GetRunID()}, nil
}

// StartOption changes what [Controller.Start] asks for.
type StartOption func(*flow.BackupInput)

// IgnoreFreeSpace goes on although the share reports less free space than a backup is expected
// to need.
func IgnoreFreeSpace(in *flow.BackupInput) { in.IgnoreFreeSpace = true }

func isRunning(info *workflowpb.WorkflowExecutionInfo) bool {
	return info.GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING
}

// Wait waits for a run and returns what came of it. An empty run ID is the newest run.
// BACKUP_NOT_FOUND when there is no such run, ANSWER_REFUSED when it is none of this
// product's, or made another backup than the one that is given; an empty one is any.
func (c *Controller) Wait(ctx context.Context, runID string, id backup.ID) (backup.Overview, error) {
	of := watchedRun{id: flow.BackupWorkflowID(c.instance), runID: runID, kind: flow.Backup.Name}
	overview, err := flow.Backup.Attach(ctx, c.client, of.id, runID).Get(ctx)
	if err != nil && ctx.Err() != nil {
		return overview, stoppedWatching()
	}
	if err != nil {
		return overview, c.runFault(err)
	}
	if err := c.own(ctx, of); err != nil {
		return backup.Overview{}, err
	}
	err = subject.Named(overview.BackupID)
	if id != "" {
		err = subject.About(id, overview.BackupID)
	}
	if err != nil {
		return backup.Overview{}, err
	}
	return overview, nil
}

func stoppedWatching() error {
	f := fault.New(fault.Cancelled, "the command stopped waiting; the backup goes on, see `infrabackup backup watch`", nil)
	f.Advice = "Stop the backup itself with `infrabackup backup cancel`."
	return f
}

// Running returns the run ID of the backup that runs, BACKUP_NOT_FOUND when none does.
func (c *Controller) Running(ctx context.Context) (string, error) {
	info, err := c.current(ctx, flow.BackupWorkflowID(c.instance))
	switch {
	case err != nil:
		return "", err
	case info == nil:
		return "", fault.Newf(fault.BackupNotFound, "no backup of instance %s runs", c.instance)
	}
	return info.GetExecution().GetRunId(), nil
}

// Cancel asks the running backup to stop and to clean up, and waits until it has.
// BACKUP_NOT_FOUND when none runs, or when it ended before it could be stopped.
func (c *Controller) Cancel(ctx context.Context) error {
	runID, err := c.Running(ctx)
	if err != nil {
		return err
	}
	id := flow.BackupWorkflowID(c.instance)
	if err := c.client.CancelWorkflow(ctx, id, runID); err != nil {
		return c.runFault(err)
	}
	run := flow.Backup.Attach(ctx, c.client, id, runID)
	overview, err := result(ctx, c, run, watchedRun{id: id, runID: runID, kind: flow.Backup.Name, what: "stopping the backup"})
	if err == nil {
		return fault.Newf(fault.BackupNotFound, "backup %s ended with %s before it could be stopped", overview.BackupID, overview.Status)
	}
	if fault.CodeOf(err) != fault.Cancelled || ctx.Err() != nil {
		return err
	}
	// One that was terminated meanwhile has ended too, and cleaned up nothing.
	described, describeErr := c.client.DescribeWorkflowExecution(ctx, id, runID)
	if describeErr != nil {
		return c.fault(describeErr)
	}
	if described.GetWorkflowExecutionInfo().GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED {
		return err
	}
	return nil
}
