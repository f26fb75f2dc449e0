package control

import (
	"context"
	"errors"
	"strings"
	"time"

	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/settings"
)

// Operation tells how far an operation is that was begun, and what came of it; it does not
// wait for its end. The ID is the one that it was begun with, or that of a run or a backup.
// BACKUP_NOT_FOUND when nothing is known of it, or no longer.
func (c *Controller) Operation(ctx context.Context, id string) (Operation, error) {
	if of, ok := strings.CutPrefix(id, verifyOperation); ok {
		if backupID, err := backup.ParseID(of); err == nil {
			return c.operationOf(ctx, OperationVerify, id, flow.VerifyWorkflowID(c.instance, backupID), "")
		}
	}
	parsed, err := backup.ParseID(id)
	if err != nil {
		return Operation{}, fault.Newf(fault.BackupNotFound, "no operation of instance %s has the ID %s", c.instance, backup.Printable(id, maxStrangerText))
	}
	for _, of := range []struct {
		kind       OperationKind
		workflowID string
	}{
		{OperationChange, flow.ChangeSettingsWorkflowID(c.instance)}, {OperationPrune, flow.PruneWorkflowID(c.instance)}, {OperationBackup, flow.BackupWorkflowID(c.instance)},
	} {
		op, err := c.operationOf(ctx, of.kind, id, of.workflowID, id)
		if fault.CodeOf(err) != fault.BackupNotFound {
			return op, err
		}
	}
	return c.backupOperation(ctx, parsed)
}

// operationOf reads a run that has to be of a kind; an empty run ID is the newest one.
func (c *Controller) operationOf(ctx context.Context, kind OperationKind, id, workflowID, runID string) (Operation, error) {
	bounded, cancel := context.WithTimeout(ctx, c.responseTimeout)
	defer cancel()
	d, err := c.client.DescribeWorkflowExecution(bounded, workflowID, runID)
	var missing *serviceerror.NotFound
	switch {
	case errors.As(err, &missing):
		return Operation{}, fault.Newf(fault.BackupNotFound, "no operation of instance %s has the ID %s", c.instance, id)
	case err != nil:
		return Operation{}, c.fault(err)
	}
	info := d.GetWorkflowExecutionInfo()
	runID = info.GetExecution().GetRunId()
	read := readers[info.GetType().GetName()]
	if read.kind != kind {
		return Operation{}, fault.Newf(fault.AnswerRefused, "run %s of %s is a %.100s, which is no %s", runID, workflowID, info.GetType().GetName(), kind)
	}
	if err := c.served(info.GetTaskQueue(), workflowID, runID); err != nil {
		return Operation{}, err
	}
	op := Operation{ID: id, Kind: read.kind, Running: isRunning(info), StartedAt: info.GetStartTime().AsTime()}
	if op.Running {
		return op, nil
	}
	op.EndedAt = info.GetCloseTime().AsTime()
	return op, c.outcome(ctx, &op, read, info)
}

// resultTimeout bounds how long the result of a run that has ended may take.
const resultTimeout = 5 * time.Second

// outcome adds what came of a run that has ended.
func (c *Controller) outcome(ctx context.Context, op *Operation, read reader, info *workflowpb.WorkflowExecutionInfo) error {
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
	kind OperationKind
	get  func(ctx context.Context, c *Controller, workflowID, runID string, op *Operation) error
}

// read makes a reader of the results of a workflow.
func read[In, Out any](kind OperationKind, w flow.Workflow[In, Out], take func(*Operation, Out)) reader {
	return reader{kind, func(ctx context.Context, c *Controller, workflowID, runID string, op *Operation) error {
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
		flow.Backup.Name: read(OperationBackup, flow.Backup, func(op *Operation, out backup.Overview) { op.Backup = &out }),
		flow.Prune.Name: read(OperationPrune, flow.Prune, func(op *Operation, out flow.PruneOutput) {
			r := pruneResult(out)
			op.Prune = &r
		}),
		flow.Verify.Name:      read(OperationVerify, flow.Verify, func(op *Operation, out backup.Verdict) { op.Verdict = &out }),
		flow.ChangeShare.Name: read(OperationChange, flow.ChangeShare, func(op *Operation, out flow.ChangeShareOutput) { op.Settings = &out.Settings }),
		flow.AdoptSettings.Name: read(OperationChange, flow.AdoptSettings, func(op *Operation, out flow.AdoptSettingsOutput) {
			op.Settings = &out.Settings
		}),
	}
	for _, w := range []flow.Workflow[flow.ChangeSettingsInput, settings.Summary]{
		flow.Enable, flow.ChangeCredentials, flow.ChangeKey, flow.ChangeSigningKey, flow.ChangeServices,
	} {
		all[w.Name] = read(OperationChange, w, func(op *Operation, out settings.Summary) { op.Settings = &out })
	}
	return all
}()

// backupOperation tells of a backup by its ID: of the one that runs, or of one that has ended.
func (c *Controller) backupOperation(ctx context.Context, id backup.ID) (Operation, error) {
	if runID, err := c.Running(ctx); err == nil {
		if p, err := c.progressOf(ctx, runID); err == nil && p.BackupID == id {
			return c.operationOf(ctx, OperationBackup, string(id), flow.BackupWorkflowID(c.instance), runID)
		}
	}
	b, err := c.Show(ctx, string(id))
	if err != nil {
		return Operation{}, err
	}
	op := Operation{ID: string(id), Kind: OperationBackup, Running: !b.Status.Final(), StartedAt: b.StartedAt, EndedAt: b.FinishedAt, Backup: &b}
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
