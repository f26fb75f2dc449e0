package control

import (
	"context"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"

	"infrabackup/internal/backup"
	"infrabackup/internal/control/operation"
	"infrabackup/internal/control/subject"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/flow/diffs"
	"infrabackup/internal/flow/drills"
	"infrabackup/internal/flow/restores"
	"infrabackup/internal/seal"
)

// PlanRestore is [Controller.BeginRestorePlan], and waits for the plan.
func (c *Controller) PlanRestore(ctx context.Context, in flow.RestorePlanInput) (flow.RestorePlan, error) {
	id, run, err := c.planRestore(ctx, in)
	if err != nil {
		return flow.RestorePlan{}, err
	}
	what := "the making of a plan"
	return result(ctx, c, run, watchedRun{id: id, runID: run.GetRunID(), kind: flow.PlanRestore.Name, what: what, idle: true})
}

// BeginRestorePlan begins to make the plan of a restore, or of its undo. Nothing is written to the
// target. The operation has the run's ID. RESTORE_RUNNING while another plan is made, or, of an
// undo, while a restore runs; NO_WORKER when no worker may write to the target.
func (c *Controller) BeginRestorePlan(ctx context.Context, in flow.RestorePlanInput) (Begun, error) {
	_, run, err := c.planRestore(ctx, in)
	if err != nil {
		return Begun{}, err
	}
	return Begun{ID: run.GetRunID()}, nil
}

func (c *Controller) planRestore(ctx context.Context, in flow.RestorePlanInput) (id string, run flow.Run[flow.RestorePlan], err error) {
	in.Instance, id = c.instance, flow.RestorePlanWorkflowID(c.instance)
	if in.Undoes != "" { // it looks through the journal of the restore, which must rest
		id = flow.RestoreWorkflowID(c.instance)
	}
	if err := c.targeted(ctx, in.Target); err != nil {
		return id, run, err
	}
	run, err = flow.PlanRestore.Start(ctx, c.client, c.options(id), in)
	if err != nil {
		err = c.running(ctx, err, fault.RestoreRunning, "a restore, or the making of a plan,", id)
	}
	return id, run, err
}

// Restores lets a worker read a page of a plan, or list the restores. ITEM_NOT_FOUND,
// KEY_DOES_NOT_FIT and PLAN_INVALID as workers find them.
func (c *Controller) Restores(ctx context.Context, in restores.Input) (restores.Output, error) {
	in.Instance = c.instance
	out, err := look(ctx, c, flow.Restores, flow.RestoresWorkflowID, "reading the restores", in)
	if err == nil && in.PlanID != "" && (out.Page == nil || out.Page.PlanID != in.PlanID || out.Page.Section != in.Section || out.Page.From != in.From) {
		err = fault.Newf(fault.AnswerRefused, "a page of plan %.16s was requested, and another answer came", in.PlanID)
	}
	return out, err
}

// Drills lets a worker read certificates of drills. ITEM_NOT_FOUND when there is none of the drill
// that is asked for.
func (c *Controller) Drills(ctx context.Context, in drills.Input) (drills.Output, error) {
	in.Instance = c.instance
	out, err := look(ctx, c, flow.Drills, flow.DrillsWorkflowID, "reading the drills", in)
	if err == nil && !out.Answers(in) {
		err = fault.Newf(fault.AnswerRefused, "drills were requested, and another answer came")
	}
	return out, err
}

// longestDiff is when a comparison ends at the latest, also where no worker takes it up: others wait
// for it.
const longestDiff = 3 * time.Hour

// BeginDiff begins to compare two backups. The operation has the run's ID, and [Controller.Diff] tells
// what came of it. DIFF_RUNNING while another comparison runs.
func (c *Controller) BeginDiff(ctx context.Context, in diffs.Input) (Begun, error) {
	in.Instance = c.instance
	if err := c.ready(ctx); err != nil {
		return Begun{}, err
	}
	id := flow.DiffWorkflowID(c.instance)
	options := c.options(id)
	options.WorkflowExecutionTimeout = longestDiff
	run, err := flow.Diff.Start(ctx, c.client, options, in)
	if err != nil {
		return Begun{}, c.running(ctx, err, fault.DiffRunning, "a comparison", id)
	}
	return Begun{ID: run.GetRunID()}, nil
}

