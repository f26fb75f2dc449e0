package main

import (
	"context"
	"sync"

	"go.temporal.io/sdk/interceptor"

	"infrabackup/activities"
)

// ending ends the contexts of running activities when over does, and leaves the
// SDK's own context alone, with which it reports their results. Cancelling
// worker.Options.BackgroundActivityContext instead would also end that report:
// the failure would reach Temporal as a bare "context canceled", without the
// delay and the code that the activity gave it.
type ending struct {
	interceptor.WorkerInterceptorBase
	over    context.Context
	running sync.WaitGroup
}

// InterceptActivity implements [interceptor.WorkerInterceptor].
func (e *ending) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	inbound := &endingActivity{ending: e}
	inbound.Next = next
	return inbound
}

type endingActivity struct {
	interceptor.ActivityInboundInterceptorBase
	ending *ending
}

// ExecuteActivity implements [interceptor.ActivityInboundInterceptor].
func (e *endingActivity) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	e.ending.running.Add(1)
	defer e.ending.running.Done()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(e.ending.over, func() { cancel(activities.ErrStopping) })()
	return e.Next.ExecuteActivity(ctx, in)
}
