package control

import (
	"context"
	"errors"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	sdk "go.temporal.io/sdk/temporal"

	"infrabackup/internal/flow"
	"infrabackup/internal/schedule"
)

const (
	// ringJitter spreads instances that share a server.
	ringJitter = 2 * time.Minute
	// ringCatchup is how late Temporal starts what it could not start in time. What was due
	// earlier is found by the next run.
	ringCatchup = 10 * time.Minute
	// ringTimeout ends a run of upkeep that does not come to its end, since no other begins
	// while it runs.
	ringTimeout = 24 * time.Hour
)

// ScheduleStatus is the schedule of an instance, and whether it does its work.
type ScheduleStatus struct {
	schedule.State
	Next     time.Time `json:"next,omitzero"` // slot, also while it is off; zero when it was never switched on
	Late     int64     `json:"late"`          // backups that should have been started and were not
	Warnings []string  `json:"warnings"`      // what is recommended and is not so
	// Problem says why Temporal does not ring any more, so that nothing goes on by itself:
	// its schedule was removed, paused or changed. Empty when all is well, and while no
	// schedule was ever set.
	Problem  string    `json:"problem,omitempty"`
	LastRing time.Time `json:"lastRing,omitzero"` // when upkeep was last started
	NextRing time.Time `json:"nextRing,omitzero"`
}

// Schedule tells the schedule, and whether Temporal rings. NOT_ENABLED before enable.
func (c *Controller) Schedule(ctx context.Context) (ScheduleStatus, error) {
	state, err := c.Upkeep(ctx)
	if err != nil {
		return ScheduleStatus{}, err
	}
	return c.scheduleStatus(ctx, state.Schedule)
}

func (c *Controller) scheduleStatus(ctx context.Context, state schedule.State) (ScheduleStatus, error) {
	d, err := c.bell(ctx)
	return c.statusOf(state, d), err
}

// bell describes what Temporal starts upkeep with, nil when there is none.
func (c *Controller) bell(ctx context.Context) (*client.ScheduleDescription, error) {
	bounded, cancel := context.WithTimeout(ctx, c.responseTimeout)
	defer cancel()
	d, err := c.client.ScheduleClient().GetHandle(bounded, flow.UpkeepScheduleID(c.instance)).Describe(bounded)
	var missing *serviceerror.NotFound
	if errors.As(err, &missing) {
		return nil, nil
	}
	return d, c.fault(err)
}

// statusOf puts together what is remembered of a schedule and what Temporal does of it.
func (c *Controller) statusOf(state schedule.State, d *client.ScheduleDescription) ScheduleStatus {
	now := time.Now()
	out := ScheduleStatus{State: state, Next: state.Next(now), Late: state.Late(now), Warnings: []string{}}
	if state.Setting == (schedule.Setting{}) {
		out.Setting = schedule.Default()
	}
	out.Warnings = append(out.Warnings, out.Setting.Warnings()...)
	if d == nil {
		if state.Setting != (schedule.Setting{}) {
			out.Problem = "Temporal's schedule " + flow.UpkeepScheduleID(c.instance) + " is gone"
		}
		return out
	}
	action, ok := d.Schedule.Action.(*client.ScheduleWorkflowAction)
	switch {
	case !ok || action.Workflow != flow.Upkeep.Name || action.TaskQueue != flow.Queue(c.instance):
		out.Problem = "Temporal's schedule " + flow.UpkeepScheduleID(c.instance) + " was changed, and does not start upkeep"
	case d.Schedule.State != nil && d.Schedule.State.Paused:
		out.Problem = "Temporal's schedule " + flow.UpkeepScheduleID(c.instance) + " was paused in Temporal"
	}
	if n := len(d.Info.RecentActions); n > 0 {
		out.LastRing = d.Info.RecentActions[n-1].ActualTime.UTC()
	}
	if len(d.Info.NextActionTimes) > 0 {
		out.NextRing = d.Info.NextActionTimes[0].UTC()
	}
	return out
}

// SetSchedule sets when backups start by themselves and how long they are kept, and makes
// sure that Temporal rings. It needs no share. Over is the setting that the caller has seen:
// SETTINGS_CHANGED when another one is set by now; nil replaces any. NOT_ENABLED before enable,
// SETTINGS_INVALID for what lies outside the bounds. Setting again what is set repairs
// Temporal's schedule.
func (c *Controller) SetSchedule(ctx context.Context, next schedule.Setting, over *schedule.Setting, by string) (ScheduleStatus, error) {
	if err := next.Validate(); err != nil {
		return ScheduleStatus{}, err
	}
	if err := c.ready(ctx); err != nil {
		return ScheduleStatus{}, err
	}
	state, err := answered(ctx, c, func(ctx context.Context) (schedule.State, error) {
		return flow.SetSchedule.Send(ctx, c.client, flow.SettingsWorkflowID(c.instance), flow.ScheduleChange{Setting: next, By: by, Over: over})
	})
	if err != nil {
		return ScheduleStatus{}, c.entityFault(ctx, err)
	}
	if err := c.ring(ctx, state); err != nil {
		return ScheduleStatus{}, err
	}
	return c.scheduleStatus(ctx, state)
}

// ring makes sure that Temporal starts upkeep again and again, at the slots among others.
// It also rings while the schedule is paused, since verification goes on then.
func (c *Controller) ring(ctx context.Context, state schedule.State) error {
	bounded, cancel := context.WithTimeout(ctx, c.responseTimeout)
	defer cancel()
	anchor := state.Anchor
	if anchor.IsZero() {
		anchor = time.Now()
	}
	offset := time.Duration(anchor.Unix()) * time.Second % flow.UpkeepInterval
	spec := client.ScheduleSpec{Intervals: []client.ScheduleIntervalSpec{{Every: flow.UpkeepInterval, Offset: offset}}, Jitter: ringJitter}
	action := &client.ScheduleWorkflowAction{
		ID: flow.UpkeepScheduleID(c.instance), Workflow: flow.Upkeep.Name, TaskQueue: flow.Queue(c.instance), WorkflowRunTimeout: ringTimeout,
	}
	_, err := c.client.ScheduleClient().Create(bounded, client.ScheduleOptions{
		ID: flow.UpkeepScheduleID(c.instance), Spec: spec, Action: action, Overlap: enumspb.SCHEDULE_OVERLAP_POLICY_SKIP, CatchupWindow: ringCatchup,
	})
	if err == nil {
		return nil
	}
	if !errors.Is(err, sdk.ErrScheduleAlreadyRunning) {
		return c.fault(err)
	}
	handle := c.client.ScheduleClient().GetHandle(bounded, flow.UpkeepScheduleID(c.instance))
	err = handle.Update(bounded, client.ScheduleUpdateOptions{DoUpdate: func(client.ScheduleUpdateInput) (*client.ScheduleUpdate, error) {
		return &client.ScheduleUpdate{Schedule: &client.Schedule{
			Spec: &spec, Action: action, State: &client.ScheduleState{},
			Policy: &client.SchedulePolicies{Overlap: enumspb.SCHEDULE_OVERLAP_POLICY_SKIP, CatchupWindow: ringCatchup},
		}}, nil
	}})
	return c.fault(err)
}
