package control

import (
	"context"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"

	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
)

// watchedRun is a workflow whose result somebody waits for.
type watchedRun struct {
	id, runID string
	kind      string // the workflow's type
	what      string // what goes on when the caller stops waiting, such as "the deletion"
	see       string // the command that tells later what came of it, empty when there is none
	// idle says that nothing is lost when a run that no worker ever took up is
	// terminated: its caller is told so, and must not be surprised by it later.
	idle bool
}

// follow starts a workflow, or joins the run that is there, and waits for its result.
func follow[In, Out any](ctx context.Context, c *Controller, w flow.Workflow[In, Out], id, what string, in In) (Out, error) {
	return followFor(ctx, c, w, id, what, in, 0)
}

// followFor is [follow] for a run that ends after a time; 0 for one that does not.
func followFor[In, Out any](ctx context.Context, c *Controller, w flow.Workflow[In, Out], id, what string, in In, longest time.Duration) (Out, error) {
	options := c.options(id)
	options.WorkflowExecutionTimeout = longest
	options.WorkflowExecutionErrorWhenAlreadyStarted = false
	options.WorkflowIDConflictPolicy = enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING
	run, err := w.Start(ctx, c.client, options, in)
	if err != nil {
		var none Out
		return none, c.fault(err)
	}
	return result(ctx, c, run, watchedRun{id: id, runID: run.GetRunID(), kind: w.Name, what: what, idle: true})
}

// result waits for a run. It ends early, with NO_WORKER or TEMPORAL_UNREACHABLE, when
// nobody works on the run any more: Temporal itself would wait for ever.
func result[Out any](ctx context.Context, c *Controller, run flow.Run[Out], of watchedRun) (Out, error) {
	if err := c.own(ctx, of); err != nil {
		var none Out
		return none, err
	}
	waiting, stop := context.WithCancel(ctx)
	defer stop()
	if see, ok := ctx.Value(observerKey{}).(func(flow.ServiceProgress)); ok {
		go c.observe(waiting, of, see)
	}
	watched := make(chan error, 1)
	go func() {
		defer stop()
		watched <- c.guard(waiting, of)
	}()
	out, err := run.Get(waiting)
	stop()
	vain := <-watched // also when the run ended because the guard has withdrawn it
	var none Out
	switch {
	case err == nil:
		return out, nil
	case vain != nil:
		return none, vain
	case ctx.Err() != nil:
		return none, of.left()
	}
	return none, c.fault(err)
}

// left tells a caller who stops waiting that the run does not stop.
func (r watchedRun) left() error {
	text := "the command stopped waiting; " + r.what + " goes on"
	if r.see != "" {
		text += ", see `" + r.see + "`"
	}
	f := fault.New(fault.Cancelled, text, nil)
	f.Advice = "Nothing is to be done: it comes to its end by itself."
	return f
}

// guard returns why waiting for a run is in vain, or nil when ctx has ended.
func (c *Controller) guard(ctx context.Context, of watchedRun) error {
	ticker := time.NewTicker(c.responseTimeout / looks)
	defer ticker.Stop()
	var last time.Time // the scheduled time of the step that was seen waiting
	waits, silent := 0, 0
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		task, err := c.pendingTask(ctx, of)
		switch since := task.GetScheduledTime().AsTime(); {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			if silent++; silent == looks {
				return err
			}
			continue
		case task.GetAttempt() > maxTaskAttempts:
			return fault.Newf(fault.Internal, "the workers of instance %s fail to process %s", c.instance, of.what)
		case task.GetState() != enumspb.PENDING_WORKFLOW_TASK_STATE_SCHEDULED:
			waits = 0
			if err := c.ready(ctx); fault.CodeOf(err) == fault.NoWorker {
				return fault.Newf(fault.NoWorker, "no worker of instance %s answers any more; %s goes on when one does", c.instance, of.what)
			}
		case since.Equal(last):
			if waits++; waits == looks {
				return c.giveUp(ctx, of)
			}
		default:
			last, waits = since, 0
		}
		silent = 0
	}
}

const (
	looks           = 3 // into how many looks at the run the timeout is divided
	maxTaskAttempts = 3 // two can be those of workers that died
)

// pendingTask returns the run's step that is with a worker or waits for one, nil when
// there is none. Live workers take a waiting one up at once.
func (c *Controller) pendingTask(ctx context.Context, of watchedRun) (*workflowpb.PendingWorkflowTaskInfo, error) {
	bounded, cancel := context.WithTimeout(ctx, c.responseTimeout/looks)
	defer cancel()
	d, err := c.client.DescribeWorkflowExecution(bounded, of.id, of.runID)
	if err != nil && bounded.Err() != nil {
		return nil, c.silent()
	}
	return d.GetPendingWorkflowTask(), c.fault(err)
}

// giveUp ends the wait for a run that no worker takes up.
func (c *Controller) giveUp(ctx context.Context, of watchedRun) error {
	text := fmt.Sprintf("no worker of instance %s took up the work", c.instance)
	d, err := c.client.DescribeWorkflowExecution(ctx, of.id, of.runID)
	const untouched = 3 // events: started, the first step scheduled, the go-ahead
	if err != nil || !of.idle || d.GetWorkflowExecutionInfo().GetHistoryLength() > untouched {
		return fault.Newf(fault.NoWorker, "%s; %s goes on when one does", text, of.what)
	}
	// The run's end stops the wait before this call has its answer.
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.responseTimeout)
	defer cancel()
	if err := c.client.TerminateWorkflow(bounded, of.id, of.runID, "no worker took it up in time, and its caller gave up"); err != nil {
		return fault.New(fault.NoWorker, text+", and it could not be withdrawn: "+of.what+" may happen later", err)
	}
	return fault.New(fault.NoWorker, text, nil)
}
