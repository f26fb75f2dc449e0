package control

import (
	"context"
	"errors"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"

	"infrabackup/internal/backup"
	"infrabackup/internal/control/operation"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/flow/diffs"
	"infrabackup/internal/settings"
)

// Operation tells how far an operation is that was begun, and what came of it; it does not
// wait for its end. The ID is the one that it was begun with, or that of a run or a backup.
// BACKUP_NOT_FOUND when nothing is known of it, or no longer.
func (c *Controller) Operation(ctx context.Context, id string) (operation.Operation, error) {
	if of, ok := strings.CutPrefix(id, verifyOperation); ok {
		if backupID, err := backup.ParseID(of); err == nil {
			return c.operationOf(ctx, operation.Verify, id, flow.VerifyWorkflowID(c.instance, backupID), "")
		}
	}
	parsed, err := backup.ParseID(id)
	if err != nil {
		return operation.Operation{}, fault.Newf(fault.BackupNotFound, "no operation of instance %s has the ID %s", c.instance, backup.Printable(id, maxStrangerText))
	}
	for _, of := range []struct {
		kind       operation.Kind
		workflowID string
	}{
		{operation.Change, flow.ChangeSettingsWorkflowID(c.instance)}, {operation.Prune, flow.PruneWorkflowID(c.instance)}, {operation.Backup, flow.BackupWorkflowID(c.instance)},
		{operation.Restore, flow.RestoreWorkflowID(c.instance)}, {operation.Plan, flow.RestorePlanWorkflowID(c.instance)}, {operation.Diff, flow.DiffWorkflowID(c.instance)},
	} {
		op, err := c.operationOf(ctx, of.kind, id, of.workflowID, id)
		if fault.CodeOf(err) != fault.BackupNotFound {
			return op, err
		}
	}
	return c.backupOperation(ctx, parsed)
}

// operationOf reads a run that has to be of a kind; an empty run ID is the newest one.
func (c *Controller) operationOf(ctx context.Context, kind operation.Kind, id, workflowID, runID string) (operation.Operation, error) {
	bounded, cancel := context.WithTimeout(ctx, c.responseTimeout)
	defer cancel()
	d, err := c.client.DescribeWorkflowExecution(bounded, workflowID, runID)
	var missing *serviceerror.NotFound
	switch {
	case errors.As(err, &missing):
		return operation.Operation{}, fault.Newf(fault.BackupNotFound, "no operation of instance %s has the ID %s", c.instance, id)
	case err != nil:
		return operation.Operation{}, c.fault(err)
	}
	info := c.handedOver(bounded, d.GetWorkflowExecutionInfo())
	read := readers[info.GetType().GetName()]
	if undo := kind == operation.Restore && read.kind == operation.Plan; read.kind != kind && !undo { // whose plan has the restore's ID
		return operation.Operation{}, fault.Newf(fault.AnswerRefused, "run %s of %s is a %.100s, which is no %s", info.GetExecution().GetRunId(), workflowID, info.GetType().GetName(), kind)
	}
	if err := c.served(info.GetTaskQueue(), workflowID, info.GetExecution().GetRunId()); err != nil {
		return operation.Operation{}, err
	}
	op := operation.Operation{ID: id, Kind: read.kind, Running: isRunning(info), StartedAt: info.GetStartTime().AsTime()}
	if op.Running {
		return op, nil
	}
	op.EndedAt = info.GetCloseTime().AsTime()
	return op, c.outcome(ctx, &op, read, info)
}

// handedOver is the newest run of those that a run has handed over to, itself when it has to none.
// When that cannot be asked, the result is followed all the same.
func (c *Controller) handedOver(ctx context.Context, info *workflowpb.WorkflowExecutionInfo) *workflowpb.WorkflowExecutionInfo {
	if info.GetStatus() != enumspb.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW {
		return info
	}
	d, err := c.client.DescribeWorkflowExecution(ctx, info.GetExecution().GetWorkflowId(), "")
	if newest := d.GetWorkflowExecutionInfo(); err == nil && newest.GetFirstRunId() != "" && newest.GetFirstRunId() == info.GetFirstRunId() {
		return newest
	}
	return info
}

// resultTimeout bounds how long the result of a run that has ended may take.
const resultTimeout = 5 * time.Second

// outcome adds what came of a run that has ended.
func (c *Controller) outcome(ctx context.Context, op *operation.Operation, read reader, info *workflowpb.WorkflowExecutionInfo) error {
	bounded, cancel := context.WithTimeout(ctx, resultTimeout)
	defer cancel()
	err := read.get(bounded, c, info.GetExecution().GetWorkflowId(), info.GetExecution().GetRunId(), op)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil || bounded.Err() != nil:
		return c.fault(err)
	}
	if f := fault.As(c.fault(err)); f.Code != fault.TemporalUnreachable {
		op.Fault = f
		return nil
	}
	return c.fault(err)
}

