package control

import (
	"context"
	"fmt"
	"slices"

	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"golang.org/x/sync/errgroup"

	"infrabackup/internal/backup"
	"infrabackup/internal/control/operation"
	"infrabackup/internal/control/subject"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
)

// maxRuns bounds how many runs of Temporal's memory a list looks at.
const maxRuns = 50

// List returns the finished backups on the share and the runs that Temporal remembers
// and that left none, newest first.
func (c *Controller) List(ctx context.Context, limit int) (flow.ListOutput, error) {
	return c.list(ctx, flow.ListInput{Instance: c.instance, Limit: limit})
}

// ListExpected is [Controller.List], and tells the newest backup that is to be there and the
// space on the share.
func (c *Controller) ListExpected(ctx context.Context, limit int) (flow.ListOutput, error) {
	return c.list(ctx, flow.ListInput{Instance: c.instance, Limit: limit, Expected: true, Space: true})
}

func (c *Controller) list(ctx context.Context, in flow.ListInput) (flow.ListOutput, error) {
	limit := in.Limit
	listed, err := c.read(ctx, in)
	if err != nil {
		return listed, err
	}
	known := map[backup.ID]bool{}
	for _, b := range listed.Backups {
		known[b.BackupID] = true
	}
	runs, unreadable, more, err := c.runs(ctx)
	if err != nil {
		return listed, err
	}
	listed.More = listed.More || more
	listed.Unreadable = append(listed.Unreadable, unreadable...)
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
	runs, _, more, runsErr := c.runs(ctx)
	if runsErr != nil {
		return backup.Overview{}, runsErr
	}
	for _, run := range runs {
		if run.BackupID == backupID {
			return run, nil
		}
	}
	if more {
		return backup.Overview{}, fault.New(fault.BackupNotFound, fmt.Sprintf(
			"backup %s is not on the share, and not among the newest %d runs that left none; older ones were not read", backupID, len(runs)), err)
	}
	return backup.Overview{}, err
}

// runs returns the backups that Temporal remembers as running or as failed, newest first,
// and the runs that cannot be read, which keep nobody from the others. More says that there
// are older ones than the newest [maxRuns].
func (c *Controller) runs(ctx context.Context) (all []backup.Overview, unreadable []backup.Finding, more bool, err error) {
	answer, err := c.client.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		Namespace: c.namespace, PageSize: maxRuns, // what has completed is on the share, or deleted from it
		Query: fmt.Sprintf("WorkflowId = %q AND ExecutionStatus != \"Completed\"", flow.BackupWorkflowID(c.instance)),
	})
	if err != nil {
		return nil, nil, false, c.fault(err)
	}
	infos := answer.GetExecutions()
	overviews, errs := make([]backup.Overview, len(infos)), make([]error, len(infos))
	bounded, cancel := context.WithTimeout(ctx, runsTimeouts*c.responseTimeout)
	defer cancel()
	var group errgroup.Group
	group.SetLimit(runsAtOnce)
	for i, info := range infos {
		group.Go(func() error {
			overviews[i], errs[i] = c.remembered(bounded, info)
			return nil
		})
	}
	_ = group.Wait() // each error is its run's
	if ctx.Err() != nil {
		return nil, nil, false, c.fault(ctx.Err())
	}
	for i, info := range infos {
		if errs[i] == nil {
			all = append(all, overviews[i])
			continue
		}
		f := fault.As(errs[i])
		execution := info.GetExecution()
		unreadable = append(unreadable, backup.Finding{
			Code: string(f.Code), File: "run " + execution.GetRunId() + " of " + execution.GetWorkflowId(), Message: f.Message(),
		})
	}
	return all, unreadable, len(infos) == maxRuns && len(answer.GetNextPageToken()) > 0, nil
}

const (
	runsAtOnce   = 8 // runs that are asked at once
	runsTimeouts = 2 // times the timeout of one question, for all of them
)

// remembered reads one run.
func (c *Controller) remembered(ctx context.Context, info *workflowpb.WorkflowExecutionInfo) (backup.Overview, error) {
	runID := info.GetExecution().GetRunId()
	if err := c.ours(flow.Backup.Name, info.GetType().GetName(), info.GetTaskQueue(), info.GetExecution().GetWorkflowId(), runID); err != nil {
		return backup.Overview{}, err
	}
	p, err := c.progressOf(ctx, runID)
	if err == nil {
		err = subject.Named(p.BackupID)
	}
	if err != nil {
		return backup.Overview{}, err
	}
	return operation.OverviewOf(p, c.failureOf(ctx, info), info.GetCloseTime().AsTime()), nil
}

// failureOf returns why a run has ended without a backup, nil while it runs.
func (c *Controller) failureOf(ctx context.Context, info *workflowpb.WorkflowExecutionInfo) *fault.Fault {
	if isRunning(info) {
		return nil
	}
	execution := info.GetExecution()
	_, err := flow.Backup.Attach(ctx, c.client, execution.GetWorkflowId(), execution.GetRunId()).Get(ctx)
	return fault.As(c.runFault(err))
}
