package control

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"infrabackup/internal/backup"
	"infrabackup/internal/control/runs"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
)

// maxResponseTime is how long a worker may take to answer a query or an update, or to take
// up a step, before somebody is told that none does. It is above the ten seconds after
// which Temporal gives a step that a dead worker had reserved to another one.
const maxResponseTime = 15 * time.Second

// maxStrangerText bounds what is shown of a text that anybody may have written.
const maxStrangerText = 300

// graceTime is how long nobody may poll before that is believed.
const graceTime = 3 * time.Second

// Controller controls one instance. It may be used concurrently.
type Controller struct {
	client          client.Client
	converter       converter.DataConverter
	namespace       string
	instance        string
	responseTimeout time.Duration // maxResponseTime, less in tests
	grace           time.Duration // graceTime, less in tests
}

// New makes a controller. Converter is the one that the client uses; namespace is the
// client's.
func New(c client.Client, conv converter.DataConverter, namespace, instance string) *Controller {
	return &Controller{client: c, converter: conv, namespace: namespace, instance: instance, responseTimeout: maxResponseTime, grace: graceTime}
}

// Runs reads what Temporal keeps of the instance's runs.
func (c *Controller) Runs() *runs.Reader {
	return &runs.Reader{Client: c.client, Namespace: c.namespace, Queue: flow.Queue(c.instance), Fault: c.fault}
}

// Instance is the name of the instance.
func (c *Controller) Instance() string { return c.instance }

// options are those of a workflow that must not run twice at once.
func (c *Controller) options(id string) client.StartWorkflowOptions {
	return client.StartWorkflowOptions{ID: id, TaskQueue: flow.Queue(c.instance), WorkflowExecutionErrorWhenAlreadyStarted: true}
}

// ready reports NO_WORKER when nobody polls the instance's queue, so that callers do
// not wait for an answer that cannot come. A worker that is just being started gets a
// moment. Temporal remembers a worker for some minutes after it has died; what waits for
// an answer is bounded besides.
func (c *Controller) ready(ctx context.Context) error {
	return c.polled(ctx, flow.Queue(c.instance), enumspb.TASK_QUEUE_TYPE_WORKFLOW)
}

// polled is [Controller.ready] for any queue.
func (c *Controller) polled(ctx context.Context, queue string, kind enumspb.TaskQueueType) error {
	bounded, cancel := context.WithTimeout(ctx, c.responseTimeout)
	defer cancel()
	ticker := time.NewTicker(c.grace / looks)
	defer ticker.Stop()
	for look := 0; ; look++ {
		answer, err := c.client.DescribeTaskQueue(bounded, queue, kind)
		switch {
		case err != nil && bounded.Err() != nil && ctx.Err() == nil:
			return c.silent()
		case err != nil:
			return c.fault(err)
		case len(answer.GetPollers()) > 0:
			return nil
		case look == looks:
			return fault.Newf(fault.NoWorker, "no worker polls %s", queue)
		}
		select {
		case <-ctx.Done():
			return c.fault(ctx.Err())
		case <-ticker.C:
		}
	}
}

func (c *Controller) silent() error {
	return fault.Newf(fault.TemporalUnreachable, "Temporal does not answer any more")
}

// polls is how often, within its timeout, a question is asked again that came too
// early.
const polls = 50

// answered bounds a question to a worker.
func answered[T any](ctx context.Context, c *Controller, ask func(context.Context) (T, error)) (T, error) {
	bounded, cancel := context.WithTimeout(ctx, c.responseTimeout)
	defer cancel()
	out, err := ask(bounded)
	// A run whose first step is not done yet, or has to be done again, is not ready.
	// That passes within moments when there is a worker.
	for early := (*serviceerror.WorkflowNotReady)(nil); errors.As(err, &early) && bounded.Err() == nil; {
		select {
		case <-bounded.Done():
		case <-time.After(c.responseTimeout / polls):
			out, err = ask(bounded)
		}
	}
	var late *serviceerror.DeadlineExceeded
	if err != nil && ctx.Err() == nil && (bounded.Err() != nil || errors.As(err, &late)) {
		return out, fault.Newf(fault.NoWorker, "no worker of instance %s answered within %s", c.instance, c.responseTimeout)
	}
	return out, err
}

