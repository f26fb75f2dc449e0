package control

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"

	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
)

// watchInterval is how often a run is looked at.
const watchInterval = time.Second

// Progress tells how far the newest run is, heartbeats of its activities included.
// BACKUP_NOT_FOUND when there never was a run.
func (c *Controller) Progress(ctx context.Context, runID string) (flow.Progress, error) {
	d, err := c.client.DescribeWorkflowExecution(ctx, flow.BackupWorkflowID(c.instance), runID)
	var missing *serviceerror.NotFound
	if errors.As(err, &missing) {
		return flow.Progress{}, fault.Newf(fault.BackupNotFound, "no backup of instance %s runs", c.instance)
	}
	if err != nil {
		return flow.Progress{}, c.fault(err)
	}
	p, err := c.progressOf(ctx, d.GetWorkflowExecutionInfo().GetExecution().GetRunId())
	if err != nil {
		return p, err
	}
	for _, activity := range d.GetPendingActivities() {
		c.merge(&p, activity)
	}
	return p, nil
}

func (c *Controller) progressOf(ctx context.Context, runID string) (flow.Progress, error) {
	p, err := answered(ctx, c, func(ctx context.Context) (flow.Progress, error) {
		var p flow.Progress
		value, err := c.client.QueryWorkflow(ctx, flow.BackupWorkflowID(c.instance), runID, flow.BackupProgress.Name, struct{}{})
		if err != nil {
			return p, err
		}
		return p, value.Get(&p)
	})
	return p, c.fault(err)
}

// merge adds what a running activity reports of itself: how far it is, or why its last
// attempt failed.
func (c *Controller) merge(p *flow.Progress, activity *workflowpb.PendingActivityInfo) {
	var beat flow.Heartbeat
	if activity.GetHeartbeatDetails() == nil || c.converter.FromPayloads(activity.GetHeartbeatDetails(), &beat) != nil {
		return
	}
	for i := range p.Services {
		s := &p.Services[i]
		if s.Service != beat.Service {
			continue
		}
		s.Phase, s.Bytes, s.TotalBytes = beat.Phase, beat.Bytes, beat.TotalBytes
		s.Items = max(s.Items, beat.Items)
		if failure := activity.GetLastFailure(); failure != nil && activity.GetAttempt() > 1 {
			s.Code = failure.GetApplicationFailureInfo().GetType()
		}
	}
}

// Watch calls see about once a second with the run's progress until the run ends or ctx
// does. A worker that is away for a while does not end it.
func (c *Controller) Watch(ctx context.Context, runID string, see func(flow.Progress)) error {
	ticker := time.NewTicker(watchInterval)
	defer ticker.Stop()
	for {
		p, err := c.Progress(ctx, runID)
		switch fault.CodeOf(err) {
		case "":
			see(p)
		case fault.NoWorker, fault.TemporalUnreachable:
		default:
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
			return c.fault(ctx.Err())
		case <-ticker.C:
		}
	}
}
