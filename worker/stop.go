package main

import (
	"context"

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
	over context.Context
}

// InterceptActivity implements [interceptor.WorkerInterceptor].
func (e *ending) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	inbound := &endingActivity{over: e.over}
	inbound.Next = next
	return inbound
}

type endingActivity struct {
	interceptor.ActivityInboundInterceptorBase
	over context.Context
}

// ExecuteActivity implements [interceptor.ActivityInboundInterceptor].
func (e *endingActivity) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(e.over, func() { cancel(activities.ErrStopping) })()
	return e.Next.ExecuteActivity(ctx, in)
}