// Diff tells what a comparison has found. ITEM_NOT_FOUND when there is none of this ID, or Temporal has
// forgotten it; DIFF_RUNNING while it runs; else the fault with which it failed.
func (c *Controller) Diff(ctx context.Context, id string) (diffs.Output, error) {
	var out diffs.Output
	if _, err := backup.ParseID(id); err != nil {
		return out, c.noDiff(id)
	}
	op, err := c.operationOf(ctx, operation.Diff, id, flow.DiffWorkflowID(c.instance), id)
	switch {
	case fault.CodeOf(err) == fault.BackupNotFound:
		return out, c.noDiff(id)
	case err != nil:
		return out, err
	case op.Running:
		return out, fault.Newf(fault.DiffRunning, "the comparison has not ended yet")
	case op.Fault != nil:
		return out, op.Fault
	}
	out, err = flow.Diff.Attach(ctx, c.client, flow.DiffWorkflowID(c.instance), id).Get(ctx)
	if err == nil && out.Report == nil {
		err = fault.Newf(fault.AnswerRefused, "the comparison has no report")
	}
	return out, c.fault(err)
}

func (c *Controller) noDiff(id string) error {
	return fault.Newf(fault.ItemNotFound, "no comparison of instance %s has the ID %s", c.instance, backup.Printable(id, maxStrangerText))
}

// KeyFile lets a worker read the key.age of a backup that a trusted key has signed, and the
// public half of the backup's key. BACKUP_NOT_FOUND, BACKUP_FORGED and BACKUP_DAMAGED as
// workers find them.
func (c *Controller) KeyFile(ctx context.Context, id backup.ID) (flow.KeyFileOutput, error) {
	if err := c.ready(ctx); err != nil {
		return flow.KeyFileOutput{}, err
	}
	out, err := follow(ctx, c, flow.KeyFile, flow.KeyFileWorkflowID(c.instance, id), "reading the backup's key file", flow.KeyFileInput{Instance: c.instance, BackupID: id})
	if err != nil {
		return flow.KeyFileOutput{}, err
	}
	if len(out.KeyAge) == 0 || len(out.KeyAge) > seal.MaxKeyFile {
		return flow.KeyFileOutput{}, fault.Newf(fault.AnswerRefused, "the key file of backup %s came with %d bytes", id, len(out.KeyAge))
	}
	return out, subject.About(id, out.BackupID)
}

// BeginRestore begins to do what a plan says. The operation has the run's ID. BACKUP_RUNNING
// while a backup is made, RESTORE_RUNNING while another restore runs.
func (c *Controller) BeginRestore(ctx context.Context, in flow.RestoreInput) (Begun, error) {
	in.Instance = c.instance
	backupRun := flow.BackupWorkflowID(c.instance)
	info, err := c.current(ctx, backupRun)
	if err != nil {
		return Begun{}, err
	}
	if info != nil {
		return Begun{}, fault.Newf(fault.BackupRunning, "a backup of instance %s runs: %s", c.instance, c.runningBackup(ctx, info.GetExecution().GetRunId()))
	}
	if err := c.targeted(ctx, in.Target); err != nil {
		return Begun{}, err
	}
	id := flow.RestoreWorkflowID(c.instance)
	run, err := flow.Restore.Start(ctx, c.client, c.options(id), in)
	if err != nil {
		return Begun{}, c.running(ctx, err, fault.RestoreRunning, "a restore", id)
	}
	return Begun{ID: run.GetRunID()}, nil
}

// notRestoring is RESTORE_RUNNING while a restore runs.
func (c *Controller) notRestoring(ctx context.Context) error {
	id := flow.RestoreWorkflowID(c.instance)
	info, err := c.current(ctx, id)
	if err != nil || info == nil {
		return err
	}
	return c.running(ctx, serviceerror.NewWorkflowExecutionAlreadyStarted("", "", info.GetExecution().GetRunId()), fault.RestoreRunning, "a restore", id)
}

// targeted reports NO_WORKER when no worker of the instance is there, and TARGET_NOT_CONFIGURED
// when none of them may write to a target.
func (c *Controller) targeted(ctx context.Context, target string) error {
	if err := c.ready(ctx); err != nil {
		return err
	}
	err := c.polled(ctx, flow.TargetQueue(c.instance, target), enumspb.TASK_QUEUE_TYPE_ACTIVITY)
	if fault.CodeOf(err) == fault.NoWorker {
		return fault.Newf(fault.TargetNotConfigured, "no worker of instance %s has the target %s", c.instance, target)
	}
	return err
}

