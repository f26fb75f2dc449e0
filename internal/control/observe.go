package control

import (
	"context"
	"time"

	"infrabackup/internal/control/operation"
	"infrabackup/internal/flow"
)

// observerKey finds the observer in a context.
type observerKey struct{}

// WithObserver makes what waits for a workflow under the context call see about once a
// second with how far it is. See may be called while the wait ends, and after it.
func WithObserver(ctx context.Context, see func(flow.ServiceProgress)) context.Context {
	return context.WithValue(ctx, observerKey{}, see)
}

// observe calls see about once a second with what the running activity of a workflow
// reports of itself, until ctx ends. What cannot be asked is not shown: the result is
// waited for elsewhere.
func (c *Controller) observe(ctx context.Context, of watchedRun, see func(flow.ServiceProgress)) {
	everySecond(ctx, func() {
		d, err := c.client.DescribeWorkflowExecution(ctx, of.id, of.runID)
		if err != nil {
			return
		}
		for _, activity := range d.GetPendingActivities() {
			p := flow.Progress{Services: make([]flow.ServiceProgress, 1)}
			if operation.Merge(&p, c.pending(d.GetWorkflowExecutionInfo()), activity); p.Services[0].Phase != "" {
				see(p.Services[0])
			}
		}
	})
}

// everySecond calls look about once a second, until ctx ends.
func everySecond(ctx context.Context, look func()) {
	ticker := time.NewTicker(watchInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			look()
		}
	}
}
