package control

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
)

// maxRuns bounds how many runs of Temporal's memory a list looks at.
const maxRuns = 50

// Started identifies a backup that was started.
type Started struct {
	BackupID backup.ID `json:"backupId"`
	RunID    string    `json:"runId"`
}

// Start starts a backup. NOT_ENABLED before enable; BACKUP_RUNNING, with the run that
// is in the way, while another one runs. SpoolWait is [flow.DefaultSpoolWait] when zero.
func (c *Controller) Start(ctx context.Context, requestedBy string, spoolWait time.Duration) (Started, error) {
	id := flow.BackupWorkflowID(c.instance)
	if run, err := c.client.DescribeWorkflowExecution(ctx, id, ""); err == nil && isRunning(run.GetWorkflowExecutionInfo()) {
		// Nothing could be started, whatever else is wrong.
		started := serviceerror.NewWorkflowExecutionAlreadyStarted("", "", run.GetWorkflowExecutionInfo().GetExecution().GetRunId())
		return Started{}, c.running(ctx, started, fault.BackupRunning, "a backup", id)
	}
	if _, err := c.Summary(ctx); err != nil {
		return Started{}, err
	}
	backupID, err := backup.NewID(rand.Reader)
	if err != nil {
		return Started{}, err
	}
	run, err := flow.Backup.Start(ctx, c.client, c.options(id), flow.BackupInput{
		Instance: c.instance, BackupID: backupID, RequestedBy: requestedBy, SpoolWait: spoolWait,
	})
	if err != nil {
		return Started{}, c.running(ctx, err, fault.BackupRunning, "a backup", id)
	}
	return Started{BackupID: backupID, RunID: run.GetRunID()}, nil
}

func isRunning(info *workflowpb.WorkflowExecutionInfo) bool {
	return info.GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING
}

// Wait waits for a run and returns what came of it. An empty run ID is the newest run.
func (c *Controller) Wait(ctx context.Context, runID string) (backup.Overview, error) {
	overview, err := flow.Backup.Attach(ctx, c.client, flow.BackupWorkflowID(c.instance), runID).Get(ctx)
	if err != nil && ctx.Err() != nil {
		return overview, fault.New(fault.Cancelled, "the command stopped waiting; the backup goes on", nil)
	}
	return overview, c.fault(err)
}

// Running returns the run ID of the backup that runs, BACKUP_NOT_FOUND when none does.
func (c *Controller) Running(ctx context.Context) (string, error) {
	d, err := c.client.DescribeWorkflowExecution(ctx, flow.BackupWorkflowID(c.instance), "")
	var missing *serviceerror.NotFound
	if errors.As(err, &missing) || err == nil && !isRunning(d.GetWorkflowExecutionInfo()) {
		return "", fault.Newf(fault.BackupNotFound, "no backup of instance %s runs", c.instance)
	}
	if err != nil {
		return "", c.fault(err)
	}
	return d.GetWorkflowExecutionInfo().GetExecution().GetRunId(), nil
}

// Cancel asks the running backup to stop and to clean up, and waits until it has.
// BACKUP_NOT_FOUND when none runs.
func (c *Controller) Cancel(ctx context.Context) error {
	runID, err := c.Running(ctx)
	if err != nil {
		return err
	}
	if err := c.client.CancelWorkflow(ctx, flow.BackupWorkflowID(c.instance), runID); err != nil {
		return c.fault(err)
	}
	_, err = c.Wait(ctx, runID)
	if fault.CodeOf(err) == fault.Cancelled && ctx.Err() == nil {
		return nil
	}
	return err
}

// List returns the finished backups on the share and the runs that Temporal remembers
// and that left none, newest first.
func (c *Controller) List(ctx context.Context, limit int) (flow.ListOutput, error) {
	listed, err := c.read(ctx, flow.ListInput{Instance: c.instance, Limit: limit})
	if err != nil {
		return listed, err
	}
	known := map[backup.ID]bool{}
	for _, b := range listed.Backups {
		known[b.BackupID] = true
	}
	runs, err := c.runs(ctx)
	if err != nil {
		return listed, err
	}
	for _, run := range runs {
		if !known[run.BackupID] {
			listed.Backups = append(listed.Backups, run)
		}
	}
	slices.SortStableFunc(listed.Backups, func(a, b backup.Overview) int { return b.StartedAt.Compare(a.StartedAt) })
	if limit > 0 && len(listed.Backups) > limit {
		listed.Backups, listed.More = listed.Backups[:limit], true
	}
	return listed, nil
}

// Show returns one backup; "latest" is the newest finished one. BACKUP_NOT_FOUND when
// there is none.
func (c *Controller) Show(ctx context.Context, id string) (backup.Overview, error) {
	backupID, err := c.Resolve(ctx, id)
	if err != nil {
		return backup.Overview{}, err
	}
	listed, err := c.read(ctx, flow.ListInput{Instance: c.instance, BackupID: backupID})
	if err == nil {
		return listed.Backups[0], nil
	}
	if fault.CodeOf(err) != fault.BackupNotFound {
		return backup.Overview{}, err
	}
	runs, runsErr := c.runs(ctx)
	if runsErr != nil {
		return backup.Overview{}, runsErr
	}
	for _, run := range runs {
		if run.BackupID == backupID {
			return run, nil
		}
	}
	return backup.Overview{}, err
}

