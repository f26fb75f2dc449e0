package provider

import (
	"context"

	"infrabackup/internal/backup"
	"infrabackup/internal/board"
	"infrabackup/internal/control"
	"infrabackup/internal/schedule"
)

// source is a controller as a board reads it.
type source struct{ *control.Controller }

var _ board.Source = source{}

// List implements [board.Source].
func (s source) List(ctx context.Context, limit int) (board.Listing, error) {
	listed, err := s.Controller.List(ctx, limit)
	return board.Listing{ListOutput: listed}, err
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
