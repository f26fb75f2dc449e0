package flow

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"infrabackup/internal/codec"
	"infrabackup/internal/fault"
)

// Begin gives a run that a client has started the go-ahead. Only the client that made
// the input knows the run that Temporal has made of it, so an input that somebody sends
// a second time begins nothing.
var Begin = Signal[struct{}]{"begin"}

// beginTime is how long a run waits for its go-ahead, which its client sends at once.
const beginTime = 15 * time.Second

// finishTime bounds how long what was begun may take to be finished.
const finishTime = 10 * time.Second

// Finishing is a context in which what was begun is finished, also when its caller has gone.
func Finishing(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), finishTime)
}

// Signal is a message to a run, without an answer.
type Signal[In any] struct{ Name string }

func (s Signal[In]) stamp() stamp { return stamp{Kind: KindSignal, Name: s.Name, Way: input} }

// send sends the signal to one run, about the question that nonce names.
func (s Signal[In]) send(ctx context.Context, c client.Client, workflowID, runID, nonce string, in In) error {
	st := s.stamp()
	st.Run, st.Answers = runID, nonce
	return c.SignalWorkflow(ctx, workflowID, runID, s.Name, seal(in, st))
}

// goAhead sends a run its go-ahead. One that has ended meanwhile tells by its result why.
// A caller that goes away in between does not leave a run behind that is refused.
func goAhead(ctx context.Context, c client.Client, run client.WorkflowRun, nonce string) error {
	ctx, cancel := Finishing(ctx)
	defer cancel()
	err := Begin.send(ctx, c, run.GetID(), run.GetRunID(), nonce, struct{}{})
	var ended *serviceerror.NotFound
	if err != nil && !errors.As(err, &ended) {
		return fmt.Errorf("give run %s the go-ahead: %w", run.GetRunID(), err)
	}
	return nil
}

// course is what a run knows of itself, for what it asks of activities.
type course struct {
	form  form
	run   string
	asked int64
}

type courseKey struct{}

// nonce names the next question of a run, the same in every replay.
func (c *course) nonce() string {
	c.asked++
	return fmt.Sprintf("%s/%d", c.run, c.asked)
}

// courseOf returns nil in a workflow function that was called without its handle.
func courseOf(ctx workflow.Context) *course {
	c, _ := ctx.Value(courseKey{}).(*course)
	return c
}

// originalRun is the run that this one was before it was reset, itself when it never
// was. It is the same in every replay.
func originalRun(info *workflow.Info) string {
	return cmp.Or(info.OriginalRunID, info.WorkflowExecution.RunID)
}

// WasReset reports whether a run goes on from the history of another one. Whoever can
// write to the namespace can make that happen.
func WasReset(ctx workflow.Context) bool {
	info := workflow.GetInfo(ctx)
	return originalRun(info) != info.WorkflowExecution.RunID
}

// admit decides whether a run may do what its input says.
func (w Workflow[In, Out]) admit(ctx workflow.Context, in sealed[In]) (workflow.Context, error) {
	info := workflow.GetInfo(ctx)
	ctx = workflow.WithValue(ctx, courseKey{}, &course{form: in.form, run: originalRun(info)})
	err := in.check(w.stamp(input))
	if err == nil {
		err = untidy(in.body)
	}
	if err == nil && in.form == sealedAs {
		err = w.authorized(ctx, info, in.stamp)
	}
	if err != nil {
		workflow.GetLogger(ctx).Warn("the run is refused", "error", err)
	}
	if err != nil && w.Name == settingsWorkflow && mayBeRead(ctx, in.err) {
		// Ending the run would lose the settings. Temporal gives the task to the next worker.
		panic(err)
	}
	return ctx, err
}

// mayBeRead reports whether an input that was refused can be one that another worker takes:
// one with the key, or the one that converts what is of an earlier version.
func mayBeRead(ctx workflow.Context, err error) bool {
	code := fault.CodeOf(err)
	return code == fault.PayloadOutdated || errors.Is(err, codec.ErrUnknownKey) || code == fault.CodecKey && workflow.IsReplaying(ctx)
}

// settingsWorkflow is the type of the one run that outlives an upgrade.
const settingsWorkflow = "SettingsWorkflow"

// authorized reports why a run with a well-formed input must not go on.
func (w Workflow[In, Out]) authorized(ctx workflow.Context, info *workflow.Info, s stamp) error {
	id := info.WorkflowExecution.ID
	if queue := Queue(instanceOf(id)); info.TaskQueueName != queue {
		return fault.Newf(fault.PayloadRefused, "workflow %s was started on the queue %s, not on %s", id, info.TaskQueueName, queue)
	}
	if s.After != "" {
		if s.After != info.ContinuedExecutionRunID {
			return fault.Newf(fault.PayloadRefused, "the input goes on from run %s, and this run does not", s.After)
		}
		return nil
	}
	signals := workflow.GetSignalChannel(ctx, Begin.Name)
	begun := func() bool {
		for {
			var signal sealed[struct{}]
			if !signals.ReceiveAsync(&signal) {
				return false
			}
			if signal.check(Begin.stamp()) == nil && signal.stamp.Run == originalRun(info) && signal.stamp.Answers == s.Nonce {
				return true
			}
		}
	}
	if begun() {
		return nil
	}
	ok, err := workflow.AwaitWithTimeout(ctx, beginTime, begun)
	if err == nil && !ok {
		err = fault.Newf(fault.PayloadRefused, "the input was not created for this run: its sender did not begin the run")
	}
	return err
}

// Register makes fn answer for the workflow.
func (w Workflow[In, Out]) Register(r worker.WorkflowRegistry, fn func(workflow.Context, In) (Out, error)) {
	r.RegisterWorkflowWithOptions(func(ctx workflow.Context, in sealed[In]) (any, error) {
		info := workflow.GetInfo(ctx)
		failed, done := w.stamp(failure), w.stamp(result)
		failed.Run, done.Run = info.WorkflowExecution.RunID, info.WorkflowExecution.RunID
		failed.Answers = in.stamp.Nonce
		ctx, err := w.admit(ctx, in)
		if err != nil {
			return nil, sealFailure(err, failed)
		}
		out, err := fn(ctx, in.body)
		if err == nil && in.form == sealedAs && WasReset(ctx) {
			err = fault.Newf(fault.PayloadRefused, "the run was reset: its input and its results were those of run %s", originalRun(info))
		}
		if err != nil && in.form != unsealed {
			err = sealFailure(err, failed)
		}
		if err != nil {
			return nil, err
		}
		return answerTo(in, out, done), nil
	}, workflow.RegisterOptions{Name: w.Name})
}
