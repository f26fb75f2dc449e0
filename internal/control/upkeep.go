package control

import (
	"context"
	"slices"
	"time"

	"go.temporal.io/sdk/client"

	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
)

// Upkeep tells what is remembered of what goes on by itself: the schedule, verdicts and
// acknowledgements. NOT_ENABLED before enable.
func (c *Controller) Upkeep(ctx context.Context) (flow.UpkeepState, error) {
	if err := c.ready(ctx); err != nil {
		return flow.UpkeepState{}, err
	}
	state, err := answered(ctx, c, func(ctx context.Context) (flow.UpkeepState, error) {
		return flow.GetUpkeep.Ask(ctx, c.client, flow.SettingsWorkflowID(c.instance), struct{}{})
	})
	return state, c.entityFault(ctx, err)
}

// UpkeepStatus is what is remembered of what goes on by itself, whether it goes on, and what came
// of it last.
type UpkeepStatus struct {
	State    flow.UpkeepState
	Schedule ScheduleStatus
	// Last is what the newest run of upkeep that has ended did, nil when that is not known.
	Last *flow.UpkeepOutput
}

// UpkeepStatus asks for all of it, each once. NOT_ENABLED before enable.
func (c *Controller) UpkeepStatus(ctx context.Context) (UpkeepStatus, error) {
	var out UpkeepStatus
	var err error
	if out.State, err = c.Upkeep(ctx); err != nil {
		return out, err
	}
	d, err := c.bell(ctx)
	if err != nil {
		return out, err
	}
	out.Schedule = c.statusOf(out.State.Schedule, d)
	if d != nil {
		out.Last, err = c.lastUpkeep(ctx, d)
	}
	return out, err
}

// upkeepRun reads what came of a run of upkeep: one that a schedule starts has no input.
var upkeepRun = flow.Workflow[struct{}, flow.UpkeepOutput]{Name: flow.Upkeep.Name}

// maxUpkeepRuns bounds how many runs that came to no result are passed over.
const maxUpkeepRuns = 3

// lastUpkeep reads the result of the newest run that has one, nil when none of the newest has. What
// another has started, or sealed, is none.
func (c *Controller) lastUpkeep(ctx context.Context, d *client.ScheduleDescription) (*flow.UpkeepOutput, error) {
	tried := 0
	for _, action := range slices.Backward(d.Info.RecentActions) {
		of := action.StartWorkflowResult
		if of == nil || slices.Contains(d.Info.RunningWorkflows, *of) {
			continue
		}
		if tried++; tried > maxUpkeepRuns {
			break
		}
		bounded, cancel := context.WithTimeout(ctx, resultTimeout)
		out, err := upkeepRun.Attach(bounded, c.client, of.WorkflowID, of.FirstExecutionRunID).Get(bounded)
		late := bounded.Err() != nil
		cancel()
		if err == nil {
			return &out, nil
		}
		if f := c.fault(err); ctx.Err() != nil || !late && fault.CodeOf(f) == fault.TemporalUnreachable {
			return nil, f
		}
	}
	return nil, nil
}

// Acknowledge notes that somebody knows of an alert that opened at a time, zero when that is not
// known. Who was first, since then, stays the one who does, and is returned.
func (c *Controller) Acknowledge(ctx context.Context, code, object string, since time.Time, by string) (flow.Acknowledgement, error) {
	if code == "" {
		return flow.Acknowledgement{}, fault.Usagef("the acknowledgement names no alert")
	}
	if since.IsZero() { // any that there is counts for an alert whose opening nobody saw
		since = time.Unix(0, 0).UTC()
	}
	if err := c.ready(ctx); err != nil {
		return flow.Acknowledgement{}, err
	}
	one, err := answered(ctx, c, func(ctx context.Context) (flow.Acknowledgement, error) {
		return flow.AcknowledgeAlert.Send(ctx, c.client, flow.SettingsWorkflowID(c.instance), flow.AlertAcknowledgement{Code: code, Object: object, Since: since, By: by})
	})
	return one, c.entityFault(ctx, err)
}
