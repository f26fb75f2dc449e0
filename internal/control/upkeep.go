package control

import (
	"context"
	"time"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/upkeep/ring"
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
	now, err := c.rings(ctx)
	if err != nil {
		return out, err
	}
	out.Schedule = statusOf(out.State.Schedule, now)
	out.Last, err = c.lastUpkeep(ctx, now.Ended)
	return out, err
}

// upkeepRun reads what came of a run of upkeep: one that a schedule starts has no input.
var upkeepRun = flow.Workflow[struct{}, flow.UpkeepOutput]{Name: flow.Upkeep.Name}

// maxUpkeepRuns bounds how many runs that came to no result are passed over.
const maxUpkeepRuns = 3

// lastUpkeep reads the result of the newest run that has one, nil when none of the newest has. What
// another has started, or sealed, is none.
func (c *Controller) lastUpkeep(ctx context.Context, newest []ring.Run) (*flow.UpkeepOutput, error) {
	for _, of := range newest[:min(len(newest), maxUpkeepRuns)] {
		bounded, cancel := context.WithTimeout(ctx, resultTimeout)
		out, err := upkeepRun.Attach(bounded, c.client, of.WorkflowID, of.RunID).Get(bounded)
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

// Acknowledge notes that somebody knows of an alert. It stays until its cause is gone. Who was first
// since the alert opened stays the one who does, unless the acknowledgement is to replace the one
// before; the one that counts is returned.
func (c *Controller) Acknowledge(ctx context.Context, in flow.AlertAcknowledgement) (flow.Acknowledgement, error) {
	if err := in.Check(); err != nil {
		return flow.Acknowledgement{}, err
	}
	in.Note = backup.Printable(in.Note, flow.MaxNote) // escapes may make it longer than that
	if in.Since.IsZero() {                            // any that there is counts for an alert whose opening nobody saw
		in.Since = time.Unix(0, 0).UTC()
	}
	if err := c.ready(ctx); err != nil {
		return flow.Acknowledgement{}, err
	}
	one, err := answered(ctx, c, func(ctx context.Context) (flow.Acknowledgement, error) {
		return flow.AcknowledgeAlert.Send(ctx, c.client, flow.SettingsWorkflowID(c.instance), in)
	})
	return one, c.entityFault(ctx, err)
}
