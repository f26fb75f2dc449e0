package provider

import (
	"context"

	"infrabackup/internal/alert"
	"infrabackup/internal/backup"
	"infrabackup/internal/board"
	"infrabackup/internal/control"
	"infrabackup/internal/control/facts"
	"infrabackup/internal/control/operation"
	"infrabackup/internal/flow"
	"infrabackup/internal/schedule"
)

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

// Operation tells of an operation. Of one that has ended since the board was read, such as a
// verification, the board learns what came of it before the next page is asked for.
func (a actor) Operation(ctx context.Context, id string) (operation.Operation, error) {
	o, err := a.Controller.Operation(ctx, id)
	if err == nil && !o.Running && a.board.Snapshot().AsOf.Before(o.EndedAt) {
		a.board.Refresh()
	}
	return o, err
}

// Acknowledge says that somebody knows of an alert that is open, and puts who counts as the one who
// does onto the board.
func (a actor) Acknowledge(ctx context.Context, one flow.AlertAcknowledgement) error {
	if open, ok := a.board.Snapshot().Alert(alert.Key{Code: alert.Code(one.Code), Object: one.Object}); ok {
		one.Since = open.Since
	}
	known, err := a.Controller.Acknowledge(ctx, one)
	if err != nil {
		return err
	}
	a.board.Apply(func(s *board.Snapshot) {
		s.Upkeep.Acknowledged = append(s.Upkeep.Acknowledged, facts.Acknowledgement(known))
	})
	return nil
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
