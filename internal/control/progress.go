package control

import (
	"context"
	"fmt"
	"strings"
	"time"

	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/converter"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
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
	return p, c.runFault(err)
}

// merge adds what a running activity reports of itself: how far it is, and why its last
// attempt failed. What belongs to no service is told as the step of the whole run.
func (c *Controller) merge(p *flow.Progress, activity *workflowpb.PendingActivityInfo) {
	var beat flow.Heartbeat
	if details := activity.GetHeartbeatDetails(); details != nil && c.converter.FromPayloads(details, &beat) != nil {
		beat = flow.Heartbeat{} // of a worker with another version or codec key
	}
	name := activity.GetActivityType().GetName()
	if service, ok := strings.CutPrefix(name, flow.Collect("").Name); ok && beat.Service == "" {
		beat.Service = backup.Service(service)
	}
	failure := c.lastFailure(activity)
	for i := range p.Services {
		s := &p.Services[i]
		if s.Service != beat.Service {
			continue
		}
		if beat.Phase != "" {
			s.Phase, s.Bytes, s.TotalBytes = beat.Phase, beat.Bytes, beat.TotalBytes
			s.Items = max(s.Items, beat.Items)
		}
		if failure != nil {
			s.Code, s.Message = string(failure.Code), again(activity, failure)
		}
		return
	}
	if failure != nil {
		p.Step += ": " + again(activity, failure)
	}
}

// again says that a step is tried once more, and why.
func again(activity *workflowpb.PendingActivityInfo, failure *fault.Fault) string {
	return fmt.Sprintf("attempt %d of %s, after %s", activity.GetAttempt(), activity.GetActivityType().GetName(), failure)
}

// lastFailure returns why an activity is tried again, nil in its first attempt.
func (c *Controller) lastFailure(activity *workflowpb.PendingActivityInfo) *fault.Fault {
	failure := activity.GetLastFailure()
	if failure == nil {
		return nil
	}
	var details flow.FaultDetails
	application := failure.GetApplicationFailureInfo()
	if application.GetDetails() != nil && c.converter.FromPayloads(application.GetDetails(), &details) == nil && details.Code.Known() {
		return fault.Newf(details.Code, "%s", details.What)
	}
	if code := fault.Code(application.GetType()); code.Known() {
		return fault.Newf(code, "the last attempt failed")
	}
	if failure.GetTimeoutFailureInfo() != nil {
		return fault.Newf(fault.NoWorker, "the worker that did it went silent")
	}
	converter.DecodeCommonFailureAttributes(c.converter, failure)
	return fault.Newf(fault.Internal, "%s", failure.GetMessage())
}

// Watch calls see about once a second with the run's progress until the run ends or ctx
// does. A worker or a Temporal server that is away for a while does not end it: see is
// told as the step.
func (c *Controller) Watch(ctx context.Context, runID string, see func(flow.Progress)) error {
	ticker := time.NewTicker(watchInterval)
	defer ticker.Stop()
	var last flow.Progress
	for {
		p, err := c.Progress(ctx, runID)
		switch fault.CodeOf(err) {
		case "":
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
		case <-ticker.C:
		}
	}
}
