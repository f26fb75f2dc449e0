package ring

import (
	"context"
	"errors"
	"slices"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"infrabackup/internal/flow"
	"infrabackup/internal/schedule"
)

const (
	// jitter spreads instances that share a server.
	jitter = 2 * time.Minute
	// catchup is how late Temporal starts what it could not start in time. What was due
	// earlier is found by the next run.
	catchup = 10 * time.Minute
	// runTimeout ends a run of upkeep that does not come to its end, since no other begins
	// while it runs.
	runTimeout = 24 * time.Hour
)

// Set makes sure that Temporal starts upkeep every [flow.UpkeepInterval], at the slots of the
// schedule among others; where there is no grid of slots yet, from now on. It also rings while the
// schedule is paused, since verification goes on then. It may be repeated, and repairs what was
// changed, paused or removed in Temporal. Errors are those of the client.
func Set(ctx context.Context, c client.Client, instance string, state schedule.State, now time.Time) error {
	anchor := state.Anchor
	if anchor.IsZero() {
		anchor = now
	}
	offset := time.Duration(anchor.Unix()) * time.Second % flow.UpkeepInterval
	spec := client.ScheduleSpec{Intervals: []client.ScheduleIntervalSpec{{Every: flow.UpkeepInterval, Offset: offset}}, Jitter: jitter}
	action := &client.ScheduleWorkflowAction{
		ID: flow.UpkeepScheduleID(instance), Workflow: flow.Upkeep.Name, TaskQueue: flow.Queue(instance), WorkflowRunTimeout: runTimeout,
	}
	_, err := c.ScheduleClient().Create(ctx, client.ScheduleOptions{
		ID: flow.UpkeepScheduleID(instance), Spec: spec, Action: action, Overlap: enumspb.SCHEDULE_OVERLAP_POLICY_SKIP, CatchupWindow: catchup,
	})
	if !errors.Is(err, temporal.ErrScheduleAlreadyRunning) {
		return err
	}
	handle := c.ScheduleClient().GetHandle(ctx, flow.UpkeepScheduleID(instance))
	return handle.Update(ctx, client.ScheduleUpdateOptions{DoUpdate: func(client.ScheduleUpdateInput) (*client.ScheduleUpdate, error) {
		return &client.ScheduleUpdate{Schedule: &client.Schedule{
			Spec: &spec, Action: action, State: &client.ScheduleState{},
			Policy: &client.SchedulePolicies{Overlap: enumspb.SCHEDULE_OVERLAP_POLICY_SKIP, CatchupWindow: catchup},
		}}, nil
	}})
}

// Status is what Temporal says of its schedule.
type Status struct {
	Missing    bool   // there is none
	Problem    string // why it does not start upkeep, empty when it does
	Last, Next time.Time
	Ended      []Run // of upkeep that it has started and that do not go on, the newest first
}

// Run is one of upkeep.
type Run struct{ WorkflowID, RunID string }

// Look asks Temporal for its schedule. Errors are those of the client.
func Look(ctx context.Context, c client.Client, instance string) (Status, error) {
	id := flow.UpkeepScheduleID(instance)
	d, err := c.ScheduleClient().GetHandle(ctx, id).Describe(ctx)
	var missing *serviceerror.NotFound
	switch {
	case errors.As(err, &missing):
		return Status{Missing: true, Problem: "Temporal's schedule " + id + " is gone"}, nil
	case err != nil:
		return Status{}, err
	}
	var out Status
	action, ok := d.Schedule.Action.(*client.ScheduleWorkflowAction)
	switch {
	case !ok || action.Workflow != flow.Upkeep.Name || action.TaskQueue != flow.Queue(instance):
		out.Problem = "Temporal's schedule " + id + " was changed, and does not start upkeep"
	case d.Schedule.State != nil && d.Schedule.State.Paused:
		out.Problem = "Temporal's schedule " + id + " was paused in Temporal"
	}
	if n := len(d.Info.RecentActions); n > 0 {
		out.Last = d.Info.RecentActions[n-1].ActualTime.UTC()
	}
	for _, action := range slices.Backward(d.Info.RecentActions) {
		if of := action.StartWorkflowResult; of != nil && !slices.Contains(d.Info.RunningWorkflows, *of) {
			out.Ended = append(out.Ended, Run{of.WorkflowID, of.FirstExecutionRunID})
		}
	}
	if len(d.Info.NextActionTimes) > 0 {
		out.Next = d.Info.NextActionTimes[0].UTC()
	}
	return out, nil
}
