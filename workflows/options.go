package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// parallelServices is how many services a run works on at once. Two keep source,
// disk and network busy together; each costs the worker buffers of its own.
const parallelServices = 2

// maxCaptures bounds how often a service is captured again because the host that
// held it did not come back.
const maxCaptures = 5

// heartbeatTimeout is after how long a silent activity counts as dead together
// with its worker, and is tried again. Activities report every five seconds, and
// Temporal may take as long to answer.
const heartbeatTimeout = 20 * time.Second

// targetWait is how long a restore waits for a worker that may write to its target, such as
// for one that is being restarted.
const targetWait = 5 * time.Minute

// planWait is the same for a plan, for which its caller waits.
const planWait = 40 * time.Second

// transientRetry is a retry policy for faults that pass by themselves, such as a file
// server's restart or a worker's crash: about 45 minutes in all.
func transientRetry() *temporal.RetryPolicy {
	return &temporal.RetryPolicy{
		InitialInterval:    2 * time.Second,
		BackoffCoefficient: 2,
		MaximumInterval:    time.Minute,
		MaximumAttempts:    50,
	}
}

// probing is for checks whose caller waits for the answer: a short time, and few
// tries, so that a wrong value is reported and not tried again and again.
func probing(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		ScheduleToCloseTimeout: 3 * time.Minute,
		StartToCloseTimeout:    90 * time.Second,
		HeartbeatTimeout:       heartbeatTimeout,
		Summary:                summary,
		RetryPolicy: &temporal.RetryPolicy{
			InitialInterval: time.Second, BackoffCoefficient: 2, MaximumAttempts: 2,
		},
	})
}

// preparing is for the quick steps before and after the long ones.
func preparing(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: 5 * time.Minute,
		HeartbeatTimeout:    heartbeatTimeout,
		Summary:             summary,
		RetryPolicy:         transientRetry(),
	})
}

// streaming is for steps that move all the data of a service and report progress. A
// source that allows so many requests in a window makes a capture last for days; that
// it goes on is what heartbeats tell.
func streaming(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: 7 * 24 * time.Hour,
		HeartbeatTimeout:    heartbeatTimeout,
		WaitForCancellation: true,
		Summary:             summary,
		RetryPolicy:         transientRetry(),
	})
}

// onHost is [streaming] for work that only one host can do: when nobody takes it up
// within wait, it fails instead of waiting on.
func onHost(ctx workflow.Context, queue string, wait time.Duration, summary string) workflow.Context {
	ctx = streaming(ctx, summary)
	ctx = workflow.WithTaskQueue(ctx, queue)
	return workflow.WithScheduleToStartTimeout(ctx, wait)
}

// tidying is for cleaning up after a run, which must not keep the run from ending.
func tidying(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		ScheduleToStartTimeout: time.Minute,
		ScheduleToCloseTimeout: 15 * time.Minute,
		StartToCloseTimeout:    5 * time.Minute,
		HeartbeatTimeout:       heartbeatTimeout,
		Summary:                summary,
		RetryPolicy: &temporal.RetryPolicy{
			InitialInterval: 2 * time.Second, BackoffCoefficient: 2, MaximumInterval: time.Minute, MaximumAttempts: 20,
		},
	})
}

// tidyingShortly is [tidying] where next to nothing can have been left, and a person waits for the end.
func tidyingShortly(ctx workflow.Context, summary string) workflow.Context {
	ctx = workflow.WithScheduleToCloseTimeout(tidying(ctx, summary), time.Minute)
	return workflow.WithRetryPolicy(ctx, temporal.RetryPolicy{InitialInterval: 2 * time.Second, BackoffCoefficient: 2, MaximumAttempts: 3})
}

// shortRead is for reading the share for a caller who waits.
func shortRead(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		ScheduleToCloseTimeout: 10 * time.Minute,
		StartToCloseTimeout:    5 * time.Minute,
		HeartbeatTimeout:       heartbeatTimeout,
		Summary:                summary,
		RetryPolicy: &temporal.RetryPolicy{
			InitialInterval: time.Second, BackoffCoefficient: 2, MaximumAttempts: 3,
		},
	})
}

// asking is for a question to the settings entity in the course of a run.
func asking(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		ScheduleToCloseTimeout: 5 * time.Minute,
		StartToCloseTimeout:    time.Minute,
		HeartbeatTimeout:       heartbeatTimeout,
		Summary:                summary,
		RetryPolicy: &temporal.RetryPolicy{
			InitialInterval: 2 * time.Second, BackoffCoefficient: 2, MaximumInterval: 30 * time.Second, MaximumAttempts: 10,
		},
	})
}
