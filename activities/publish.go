package activities

import (
	"context"
	"errors"

	"infrabackup/internal/backup"
	"infrabackup/internal/flow"
)

// PublishBackup removes the work files, reads back what SealBackup wrote, makes sure
// that the folder holds exactly the backup, and gives it its name with one rename.
// Before that rename nothing is a backup; after it everything is there.
func (a *Activities) PublishBackup(ctx context.Context, in flow.PublishBackupInput) (flow.PublishBackupOutput, error) {
	repo, s, err := a.repository(ctx, in.Revision)
	if err != nil {
		return flow.PublishBackupOutput{}, err
	}
	startHeart(ctx, "", flow.PhaseReadBack, 0)
	final, done, err := repo.Published(ctx, in.BackupID, in.StartedAt)
	if err != nil {
		return flow.PublishBackupOutput{}, err
	}
	if !done {
		if err := repo.Check(ctx, in.BackupID, in.Sealed); err != nil {
			return flow.PublishBackupOutput{}, err
		}
		if err := repo.WriteInstanceFiles(ctx, allowedSigners(s)); err != nil {
			return flow.PublishBackupOutput{}, err
		}
		if final, err = repo.Publish(ctx, in.BackupID, in.StartedAt); err != nil {
			return flow.PublishBackupOutput{}, err
		}
	}
	// What SealBackup kept here; other hosts are released by the workflow.
	return flow.PublishBackupOutput{Path: final}, a.Spool.Release(in.BackupID, "")
}

// DiscardBackup removes a backup's work in progress from the share.
func (a *Activities) DiscardBackup(ctx context.Context, in flow.DiscardBackupInput) (struct{}, error) {
	repo, _, err := a.repository(ctx, in.Revision)
	if err != nil {
		return struct{}{}, err
	}
	return struct{}{}, errors.Join(repo.Discard(ctx, in.BackupID), a.Spool.Release(in.BackupID, ""))
}

// DeleteBackup removes a finished backup. An attempt that finds it gone because the
// one before had removed it says so.
func (a *Activities) DeleteBackup(ctx context.Context, in flow.DeleteInput) (backup.Overview, error) {
	repo, _, err := a.repository(ctx, 0)
	if err != nil {
		return backup.Overview{}, err
	}
	return repo.Delete(ctx, in.BackupID, attempt(ctx) > 1)
}