// reader reads what came of a kind of operation.
type reader struct {
	kind operation.Kind
	get  func(ctx context.Context, c *Controller, workflowID, runID string, op *operation.Operation) error
}

// read makes a reader of the results of a workflow.
func read[In, Out any](kind operation.Kind, w flow.Workflow[In, Out], take func(*operation.Operation, Out)) reader {
	return reader{kind, func(ctx context.Context, c *Controller, workflowID, runID string, op *operation.Operation) error {
		out, err := w.Attach(ctx, c.client, workflowID, runID).Get(ctx)
		if err == nil {
			take(op, out)
		}
		return err
	}}
}

// readers are those of the workflows that are operations, by type.
var readers = func() map[string]reader {
	all := map[string]reader{
		flow.Backup.Name: read(operation.Backup, flow.Backup, func(op *operation.Operation, out backup.Overview) { op.Backup = &out }),
		flow.Prune.Name: read(operation.Prune, flow.Prune, func(op *operation.Operation, out flow.PruneOutput) {
			r := pruneResult(out)
			op.Prune = &r
		}),
		flow.Restore.Name:     read(operation.Restore, flow.Restore, (*operation.Operation).Restored),
		flow.PlanRestore.Name: read(operation.Plan, flow.PlanRestore, func(op *operation.Operation, out flow.RestorePlan) { op.Plan = &out }),
		flow.Diff.Name:        read(operation.Diff, flow.Diff, func(op *operation.Operation, out diffs.Output) { op.Diff = out.Summary() }),
		flow.Verify.Name:      read(operation.Verify, flow.Verify, func(op *operation.Operation, out backup.Verdict) { op.Verdict = &out }),
		flow.ChangeShare.Name: read(operation.Change, flow.ChangeShare, func(op *operation.Operation, out flow.ChangeShareOutput) { op.Settings = &out.Settings }),
		flow.AdoptSettings.Name: read(operation.Change, flow.AdoptSettings, func(op *operation.Operation, out flow.AdoptSettingsOutput) {
			op.Settings = &out.Settings
		}),
	}
	for _, w := range []flow.Workflow[flow.ChangeSettingsInput, settings.Summary]{
		flow.Enable, flow.ChangeCredentials, flow.ChangeKey, flow.ChangeSigningKey, flow.ChangeServices,
	} {
		all[w.Name] = read(operation.Change, w, func(op *operation.Operation, out settings.Summary) { op.Settings = &out })
	}
	return all
}()

// backupOperation tells of a backup by its ID: of the one that runs, or of one that has ended.
func (c *Controller) backupOperation(ctx context.Context, id backup.ID) (operation.Operation, error) {
	if runID, err := c.Running(ctx); err == nil {
		if p, err := c.progressOf(ctx, runID); err == nil && p.BackupID == id {
			return c.operationOf(ctx, operation.Backup, string(id), flow.BackupWorkflowID(c.instance), runID)
		}
	}
	b, err := c.Show(ctx, string(id))
	if err != nil {
		return operation.Operation{}, err
	}
	op := operation.Operation{ID: string(id), Kind: operation.Backup, Running: !b.Status.Final(), StartedAt: b.StartedAt, EndedAt: b.FinishedAt, Backup: &b}
	if b.Status == backup.Failed {
		op.Fault = fault.New(fault.Code(b.Code), b.Message, nil)
	}
	return op, nil
}

// Changing returns the run ID of the change of settings that runs and when it began; an
// empty one when none does.
func (c *Controller) Changing(ctx context.Context) (runID string, since time.Time, err error) {
	info, err := c.current(ctx, flow.ChangeSettingsWorkflowID(c.instance))
	if err != nil || info == nil {
		return "", time.Time{}, err
	}
	return info.GetExecution().GetRunId(), info.GetStartTime().AsTime(), nil
}

// current describes the run of a workflow that goes on, nil when none does.
func (c *Controller) current(ctx context.Context, workflowID string) (*workflowpb.WorkflowExecutionInfo, error) {
	bounded, cancel := context.WithTimeout(ctx, c.responseTimeout)
	defer cancel()
	d, err := c.client.DescribeWorkflowExecution(bounded, workflowID, "")
	var missing *serviceerror.NotFound
	switch info := d.GetWorkflowExecutionInfo(); {
	case errors.As(err, &missing):
		return nil, nil
	case err != nil:
		return nil, c.fault(err)
	case isRunning(info):
		return info, nil
	}
	return nil, nil
}
