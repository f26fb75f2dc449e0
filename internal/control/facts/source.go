package facts

import (
	"context"
	"fmt"
	"time"

	"infrabackup/internal/alert"
	"infrabackup/internal/backup"
	"infrabackup/internal/board"
	"infrabackup/internal/control"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/flow/drills"
	"infrabackup/internal/restore/drill"
	"infrabackup/internal/settings"
)

// Controller is what is asked. [control.Controller] documents the methods.
type Controller interface {
	Summary(ctx context.Context) (settings.Summary, error)
	History(ctx context.Context) (settings.History, error)
	ListExpected(ctx context.Context, limit int) (flow.ListOutput, error)
	Running(ctx context.Context) (string, error)
	Watch(ctx context.Context, runID string, see func(flow.Progress)) error
	Changing(ctx context.Context) (runID string, since time.Time, err error)
	Upkeep(ctx context.Context) (flow.UpkeepState, error)
	UpkeepStatus(ctx context.Context) (control.UpkeepStatus, error)
	Missing(ctx context.Context) ([]backup.Service, error)
	Standing(ctx context.Context) error
	Drills(ctx context.Context, in drills.Input) (drills.Output, error)
}

var _ Controller = (*control.Controller)(nil)

// Source is a controller as a board reads it.
type Source struct{ Controller }

var _ board.Source = Source{}

// List implements [board.Source].
func (s Source) List(ctx context.Context, limit int) (board.Listing, error) {
	listed, err := s.ListExpected(ctx, limit)
	return board.Listing{ListOutput: listed, Capacity: board.Capacity{Free: listed.FreeBytes, Total: listed.TotalBytes}}, err
}

// Changing implements [board.Source].
func (s Source) Changing(ctx context.Context) (*board.Change, error) {
	run, since, err := s.Controller.Changing(ctx)
	if err != nil || run == "" {
		return nil, err
	}
	return &board.Change{ID: run, StartedAt: since}, nil
}

// Upkeep implements [board.Source]. What upkeep did last counts while it removes anything by itself.
func (s Source) Upkeep(ctx context.Context) (board.UpkeepFacts, error) {
	known, err := s.UpkeepStatus(ctx)
	if err != nil {
		return board.UpkeepFacts{}, err
	}
	out := remembered(known.State)
	out.Schedule, out.Ringing = known.Schedule.State, known.Schedule.Problem == ""
	if known.Last == nil || !known.Schedule.Enabled {
		return out, nil
	}
	out.Hold = known.Last.Hold
	for _, f := range known.Last.Failed {
		// What was decided otherwise meanwhile is no failure.
		if f.Step == stepDelete && f.Code != string(fault.SettingsChanged) {
			out.Undeleted = append(out.Undeleted, fmt.Sprintf("%s (%s, %s)", f.BackupID, f.Code, f.Message))
		}
	}
	return out, nil
}

// knownDrills is how many drills a board knows: each is read from the share.
const knownDrills = 30

// Drills implements [board.Source].
func (s Source) Drills(ctx context.Context) ([]drill.Listed, error) {
	out, err := s.Controller.Drills(ctx, drills.Input{Count: knownDrills})
	return out.Drills, err
}

// stepDelete is the step of upkeep that removes a backup, see [flow.FailedStep].
const stepDelete = "delete"

// remembered is what the settings entity alone tells.
func remembered(state flow.UpkeepState) board.UpkeepFacts {
	out := board.UpkeepFacts{Schedule: state.Schedule, Verdicts: map[backup.ID]flow.Verdict{}}
	for _, v := range state.Verdicts {
		out.Verdicts[v.BackupID] = v
	}
	for _, a := range state.Acknowledged {
		out.Acknowledged = append(out.Acknowledged, Acknowledgement(a))
	}
	return out
}

// Acknowledgement is one as alerts are evaluated with.
func Acknowledgement(a flow.Acknowledgement) alert.Acknowledgement {
	return alert.Acknowledgement{Code: alert.Code(a.Code), Object: a.Object, By: a.By, At: a.At, Note: a.Note}
}

// Read reads everything once, see [board.Read]. An error says that the caller did not wait.
func Read(ctx context.Context, c Controller) (*board.Snapshot, error) {
	s := board.Read(ctx, Source{c}, board.Options{})
	if err := ctx.Err(); err != nil {
		return nil, fault.New(fault.Cancelled, "the state of the instance was not read to the end", err)
	}
	return s, nil
}