// runFault is [Controller.fault] for questions about a backup's run.
func (c *Controller) runFault(err error) error {
	var missing *serviceerror.NotFound
	if errors.As(err, &missing) {
		return fault.Newf(fault.BackupNotFound, "no such backup of instance %s runs", c.instance)
	}
	return c.fault(err)
}

// fault gives errors of the Temporal client their codes.
func (c *Controller) fault(err error) error {
	if err == nil {
		return nil
	}
	if f, ok := fault.Of(err); ok {
		return f
	}
	var (
		unavailable *serviceerror.Unavailable
		denied      *serviceerror.PermissionDenied
		namespace   *serviceerror.NamespaceNotFound
		missing     *serviceerror.NotFound
		deadline    *serviceerror.DeadlineExceeded
		failed      *serviceerror.QueryFailed
		busy        *serviceerror.ResourceExhausted
		cancelled   *serviceerror.Canceled
		early       *serviceerror.WorkflowNotReady
		unpolled    *serviceerror.FailedPrecondition
		terminated  *temporal.TerminatedError
	)
	switch {
	case errors.Is(err, context.Canceled), errors.As(err, &cancelled):
		return fault.New(fault.Cancelled, "the command was interrupted", nil)
	case errors.As(err, &terminated):
		return fault.New(fault.Cancelled, "the run was terminated", nil)
	case errors.As(err, &early):
		return fault.New(fault.NoWorker, "no worker has taken up the run yet", nil)
	case errors.As(err, &unpolled) && strings.Contains(unpolled.Message, "no poller"):
		return fault.Newf(fault.NoWorker, "no worker of instance %s was there of late", c.instance)
	case errors.As(err, &busy):
		return fault.New(fault.TemporalUnreachable, "Temporal is overloaded", err)
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &deadline):
		return fault.New(fault.NoWorker, "there was no answer in time", err)
	case errors.As(err, &unavailable):
		return fault.New(fault.TemporalUnreachable, "Temporal does not answer", err)
	case errors.As(err, &denied):
		return fault.New(fault.TemporalUnreachable, "Temporal refused this client", err)
	case errors.As(err, &namespace):
		return fault.New(fault.TemporalUnreachable, "namespace "+c.namespace+" does not exist", err)
	case errors.As(err, &missing):
		return fault.Newf(fault.NotEnabled, "nothing is known about instance %s", c.instance)
	case errors.As(err, &failed):
		// What it says is in clear, so anybody may have said it.
		return fault.New(fault.Internal, "a question to the worker failed", errors.New(backup.Printable(failed.Message, maxStrangerText)))
	}
	return flow.DecodeFault(err)
}

// running turns a refused start into BACKUP_RUNNING or CHANGE_RUNNING with what is
// known of the run that is in the way.
func (c *Controller) running(ctx context.Context, err error, code fault.Code, what, id string) error {
	var started *serviceerror.WorkflowExecutionAlreadyStarted
	if !errors.As(err, &started) {
		return c.fault(err)
	}
	run := "run " + started.RunId
	if code == fault.BackupRunning {
		run = c.runningBackup(ctx, started.RunId)
	}
	text := fmt.Sprintf("%s of instance %s runs already: %s", what, c.instance, run)
	if d, err := c.client.DescribeWorkflowExecution(ctx, id, started.RunId); err == nil {
		text += ", started at " + d.GetWorkflowExecutionInfo().GetStartTime().AsTime().UTC().Format(time.RFC3339)
	}
	return fault.New(code, text, nil)
}