// WatchRestore calls see about once a second with how far the restore is, and returns what came
// of it. An empty run ID is the newest run. ITEM_NOT_FOUND when there is none.
func (c *Controller) WatchRestore(ctx context.Context, runID string, see func(flow.RestoreAt)) (flow.RestoreResult, error) {
	of, err := c.restoreRun(ctx, runID)
	if err != nil {
		return flow.RestoreResult{}, err
	}
	watching, stop := context.WithCancel(ctx)
	defer stop()
	go everySecond(watching, func() {
		if at, err := c.restoreAt(watching, of); err == nil { // what cannot be asked is not shown
			see(at)
		}
	})
	return result(ctx, c, flow.Restore.Attach(ctx, c.client, of.id, of.runID), of)
}

// restoreRun is the run of a restore, the newest one where none is named.
func (c *Controller) restoreRun(ctx context.Context, runID string) (watchedRun, error) {
	of := watchedRun{id: flow.RestoreWorkflowID(c.instance), runID: runID, kind: flow.Restore.Name, what: "the restore", see: "infrabackup restore watch"}
	d, err := c.client.DescribeWorkflowExecution(ctx, of.id, runID)
	if err != nil {
		return of, noRestore(c.fault(err))
	}
	of.runID = d.GetWorkflowExecutionInfo().GetExecution().GetRunId()
	return of, nil
}

// noneRuns gives the advice of a restore that is not there.
func noneRuns(f *fault.Fault) error {
	f.Advice = "See `infrabackup restore list` for those that there were."
	return f
}

// noRestore says that nothing is known of a restore, where Temporal knows nothing.
func noRestore(err error) error {
	if fault.CodeOf(err) == fault.NotEnabled {
		return noneRuns(fault.New(fault.ItemNotFound, "no restore was run that Temporal remembers", nil))
	}
	return err
}

// restoreAt asks the newest run, which is the one that went on as new where one did.
func (c *Controller) restoreAt(ctx context.Context, of watchedRun) (flow.RestoreAt, error) {
	return answered(ctx, c, func(ctx context.Context) (flow.RestoreAt, error) {
		return flow.RestoreProgress.Ask(ctx, c.client, of.id, struct{}{})
	})
}

// Restoring tells how far the restore is that runs. ITEM_NOT_FOUND when none does.
func (c *Controller) Restoring(ctx context.Context) (flow.RestoreAt, error) {
	_, at, err := c.restoring(ctx)
	return at, err
}

func (c *Controller) restoring(ctx context.Context) (of watchedRun, at flow.RestoreAt, err error) {
	info, err := c.current(ctx, flow.RestoreWorkflowID(c.instance))
	if err != nil {
		return of, at, err
	}
	if info == nil {
		return of, at, noneRuns(fault.Newf(fault.ItemNotFound, "no restore of instance %s runs", c.instance))
	}
	if of, err = c.restoreRun(ctx, info.GetExecution().GetRunId()); err != nil {
		return of, at, err
	}
	at, err = c.restoreAt(ctx, of)
	return of, at, c.fault(err)
}

// StopRestore asks the running restore to stop after the steps that it is at, and does not wait
// for that. It returns what is being restored. ITEM_NOT_FOUND when none runs. Where no worker tells
// how far it is, that is the error, and the restore stops when a worker goes on with it.
func (c *Controller) StopRestore(ctx context.Context) (flow.RestoreAt, error) {
	_, at, err := c.stopRestore(ctx)
	return at, err
}

func (c *Controller) stopRestore(ctx context.Context) (watchedRun, flow.RestoreAt, error) {
	of, at, err := c.restoring(ctx)
	if of.runID == "" {
		return of, at, err
	}
	if err := c.own(ctx, of); err != nil {
		return of, at, err
	}
	if err := noRestore(c.fault(c.client.CancelWorkflow(ctx, of.id, of.runID))); err != nil {
		return of, at, err
	}
	return of, at, err
}

// CancelRestore is [Controller.StopRestore], and waits until the restore has stopped.
func (c *Controller) CancelRestore(ctx context.Context) (flow.RestoreAt, error) {
	of, at, err := c.stopRestore(ctx)
	if err != nil {
		return at, err
	}
	_, err = result(ctx, c, flow.Restore.Attach(ctx, c.client, of.id, of.runID), of)
	if err == nil {
		return at, noneRuns(fault.Newf(fault.ItemNotFound, "restore %.16s ended before it could be stopped", at.PlanID))
	}
	if fault.CodeOf(err) != fault.Cancelled || ctx.Err() != nil {
		return at, err
	}
	return at, nil
}
