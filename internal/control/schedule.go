package control

import (
	"context"
	"time"

	"infrabackup/internal/flow"
	"infrabackup/internal/schedule"
	"infrabackup/internal/upkeep/ring"
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
	now, err := c.rings(ctx)
	return statusOf(state, now), err
}

// rings tells whether Temporal starts upkeep.
func (c *Controller) rings(ctx context.Context) (ring.Status, error) {
	bounded, cancel := context.WithTimeout(ctx, c.responseTimeout)
	defer cancel()
	now, err := ring.Look(bounded, c.client, c.instance)
	return now, c.fault(err)
}

// statusOf puts together what is remembered of a schedule and what Temporal does of it.
func statusOf(state schedule.State, now ring.Status) ScheduleStatus {
	at := time.Now()
	out := ScheduleStatus{State: state, Next: state.Next(at), Late: state.Late(at), Warnings: []string{}, LastRing: now.Last, NextRing: now.Next}
	out.Unstarted = 0 // it is for the settings workflow alone
	if state.Setting == (schedule.Setting{}) {
		out.Setting = schedule.Default()
	}
	out.Warnings = append(out.Warnings, out.Setting.Warnings()...)
	if !now.Missing || state.Setting != (schedule.Setting{}) {
		out.Problem = now.Problem
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

// ring makes sure that Temporal starts upkeep.
func (c *Controller) ring(ctx context.Context, state schedule.State) error {
	bounded, cancel := context.WithTimeout(ctx, c.responseTimeout)
	defer cancel()
	return c.fault(ring.Set(bounded, c.client, c.instance, state, time.Now()))
}
