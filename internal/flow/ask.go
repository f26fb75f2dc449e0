package flow

import (
	"context"
	"errors"
	"slices"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/workflow"

	"infrabackup/internal/backup"
	"infrabackup/internal/codec"
	"infrabackup/internal/fault"
)

const (
	// freshFor is how old an update may be when it arrives, and how far the clocks of
	// sender and Temporal may be apart. Within a run an update counts once anyhow; this
	// is for one that was refused, and that somebody sends again when the reason is gone.
	freshFor = 15 * time.Minute
	// rounds bounds how often a question is put again because the run that it was made
	// for has handed over to the next one meanwhile.
	rounds = 3
)

// Query is a read of a workflow's state.
type Query[In, Out any] struct{ Name string }

func (q Query[In, Out]) stamp(w way) stamp { return stamp{Kind: KindQuery, Name: q.Name, Way: w} }

// Handle makes fn answer for the query.
func (q Query[In, Out]) Handle(ctx workflow.Context, fn func(In) (Out, error)) error {
	info := workflow.GetInfo(ctx)
	return workflow.SetQueryHandlerWithOptions(ctx, q.Name, func(in sealed[In]) (any, error) {
		failed, done := q.stamp(failure), q.stamp(result)
		done.Run = info.WorkflowExecution.RunID
		if err := fresh(in, q.stamp(input), info); err != nil {
			return nil, sealFailure(EncodeFault(err), failed)
		}
		failed.Answers = in.stamp.Nonce
		out, err := fn(in.body)
		switch {
		case in.form == unsealed:
			return out, err
		case err != nil:
			return nil, sealFailure(err, failed)
		}
		return answerTo(in, out, done), nil
	}, workflow.QueryHandlerOptions{})
}

// fresh reports why a message to a run must not be answered.
func fresh[In any](in sealed[In], want stamp, info *workflow.Info) error {
	if in.form == outdated { // what a run is told now has the form of now
		return fault.Newf(fault.PayloadOutdated, "%s has the form of an earlier version", want)
	}
	if err := in.check(want); err != nil || in.form != sealedAs {
		return err
	}
	// The one from before a reset, too: what was accepted then is replayed here.
	if run := info.WorkflowExecution.RunID; in.stamp.Run != run && in.stamp.Run != originalRun(info) {
		return fault.Newf(fault.PayloadRefused, "%s was created for run %s, and this is run %s", want, in.stamp.Run, run)
	}
	return nil
}

// Ask sends the query to the run of a workflow ID that goes on. A [ClosedError] when the
// newest has ended: Temporal would let a worker answer from the state at its end.
func (q Query[In, Out]) Ask(ctx context.Context, c client.Client, workflowID string, in In) (Out, error) {
	return again(ctx, c, workflowID, "", true, func(run string) (Out, error) { return q.once(ctx, c, workflowID, "", run, in) })
}

// AskRun sends the query to one run, whether it goes on or has ended; empty is the newest.
func (q Query[In, Out]) AskRun(ctx context.Context, c client.Client, workflowID, runID string, in In) (Out, error) {
	return again(ctx, c, workflowID, runID, false, func(run string) (Out, error) { return q.once(ctx, c, workflowID, runID, run, in) })
}

func (q Query[In, Out]) once(ctx context.Context, c client.Client, workflowID, runID, run string, in In) (Out, error) {
	var none Out
	nonce, err := newNonce()
	if err != nil {
		return none, err
	}
	s := q.stamp(input)
	s.Run, s.Nonce = run, nonce
	value, err := c.QueryWorkflow(ctx, workflowID, runID, q.Name, seal(tidy(in), s))
	if err != nil {
		err = outdatedRun(ctx, c, workflowID, run, err)
		return none, believed(err, q.stamp(failure), func(s stamp) bool { return s.Answers == nonce })
	}
	var out sealed[Out]
	if err := value.Get(&out); err != nil {
		return none, fault.New(fault.PayloadRefused, q.stamp(result).String()+" cannot be read", err)
	}
	want := q.stamp(result)
	want.Answers = nonce
	if err := errors.Join(out.checkAnswer(want), out.ofRun(run, want)); err != nil {
		return none, err
	}
	return out.body, nil
}

// again puts a question to the run that is there, and once more when that has handed
// over to another one meanwhile, which refuses what was not made for it. With open, a run
// that has ended is not asked.
func again[Out any](ctx context.Context, c client.Client, workflowID, runID string, open bool, put func(run string) (Out, error)) (Out, error) {
	var none Out
	run, err := runOf(ctx, c, workflowID, runID, open)
	for round := 1; err == nil; round++ {
		out, putErr := put(run)
		if fault.CodeOf(putErr) != fault.PayloadRefused || round == rounds {
			return out, putErr
		}
		before := run
		if run, err = runOf(ctx, c, workflowID, runID, open); err == nil && run == before {
			return out, putErr
		}
	}
	return none, err
}

// runOf returns the run that messages to a workflow have to be made for.
// PAYLOAD_REFUSED when a workflow that is none of this product's runs under the ID.
// With open, a [ClosedError] when the run has ended.
func runOf(ctx context.Context, c client.Client, workflowID, runID string, open bool) (string, error) {
	d, err := c.DescribeWorkflowExecution(ctx, workflowID, runID)
	if err != nil {
		return "", err
	}
	info := d.GetWorkflowExecutionInfo()
	if name := info.GetType().GetName(); !isWorkflow(name) {
		return "", fault.Newf(fault.PayloadRefused, "%s is a workflow of the type %q, which this product does not have",
			workflowID, backup.Printable(name, maxShownName))
	}
	if status := info.GetStatus(); open && status != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
		return "", &ClosedError{workflowID, status}
	}
	return info.GetExecution().GetRunId(), nil
}

