package control

import (
	"context"
	"time"

	workflowpb "go.temporal.io/api/workflow/v1"

	"infrabackup/internal/control/operation"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/temporal"
)

// watchInterval is how often a run is looked at.
const watchInterval = time.Second

// Progress tells how far a run is, heartbeats of its activities included, and why those
// that are tried again have failed. An empty run ID is the newest run. BACKUP_NOT_FOUND
// when there is no such run.
func (c *Controller) Progress(ctx context.Context, runID string) (flow.Progress, error) {
	d, err := c.client.DescribeWorkflowExecution(ctx, flow.BackupWorkflowID(c.instance), runID)
	if err != nil {
		return flow.Progress{}, c.runFault(err)
	}
	info := d.GetWorkflowExecutionInfo()
	p, err := c.progressOf(ctx, info.GetExecution().GetRunId())
	if err != nil {
		return p, err
	}
	pending := c.pending(info)
	for _, activity := range d.GetPendingActivities() {
		operation.Merge(&p, pending, activity)
	}
	return p, nil
}

// pending reads what the running activities of a run report.
func (c *Controller) pending(info *workflowpb.WorkflowExecutionInfo) flow.Pending {
	return flow.Pending{
		Data: c.converter, Failures: temporal.Failures(c.converter), Namespace: c.namespace,
		WorkflowID: info.GetExecution().GetWorkflowId(), RunID: info.GetExecution().GetRunId(), WorkflowType: info.GetType().GetName(),
	}
}

func (c *Controller) progressOf(ctx context.Context, runID string) (flow.Progress, error) {
	p, err := answered(ctx, c, func(ctx context.Context) (flow.Progress, error) {
		return flow.BackupProgress.AskRun(ctx, c.client, flow.BackupWorkflowID(c.instance), runID, struct{}{})
	})
	return p, c.runFault(err)
}

// maxFailedLooks is how often in a row a look at a run may fail.
const maxFailedLooks = 5

// Watch calls see about once a second with the run's progress until the run ends or ctx
// does, and returns as soon as it ends. A worker or a Temporal server that is away for a
// while does not end it: see is told as the step.
func (c *Controller) Watch(ctx context.Context, runID string, see func(flow.Progress)) error {
	ticker := time.NewTicker(watchInterval)
	defer ticker.Stop()
	ended, stop := c.end(ctx, runID)
	defer stop()
	var last flow.Progress
	for failures := 0; ; {
		p, err := c.Progress(ctx, runID)
		code := fault.CodeOf(err)
		if failures++; code == fault.Internal && failures < maxFailedLooks {
			code = fault.NoWorker // a worker that loads the run again can fail at a question once
		}
		switch code {
		case "":
			failures = 0
			last = p
			see(p)
		case fault.NoWorker, fault.TemporalUnreachable:
			away := last
			away.Step = "waiting: " + fault.As(err).Message()
			see(away)
		default:
			if ctx.Err() != nil {
				return stoppedWatching()
			}
			return err
		}
		if p.Status.Final() {
			return nil
		}
		d, err := c.client.DescribeWorkflowExecution(ctx, flow.BackupWorkflowID(c.instance), runID)
		if err == nil && !isRunning(d.GetWorkflowExecutionInfo()) {
			return nil
		}
		select {
		case <-ctx.Done():
			return stoppedWatching()
		case <-ended:
			ended = nil // what has ended, the run or the waiting, the next look tells
		case <-ticker.C:
		}
	}
}

// end returns a channel that is closed when a run ends, or when nobody can wait for that
// any more, and what ends the waiting.
func (c *Controller) end(ctx context.Context, runID string) (ended <-chan struct{}, stop func()) {
	waiting, cancel := context.WithCancel(ctx)
	over := make(chan struct{})
	go func() {
		defer close(over)
		_ = c.client.GetWorkflow(waiting, flow.BackupWorkflowID(c.instance), runID).Get(waiting, nil) // its result is for who asks for it
	}()
	return over, func() {
		cancel()
		<-over
	}
}
