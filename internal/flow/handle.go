package flow

import (
	"context"
	"fmt"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// Activity is an activity that takes In and returns Out.
type Activity[In, Out any] struct{ Name string }

// Run executes the activity and waits for it. The options are those of ctx.
func (a Activity[In, Out]) Run(ctx workflow.Context, in In) (Out, error) {
	return a.Start(ctx, in).Get(ctx)
}

// Start executes the activity without waiting.
func (a Activity[In, Out]) Start(ctx workflow.Context, in In) Future[Out] {
	return Future[Out]{workflow.ExecuteActivity(ctx, a.Name, in)}
}

// Register makes fn answer for the activity.
func (a Activity[In, Out]) Register(r worker.ActivityRegistry, fn func(context.Context, In) (Out, error)) {
	r.RegisterActivityWithOptions(fn, activity.RegisterOptions{Name: a.Name})
}

// Future is the typed result of something that was started.
type Future[Out any] struct{ workflow.Future }

// Get waits for the result.
func (f Future[Out]) Get(ctx workflow.Context) (Out, error) {
	var out Out
	err := f.Future.Get(ctx, &out)
	return out, err
}

// Workflow is a workflow that takes In and returns Out.
type Workflow[In, Out any] struct{ Name string }

// Register makes fn answer for the workflow.
func (w Workflow[In, Out]) Register(r worker.WorkflowRegistry, fn func(workflow.Context, In) (Out, error)) {
	r.RegisterWorkflowWithOptions(fn, workflow.RegisterOptions{Name: w.Name})
}

// Start starts a run.
func (w Workflow[In, Out]) Start(ctx context.Context, c client.Client, options client.StartWorkflowOptions, in In) (Run[Out], error) {
	run, err := c.ExecuteWorkflow(ctx, options, w.Name, in)
	return Run[Out]{run}, err
}

// Attach follows the newest run of a workflow ID, or the given one.
func (w Workflow[In, Out]) Attach(ctx context.Context, c client.Client, workflowID, runID string) Run[Out] {
	return Run[Out]{c.GetWorkflow(ctx, workflowID, runID)}
}

// ContinueAsNew is the error with which a run hands over to its successor.
func (w Workflow[In, Out]) ContinueAsNew(ctx workflow.Context, in In) error {
	return workflow.NewContinueAsNewError(ctx, w.Name, in)
}

// Run is the typed handle of a started workflow.
type Run[Out any] struct{ client.WorkflowRun }

// Get waits for the result.
func (r Run[Out]) Get(ctx context.Context) (Out, error) {
	var out Out
	err := r.WorkflowRun.Get(ctx, &out)
	return out, err
}

// Query is a read of a workflow's state.
type Query[In, Out any] struct{ Name string }

// Handle makes fn answer for the query.
func (q Query[In, Out]) Handle(ctx workflow.Context, fn func(In) (Out, error)) error {
	return workflow.SetQueryHandlerWithOptions(ctx, q.Name, fn, workflow.QueryHandlerOptions{})
}

// Ask sends the query.
func (q Query[In, Out]) Ask(ctx context.Context, c client.Client, workflowID string, in In) (Out, error) {
	var out Out
	value, err := c.QueryWorkflow(ctx, workflowID, "", q.Name, in)
	if err != nil {
		return out, err
	}
	if err := value.Get(&out); err != nil {
		return out, fmt.Errorf("decode the answer to query %s: %w", q.Name, err)
	}
	return out, nil
}

// Update is a validated change of a workflow's state.
type Update[In, Out any] struct{ Name string }

// Handle makes fn answer for the update, after validate has accepted it. Validate
// must not change anything.
func (u Update[In, Out]) Handle(ctx workflow.Context, validate func(In) error, fn func(workflow.Context, In) (Out, error)) error {
	return workflow.SetUpdateHandlerWithOptions(ctx, u.Name, fn, workflow.UpdateHandlerOptions{
		Validator: func(_ workflow.Context, in In) error { return validate(in) },
	})
}

// Send sends the update and waits until it is done.
func (u Update[In, Out]) Send(ctx context.Context, c client.Client, workflowID string, in In) (Out, error) {
	return u.wait(ctx)(c.UpdateWorkflow(ctx, u.options(workflowID, in)))
}

// SendWithStart sends the update to the workflow and starts it first when it does
// not run.
func (u Update[In, Out]) SendWithStart(ctx context.Context, c client.Client, start client.WithStartWorkflowOperation, workflowID string, in In) (Out, error) {
	return u.wait(ctx)(c.UpdateWithStartWorkflow(ctx, client.UpdateWithStartWorkflowOptions{
		StartWorkflowOperation: start,
		UpdateOptions:          u.options(workflowID, in),
	}))
}

func (u Update[In, Out]) options(workflowID string, in In) client.UpdateWorkflowOptions {
	return client.UpdateWorkflowOptions{
		WorkflowID:   workflowID,
		UpdateName:   u.Name,
		Args:         []any{in},
		WaitForStage: client.WorkflowUpdateStageCompleted,
	}
}

func (u Update[In, Out]) wait(ctx context.Context) func(client.WorkflowUpdateHandle, error) (Out, error) {
	return func(handle client.WorkflowUpdateHandle, err error) (Out, error) {
		var out Out
		if err != nil {
			return out, err
		}
		err = handle.Get(ctx, &out) // first: a return would not say whether out is read before or after
		return out, err
	}
}
