package facts

import (
	"context"
	"slices"
	"time"

	"infrabackup/internal/backup"
	"infrabackup/internal/board"
	"infrabackup/internal/flow"
)

// Backups are what is known of backups beside their manifests, of which the newest are given, newest
// first. An error says that it is not known; they are then told without it.
func Backups(ctx context.Context, c Controller, newest []backup.Overview) ([]board.Backup, error) {
	state, err := c.Upkeep(ctx)
	if err != nil {
		return plain(newest), err
	}
	active, err := c.Summary(ctx)
	if err != nil {
		return plain(newest), err
	}
	return board.Judge(newest, remembered(state), active, time.Now()), nil
}

// Lister is a [Controller] that lists backups.
type Lister interface {
	Controller
	List(ctx context.Context, limit int) (flow.ListOutput, error)
}

// Backup is [Backups] for a single one. Whether the retention keeps it depends on those that are newer.
func Backup(ctx context.Context, c Lister, one backup.Overview) (board.Backup, error) {
	newest := []backup.Overview{one}
	if one.Status == backup.Succeeded {
		listed, err := c.List(ctx, flow.MaxListed)
		if err != nil {
			return board.Backup{Overview: one}, err
		}
		newest = slices.DeleteFunc(listed.Backups, func(b backup.Overview) bool {
			return b.BackupID == one.BackupID || b.StartedAt.Before(one.StartedAt)
		})
		newest = append(newest, one)
	}
	all, err := Backups(ctx, c, newest)
	return all[len(all)-1], err
}

func plain(all []backup.Overview) []board.Backup {
	rows := make([]board.Backup, 0, len(all))
	for _, b := range all {
		rows = append(rows, board.Backup{Overview: b})
	}
	return rows
}
