package flow

import (
	"context"
	"errors"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"infrabackup/internal/fault"
)

// Activity is an activity that takes In and returns Out.
type Activity[In, Out any] struct{ Name string }

func (a Activity[In, Out]) stamp(w way) stamp { return stamp{Kind: KindActivity, Name: a.Name, Way: w} }

// Run executes the activity and waits for it. The options are those of ctx.
func (a Activity[In, Out]) Run(ctx workflow.Context, in In) (Out, error) {
	return a.Start(ctx, in).Get(ctx)
}

// Start executes the activity without waiting.
func (a Activity[In, Out]) Start(ctx workflow.Context, in In) Future[Out] {
	run := courseOf(ctx)
	if run == nil || run.form == unsealed {
		return Future[Out]{Future: workflow.ExecuteActivity(ctx, a.Name, in)}
	}
	s := a.stamp(input)
	s.Run, s.Nonce = run.run, run.nonce()
	want := a.stamp(result)
	want.Answers = s.Nonce
	return Future[Out]{Future: workflow.ExecuteActivity(ctx, a.Name, seal(in, s)), asked: ctx, want: want}
}

// Register makes fn answer for the activity. An input that was made for another run, or
// by nobody who has the codec key, is refused and not tried again.
func (a Activity[In, Out]) Register(r worker.ActivityRegistry, fn func(context.Context, In) (Out, error)) {
	r.RegisterActivityWithOptions(func(ctx context.Context, in sealed[In]) (any, error) {
		failed := a.stamp(failure)
		failed.Answers = in.stamp.Nonce
		if err := a.admit(ctx, in); err != nil {
			activity.GetLogger(ctx).Warn("the step is refused", "error", err)
			failed.Answers = ""
			return nil, sealFailure(EncodeFault(err), failed)
		}
		out, err := fn(ctx, in.body)
		switch {
		case in.form == unsealed:
			return out, err
		case err != nil:
			return nil, sealFailure(err, failed)
		}
		return answerTo(in, out, a.stamp(result)), nil
	}, activity.RegisterOptions{Name: a.Name})
}

func (a Activity[In, Out]) admit(ctx context.Context, in sealed[In]) error {
	if err := in.check(a.stamp(input)); err != nil || in.form != sealedAs {
		return err
	}
	if run := activity.GetInfo(ctx).WorkflowExecution.RunID; in.stamp.Run != run {
		return fault.Newf(fault.PayloadRefused, "%s was created for run %s, and this is run %s", a.stamp(input), in.stamp.Run, run)
	}
	return nil
}

// Future is the typed result of something that was started.
type Future[Out any] struct {
	workflow.Future
	asked workflow.Context // nil when nothing is sealed
	want  stamp
}

// Get waits for the result.
func (f Future[Out]) Get(ctx workflow.Context) (Out, error) {
	var out sealed[Out]
	err := f.Future.Get(ctx, &out)
	switch {
	case f.asked == nil:
		return out.body, err
	case err != nil:
		var none Out
		return none, f.failed(err)
	case out.form == unsealed:
		return out.body, nil
	}
	if err := out.checkAnswer(f.want); err != nil {
		var none Out
		return none, err
	}
	return out.body, nil
}

// failed returns what is to be believed of a failure. Whoever completes an activity can
// say that it was cancelled, or that nobody took it up; the run knows better.
func (f Future[Out]) failed(err error) error {
	var (
		canceled *temporal.CanceledError
		timeout  *temporal.TimeoutError
		step     *temporal.ActivityError
	)
	if errors.As(err, &canceled) && f.asked.Err() == nil {
		return fault.Newf(fault.PayloadRefused, "%s %s was reported as cancelled, and no cancellation was requested", f.want.Kind, f.want.Name)
	}
	if errors.As(err, &timeout) && timeout.TimeoutType() == enumspb.TIMEOUT_TYPE_SCHEDULE_TO_START &&
		errors.As(err, &step) && step.StartedEventID() != 0 {
		return fault.Newf(fault.PayloadRefused, "%s %s was reported as not taken up, by a worker that took it up", f.want.Kind, f.want.Name)
	}
	want := f.want
	want.Way = failure
	return believed(err, want, func(s stamp) bool { return s.Answers == want.Answers })
}

// Workflow is a workflow that takes In and returns Out.
type Workflow[In, Out any] struct{ Name string }

func (w Workflow[In, Out]) stamp(to way) stamp {
	return stamp{Kind: KindWorkflow, Name: w.Name, Way: to}
}

// Start starts a run, and gives it the go-ahead. With options that join a run which is
// there already, that run goes on with its own input.
func (w Workflow[In, Out]) Start(ctx context.Context, c client.Client, options client.StartWorkflowOptions, in In) (Run[Out], error) {
	nonce, err := newNonce()
	if err != nil {
		return Run[Out]{}, err
	}
	s := w.stamp(input)
	s.Nonce = nonce
	run, err := c.ExecuteWorkflow(ctx, options, w.Name, seal(tidy(in), s))
	if err != nil {
		return Run[Out]{}, err
	}
	return Run[Out]{run, w.stamp(result)}, goAhead(ctx, c, run, nonce)
}

// Attach follows the newest run of a workflow ID, or the given one.
func (w Workflow[In, Out]) Attach(ctx context.Context, c client.Client, workflowID, runID string) Run[Out] {
	return Run[Out]{c.GetWorkflow(ctx, workflowID, runID), w.stamp(result)}
}

// ContinueAsNew is the error with which a run hands over to its successor, which takes
// nothing from any other.
func (w Workflow[In, Out]) ContinueAsNew(ctx workflow.Context, in In) error {
	run := courseOf(ctx)
	if run == nil || run.form == unsealed {
		return workflow.NewContinueAsNewError(ctx, w.Name, in)
	}
	s := w.stamp(input)
	s.After = workflow.GetInfo(ctx).WorkflowExecution.RunID
	return workflow.NewContinueAsNewError(ctx, w.Name, seal(in, s))
}

// Run is the typed handle of a started workflow.
type Run[Out any] struct {
	client.WorkflowRun
	want stamp
}

// Get waits for the result. What the run itself has not sealed is refused.
func (r Run[Out]) Get(ctx context.Context) (Out, error) {
	var none Out
	var out sealed[Out]
	err := r.WorkflowRun.Get(ctx, &out)
	run := r.GetRunID() // of the last run, when others went on as new
	if err != nil {
		want := r.want
		want.Way = failure
		return none, believed(err, want, func(s stamp) bool { return s.Run == run })
	}
	if err := out.check(r.want); err != nil {
		return none, err
	}
	if out.form == sealedAs && out.stamp.Run != run {
		return none, fault.Newf(fault.PayloadRefused, "%s belongs to run %s, not to %s", r.want, out.stamp.Run, run)
	}
	return out.body, nil
}