// maxShownName bounds what is shown of a name that a stranger gave.
const maxShownName = 80

// outdatedRun returns PAYLOAD_OUTDATED for a run that an earlier version has begun, and
// that therefore does not answer; else err.
func outdatedRun(ctx context.Context, c client.Client, workflowID, runID string, err error) error {
	var failed *serviceerror.QueryFailed
	if !errors.As(err, &failed) {
		return err
	}
	is, historyErr := IsOutdated(ctx, c, workflowID, runID)
	switch {
	case historyErr != nil:
		return errors.Join(err, historyErr)
	case is:
		return fault.Newf(fault.PayloadOutdated, "%s was written by an earlier version", workflowID)
	}
	return err
}

// IsOutdated reports whether a run has an input of the form before payloads had a place.
func IsOutdated(ctx context.Context, c client.Client, workflowID, runID string) (bool, error) {
	events := c.GetWorkflowHistory(ctx, workflowID, runID, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	if !events.HasNext() {
		return false, nil
	}
	first, err := events.Next()
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(first.GetWorkflowExecutionStartedEventAttributes().GetInput().GetPayloads(), codec.Outdated), nil
}

// Update is a validated change of a workflow's state.
type Update[In, Out any] struct{ Name string }

func (u Update[In, Out]) stamp(w way) stamp { return stamp{Kind: KindUpdate, Name: u.Name, Way: w} }

// Handle makes fn answer for the update, after validate has accepted it. Validate must not
// change anything, and is asked twice: when the update arrives, and before it is done, since
// whoever answers in a worker's place can accept what no worker has looked at. An update
// counts for the run that it was made for, and once: its nonce is the ID under which
// Temporal knows it.
func (u Update[In, Out]) Handle(ctx workflow.Context, validate func(In) error, fn func(workflow.Context, In) (Out, error)) error {
	return workflow.SetUpdateHandlerWithOptions(ctx, u.Name, func(ctx workflow.Context, in sealed[In]) (any, error) {
		if in.form != outdated {
			if err := u.accept(ctx, in, validate); err != nil {
				return nil, err
			}
		}
		failed, done := u.stamp(failure), u.stamp(result)
		failed.Answers, done.Run = in.stamp.Nonce, workflow.GetInfo(ctx).WorkflowExecution.RunID
		out, err := fn(ctx, in.body)
		switch {
		case in.form == unsealed:
			return out, err
		case err != nil:
			return nil, sealFailure(err, failed)
		}
		return answerTo(in, out, done), nil
	}, workflow.UpdateHandlerOptions{
		Validator: func(ctx workflow.Context, in sealed[In]) error { return u.accept(ctx, in, validate) },
	})
}

// accept returns why an update is not to be done, in the form in which its sender is told.
// A later version may refuse more than this one only behind a version of the workflow.
func (u Update[In, Out]) accept(ctx workflow.Context, in sealed[In], validate func(In) error) error {
	failed := u.stamp(failure)
	err := u.valid(ctx, in)
	if err == nil {
		err = u.timely(ctx, in)
	}
	if err != nil {
		workflow.GetLogger(ctx).Warn("the update is refused", "update", u.Name, "error", err)
		return sealFailure(EncodeFault(err), failed)
	}
	failed.Answers = in.stamp.Nonce
	err = validate(in.body)
	if in.form == unsealed {
		return err
	}
	return sealFailure(err, failed)
}

// timely reports why an update comes too late, or says what it must not.
func (u Update[In, Out]) timely(ctx workflow.Context, in sealed[In]) error {
	if now := workflow.Now(ctx); in.form == sealedAs && now.Sub(in.stamp.At).Abs() > freshFor {
		return fault.Newf(fault.PayloadRefused, "%s was created at %s, and Temporal's clock shows %s: are the clocks right?",
			u.stamp(input), in.stamp.At.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	return untidy(in.body)
}

// valid reports why an update was not made for this run, or was sent under another ID.
func (u Update[In, Out]) valid(ctx workflow.Context, in sealed[In]) error {
	if err := fresh(in, u.stamp(input), workflow.GetInfo(ctx)); err != nil || in.form != sealedAs {
		return err
	}
	if now := workflow.GetCurrentUpdateInfo(ctx); now == nil || now.ID != in.stamp.Nonce {
		return fault.Newf(fault.PayloadRefused, "%s was sent a second time", u.stamp(input))
	}
	return nil
}

// Send sends the update and waits until it is done.
func (u Update[In, Out]) Send(ctx context.Context, c client.Client, workflowID string, in In) (Out, error) {
	return again(ctx, c, workflowID, "", true, func(run string) (Out, error) { return u.once(ctx, c, workflowID, run, in) })
}

func (u Update[In, Out]) once(ctx context.Context, c client.Client, workflowID, run string, in In) (Out, error) {
	var none Out
	nonce, err := newNonce()
	if err != nil {
		return none, err
	}
	s := u.stamp(input)
	s.Run, s.Nonce, s.At = run, nonce, time.Now()
	var out sealed[Out]
	handle, err := c.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: workflowID, UpdateID: nonce, UpdateName: u.Name, Args: []any{seal(tidy(in), s)},
		WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err == nil {
		err = handle.Get(ctx, &out)
	}
	if err != nil {
		return none, believed(err, u.stamp(failure), func(s stamp) bool { return s.Answers == nonce })
	}
	want := u.stamp(result)
	want.Answers = nonce
	if err := errors.Join(out.checkAnswer(want), out.ofRun(run, want)); err != nil {
		return none, err
	}
	return out.body, nil
}
