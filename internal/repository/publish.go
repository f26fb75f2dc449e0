package repository

import (
	"context"
	"time"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository/folder"
)

// Published reports whether the backup has its final name, and which.
func (r *Repository) Published(ctx context.Context, id backup.ID, startedAt time.Time) (string, bool, error) {
	final := r.files.At(backup.BackupPath(id, startedAt))
	info, err := r.files.Stat(ctx, final)
	if folder.IsMissing(err) {
		return final, false, nil
	}
	if err != nil {
		return final, false, err
	}
	return final, info.IsDir, nil
}

// Publish makes the backup in incoming/ a backup, with one rename. It may be
// repeated: a backup that has its final name already is success.
func (r *Repository) Publish(ctx context.Context, id backup.ID, startedAt time.Time) (string, error) {
	final, done, err := r.Published(ctx, id, startedAt)
	if err != nil || done {
		return final, err
	}
	renameErr := r.files.Rename(ctx, r.incoming(id), final)
	if renameErr == nil {
		return final, nil
	}
	if _, done, err := r.Published(ctx, id, startedAt); err == nil && done {
		return final, nil // the reply was lost
	}
	return "", renameErr
}

// Discard removes a backup's work in progress. A missing one is fine, and what others
// put there stays. The folder first loses its name in one step: an attempt to publish
// that nobody waits for any more finds all of it or nothing, never what is left of it.
func (r *Repository) Discard(ctx context.Context, id backup.ID) error {
	if _, err := r.files.ThrowAway(ctx, backup.IncomingPath(id), id); err != nil && !folder.IsMissing(err) && insurmountable(ctx, err) {
		return err
	}
	entries, err := r.files.List(ctx, r.files.At(backup.IncomingDir))
	if folder.IsMissing(err) {
		return nil
	}
	if err != nil && fault.CodeOf(err) != fault.LimitExceeded {
		return err
	}
	for _, entry := range entries { // what an earlier attempt has renamed, too
		if entry.IsDir && folder.WorkOwner(entry.Name) == id {
			if _, err := r.files.RemoveAll(ctx, r.files.At(backup.IncomingDir, entry.Name)); err != nil {
				return err
			}
		}
	}
	return nil
}
