package provider

import (
	"context"
	"slices"
	"time"

	"infrabackup/internal/alert"
	"infrabackup/internal/backup"
	"infrabackup/internal/board"
	"infrabackup/internal/control"
	"infrabackup/internal/flow"
	"infrabackup/internal/schedule"
)

// source is a controller as a board reads it.
type source struct{ *control.Controller }

var _ board.Source = source{}

// List implements [board.Source].
func (s source) List(ctx context.Context, limit int) (board.Listing, error) {
	listed, err := s.ListExpected(ctx, limit)
	return board.Listing{ListOutput: listed, Capacity: board.Capacity{Free: listed.FreeBytes, Total: listed.TotalBytes}}, err
}

// Changing implements [board.Source].
func (s source) Changing(ctx context.Context) (*board.Change, error) {
	run, since, err := s.Controller.Changing(ctx)
	if err != nil || run == "" {
		return nil, err
	}
	return &board.Change{ID: run, StartedAt: since}, nil
}

// Upkeep implements [board.Source].
func (s source) Upkeep(ctx context.Context) (board.UpkeepFacts, error) {
	state, err := s.Controller.Upkeep(ctx)
	if err != nil {
		return board.UpkeepFacts{}, err
	}
	status, err := s.Schedule(ctx)
	if err != nil {
		return board.UpkeepFacts{}, err
	}
	out := board.UpkeepFacts{
		Schedule: status.State, Next: status.Next, Late: status.Late, Ringing: status.Problem == "", Warnings: status.Warnings,
		Verdicts: map[backup.ID]flow.Verdict{},
	}
	for _, v := range state.Verdicts {
		out.Verdicts[v.BackupID] = v
	}
	for _, a := range state.Acknowledged {
		out.Acknowledged = append(out.Acknowledged, alert.Acknowledgement{Code: alert.Code(a.Code), Object: a.Object, By: a.By, At: a.At})
	}
	if status.ClockMoved(time.Now()) {
		out.ClockMoved = "the schedule's newest time, " + status.Slot.UTC().Format(time.RFC3339) + ", lies in the future"
	}
	return out, nil
}

// actor does what a caller asks for, with what the configuration says of the instance where
// the first settings need it, and has the board look at what came of it.
type actor struct {
	*control.Controller
	instance backup.Instance
	board    *board.Board
}

// BeginChange begins a change of settings.
func (a actor) BeginChange(ctx context.Context, wanted control.Wanted) (control.Begun, error) {
	wanted.Instance = a.instance
	defer a.board.Refresh()
	return a.Controller.BeginChange(ctx, wanted)
}

// BeginBackup begins a backup.
func (a actor) BeginBackup(ctx context.Context, by string) (control.Begun, error) {
	defer a.board.Refresh()
	return a.Controller.BeginBackup(ctx, by)
}

// BeginVerify begins the verification of a backup.
func (a actor) BeginVerify(ctx context.Context, id backup.ID, _ string) (control.Begun, error) {
	defer a.board.Refresh()
	return a.Controller.BeginVerify(ctx, id)
}

// Acknowledge says that somebody knows of an alert.
func (a actor) Acknowledge(ctx context.Context, code, object, by string) error {
	known, err := a.Controller.Acknowledge(ctx, code, object, by)
	if err != nil {
		return err
	}
	a.board.Apply(func(s *board.Snapshot) {
		s.Upkeep.Acknowledged = append(slices.Clone(s.Upkeep.Acknowledged), alert.Acknowledgement{Code: alert.Code(known.Code), Object: known.Object, By: known.By, At: known.At})
	})
	return nil
}

// pageActor is an actor with the signatures of the page.
type pageActor struct{ actor }

// BeginVerify begins the verification of a backup.
func (a pageActor) BeginVerify(ctx context.Context, id, by string) (control.Begun, error) {
	return a.actor.BeginVerify(ctx, backup.ID(id), by)
}

// SetSchedule sets when backups are due.
func (a pageActor) SetSchedule(ctx context.Context, setting schedule.Setting, by string) error {
	defer a.board.Refresh()
	_, err := a.Controller.SetSchedule(ctx, setting, by)
	return err
}
