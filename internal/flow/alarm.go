package flow

import (
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"infrabackup/internal/fault"
)

// Alarm is a workflow without input, which a Temporal Schedule starts. Nobody gives such a
// run the go-ahead, and whoever can write to the namespace may start one as well: so it is
// told nothing, and finds out itself what is to be done.
type Alarm[Out any] struct{ Name string }

func (a Alarm[Out]) stamp(to way) stamp { return stamp{Kind: KindWorkflow, Name: a.Name, Way: to} }

// Register makes fn answer for the workflow.
func (a Alarm[Out]) Register(r worker.WorkflowRegistry, fn func(workflow.Context) (Out, error)) {
	r.RegisterWorkflowWithOptions(func(ctx workflow.Context) (any, error) {
		info := workflow.GetInfo(ctx)
		failed, done := a.stamp(failure), a.stamp(result)
		failed.Run, done.Run = info.WorkflowExecution.RunID, info.WorkflowExecution.RunID
		// What a run asks of activities counts for the one that it was before any reset, so
		// they refuse what one that was reset asks.
		ctx = workflow.WithValue(ctx, courseKey{}, &course{form: sealedAs, run: originalRun(info)})
		err := a.admit(info)
		var out Out
		if err == nil {
			out, err = fn(ctx)
		}
		if err == nil && WasReset(ctx) {
			err = fault.Newf(fault.PayloadRefused, "the run was reset: its results were those of run %s", originalRun(info))
		}
		if err != nil {
			return nil, sealFailure(err, failed)
		}
		return seal(out, done), nil
	}, workflow.RegisterOptions{Name: a.Name})
}

// admit reports why a run must not go on.
func (a Alarm[Out]) admit(info *workflow.Info) error {
	id := info.WorkflowExecution.ID
	if queue := Queue(instanceOf(id)); info.TaskQueueName != queue {
		return fault.Newf(fault.PayloadRefused, "workflow %s was started on the queue %s, not on %s", id, info.TaskQueueName, queue)
	}
	return nil
}
