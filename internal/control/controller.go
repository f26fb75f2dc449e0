package control

import (
	"context"
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
)

// answerTime is how long a worker may take to answer a query or an update before
// somebody is told that none does.
const answerTime = 15 * time.Second

// Controller controls one instance. It may be used concurrently.
type Controller struct {
	client    client.Client
	converter converter.DataConverter
	namespace string
	instance  string
}

// New makes a controller. Converter is the one that the client uses; namespace is the
// client's.
func New(c client.Client, conv converter.DataConverter, namespace, instance string) *Controller {
	return &Controller{client: c, converter: conv, namespace: namespace, instance: instance}
}

// Instance is the name of the instance.
func (c *Controller) Instance() string { return c.instance }

// options are those of a workflow that must not run twice at once.
func (c *Controller) options(id string) client.StartWorkflowOptions {
	return client.StartWorkflowOptions{
		ID: id, TaskQueue: flow.Queue(c.instance), WorkflowExecutionErrorWhenAlreadyStarted: true,
	}
}

// ready reports NO_WORKER when nobody polls the instance's queue, so that callers do
// not wait for an answer that cannot come.
func (c *Controller) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	queue := flow.Queue(c.instance)
	answer, err := c.client.DescribeTaskQueue(ctx, queue, enumspb.TASK_QUEUE_TYPE_WORKFLOW)
	if err != nil {
		return c.fault(err)
	}
	const fresh = 5 * time.Minute // Temporal remembers pollers for as long
	for _, poller := range answer.GetPollers() {
		if time.Since(poller.GetLastAccessTime().AsTime()) < fresh {
			return nil
		}
	}
	return fault.Newf(fault.NoWorker, "no worker polls %s", queue)
}

// answered bounds a question to a worker.
func answered[T any](ctx context.Context, c *Controller, ask func(context.Context) (T, error)) (T, error) {
	bounded, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	out, err := ask(bounded)
	if err != nil && bounded.Err() != nil && ctx.Err() == nil {
		return out, fault.Newf(fault.NoWorker, "no worker of instance %s answered within %s", c.instance, answerTime)
	}
	return out, err
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
	)
	switch {
	case errors.Is(err, context.Canceled):
		return fault.New(fault.Cancelled, "the command was interrupted", nil)
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &deadline):
		return fault.New(fault.NoWorker, "there was no answer in time", err)
	case errors.As(err, &unavailable):
		return fault.New(fault.TemporalUnreachable, "Temporal does not answer", err)
	case errors.As(err, &denied):
		return fault.New(fault.TemporalUnreachable, "Temporal refused this client", err)
	case errors.As(err, &namespace):
		return fault.New(fault.TemporalUnreachable, "namespace "+c.namespace+" does not exist", err)
	case errors.As(err, &missing):
		return fault.New(fault.NotEnabled, fmt.Sprintf("nothing is known about instance %s", c.instance), err)
	case errors.As(err, &failed):
		return fault.New(fault.Internal, "a question to the worker failed", err)
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
	text := fmt.Sprintf("%s of instance %s runs already: run %s", what, c.instance, started.RunId)
	if d, err := c.client.DescribeWorkflowExecution(ctx, id, started.RunId); err == nil {
		text += ", started at " + d.GetWorkflowExecutionInfo().GetStartTime().AsTime().UTC().Format(time.RFC3339)
	}
	return fault.New(code, text, nil)
}
