package provider

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
	known, err := s.UpkeepStatus(ctx)
	if err != nil {
		return board.UpkeepFacts{}, err
	}
	return upkeepFacts(known), nil
}

// stepDelete is the step of upkeep that removes a backup, see [flow.FailedStep].
const stepDelete = "delete"

// upkeepFacts are what a board knows of upkeep. What it did last counts while it removes anything
// by itself.
func upkeepFacts(known control.UpkeepStatus) board.UpkeepFacts {
	out := board.UpkeepFacts{Schedule: known.Schedule.State, Ringing: known.Schedule.Problem == "", Verdicts: map[backup.ID]board.Verdict{}}
	for _, v := range known.State.Verdicts {
		out.Verdicts[v.BackupID] = board.Verdict{At: v.At, Code: v.Code}
	}
	for _, a := range known.State.Acknowledged {
		out.Acknowledged = append(out.Acknowledged, acknowledgement(a))
	}
	if known.Last == nil || !known.Schedule.Enabled {
		return out
	}
	out.Hold = known.Last.Hold
	for _, f := range known.Last.Failed {
		// What was decided otherwise meanwhile is no failure.
		if f.Step == stepDelete && f.Code != string(fault.SettingsChanged) {
			out.Undeleted = append(out.Undeleted, fmt.Sprintf("%s (%s, %s)", f.BackupID, f.Code, f.Message))
		}
	}
	return out
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

// Acknowledge says that somebody knows of an alert that is open, and puts who was first onto the
// board.
func (a actor) Acknowledge(ctx context.Context, code, object, by string) error {
	known, err := a.Controller.Acknowledge(ctx, code, object, openedAt(a.board.Snapshot(), code, object), by)
	if err != nil {
		return err
	}
	a.board.Apply(func(s *board.Snapshot) { s.Upkeep.Acknowledged = append(s.Upkeep.Acknowledged, acknowledgement(known)) })
	return nil
}

// openedAt is when an alert opened, zero when that is not known.
func openedAt(s *board.Snapshot, code, object string) time.Time {
	for _, a := range s.Alerts {
		if string(a.Code) == code && a.Object == object {
			return a.Since
		}
	}
	return time.Time{}
}

func acknowledgement(a flow.Acknowledgement) alert.Acknowledgement {
	return alert.Acknowledgement{Code: alert.Code(a.Code), Object: a.Object, By: a.By, At: a.At}
}

// pageActor is an actor with the signatures of the page.
type pageActor struct{ actor }

// BeginVerify begins the verification of a backup.
func (a pageActor) BeginVerify(ctx context.Context, id, by string) (control.Begun, error) {
	return a.actor.BeginVerify(ctx, backup.ID(id), by)
}

// SetSchedule sets when backups are due, over a setting that was seen, and puts that onto the board.
func (a pageActor) SetSchedule(ctx context.Context, setting, over schedule.Setting, by string) error {
	defer a.board.Refresh()
	status, err := a.Controller.SetSchedule(ctx, setting, &over, by)
	if err != nil {
		return err
	}
	a.board.Apply(func(s *board.Snapshot) { s.Schedule, s.Upkeep.Schedule = status.State, status.State })
	return nil
}