// Resolve turns "latest" into an ID and checks the form of any other.
func (c *Controller) Resolve(ctx context.Context, id string) (backup.ID, error) {
	if id != Latest {
		parsed, err := backup.ParseID(id)
		if err != nil {
			return "", fault.New(fault.Usage, "the backup was not understood", err)
		}
		return parsed, nil
	}
	listed, err := c.read(ctx, flow.ListInput{Instance: c.instance, Limit: 1})
	if err != nil {
		return "", err
	}
	if len(listed.Backups) == 0 {
		return "", fault.Newf(fault.BackupNotFound, "instance %s has no finished backup", c.instance)
	}
	return listed.Backups[0].BackupID, nil
}

// Latest stands for the newest finished backup.
const Latest = "latest"

// read lets a worker read the share.
func (c *Controller) read(ctx context.Context, in flow.ListInput) (flow.ListOutput, error) {
	if err := c.ready(ctx); err != nil {
		return flow.ListOutput{}, err
	}
	request, err := unique()
	if err != nil {
		return flow.ListOutput{}, err
	}
	out, err := follow(ctx, c, flow.List, flow.ListWorkflowID(c.instance, request), in)
	if out.Backups == nil {
		out.Backups = []backup.Overview{}
	}
	return out, err
}

// Verify checks one backup without a key. Another check of the same backup that runs
// already is followed instead.
func (c *Controller) Verify(ctx context.Context, id string) (backup.Verdict, error) {
	backupID, err := c.Resolve(ctx, id)
	if err != nil {
		return backup.Verdict{}, err
	}
	return follow(ctx, c, flow.Verify, flow.VerifyWorkflowID(c.instance, backupID), flow.VerifyInput{Instance: c.instance, BackupID: backupID})
}

// Delete removes one finished backup from the share.
func (c *Controller) Delete(ctx context.Context, id, requestedBy string) (backup.Overview, error) {
	backupID, err := c.Resolve(ctx, id)
	if err != nil {
		return backup.Overview{}, err
	}
	return follow(ctx, c, flow.Delete, flow.DeleteWorkflowID(c.instance, backupID), flow.DeleteInput{
		Instance: c.instance, BackupID: backupID, RequestedBy: requestedBy,
	})
}

// Diagnose lets a worker check what it depends on.
func (c *Controller) Diagnose(ctx context.Context, share bool) (flow.DiagnoseOutput, error) {
	if err := c.ready(ctx); err != nil {
		return flow.DiagnoseOutput{}, err
	}
	request, err := unique()
	if err != nil {
		return flow.DiagnoseOutput{}, err
	}
	return follow(ctx, c, flow.Diagnose, flow.DiagnoseWorkflowID(c.instance, request), flow.DiagnoseInput{Instance: c.instance, Share: share})
}

// follow starts a workflow, or joins the run that is there, and waits for its result.
func follow[In, Out any](ctx context.Context, c *Controller, w flow.Workflow[In, Out], id string, in In) (Out, error) {
	options := c.options(id)
	options.WorkflowExecutionErrorWhenAlreadyStarted = false
	options.WorkflowIDConflictPolicy = enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING
	var none Out
	run, err := w.Start(ctx, c.client, options, in)
	if err != nil {
		return none, c.fault(err)
	}
	out, err := run.Get(ctx)
	if err != nil && ctx.Err() != nil {
		return none, fault.New(fault.Cancelled, "the command stopped waiting", nil)
	}
	return out, c.fault(err)
}

func unique() (string, error) {
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", fmt.Errorf("draw a request id: %w", err)
	}
	return hex.EncodeToString(b[:]), nil
}

// runs returns the backups that Temporal remembers as running or as failed.
func (c *Controller) runs(ctx context.Context) ([]backup.Overview, error) {
	answer, err := c.client.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		Namespace: c.namespace, PageSize: maxRuns, Query: fmt.Sprintf("WorkflowId = %q", flow.BackupWorkflowID(c.instance)),
	})
	if err != nil {
		return nil, c.fault(err)
	}
	var all []backup.Overview
	for _, info := range answer.GetExecutions() {
		if info.GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED {
			continue // on the share, or deleted from it
		}
		p, err := c.progressOf(ctx, info.GetExecution().GetRunId())
		if err != nil {
			continue // its history, or the worker that could read it, is gone
		}
		all = append(all, overviewOf(p, info))
	}
	return all, nil
}

// overviewOf tells of a run that has no manifest.
func overviewOf(p flow.Progress, info *workflowpb.WorkflowExecutionInfo) backup.Overview {
	out := backup.Overview{BackupID: p.BackupID, Status: p.Status, StartedAt: p.StartedAt, Services: []backup.ServiceResult{}, Message: p.Step}
	if !isRunning(info) {
		out.Status = backup.Failed
		out.FinishedAt = info.GetCloseTime().AsTime()
	}
	for _, s := range p.Services {
		status := backup.Running
		switch s.Phase {
		case flow.PhaseQueued:
			status = backup.Queued
		case flow.PhaseDone:
			status = backup.Succeeded
		case flow.PhaseFailed:
			status = backup.Failed
		}
		out.Services = append(out.Services, backup.ServiceResult{
			Service: s.Service, Status: status, Items: s.Items, Bytes: s.Bytes, Gaps: []backup.Gap{}, Code: s.Code, Message: s.Message,
		})
	}
	return out
}
