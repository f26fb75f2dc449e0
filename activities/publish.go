package activities

import (
	"context"
	"errors"
	"path"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/repository"
)

// PublishBackup removes the work files, reads back what SealBackup wrote, makes sure
// that the folder holds the backup, gives it its name with one rename, and enters it
// into the ledger. Before that rename nothing is a backup; after it
// everything is there.
func (a *Activities) PublishBackup(ctx context.Context, in flow.PublishBackupInput) (flow.PublishBackupOutput, error) {
	repo, s, err := a.repository(ctx, in.Revision)
	if err != nil {
		return flow.PublishBackupOutput{}, err
	}
	startHeart(ctx, "", flow.PhaseReadBack, 0)
	if err := a.forward(ctx, repo, s); err != nil {
		return flow.PublishBackupOutput{}, err
	}
	b, err := a.book(ctx, repo, s)
	if err != nil {
		return flow.PublishBackupOutput{}, err
	}
	final, others, before, err := a.publish(ctx, b, in)
	if err != nil {
		return flow.PublishBackupOutput{}, err
	}
	if before {
		// An attempt may come weeks after the one that published, and the backup have another
		// key by then: what the ledger knows of it stays the newest that it says.
		ledger, err := repo.ReadLedger(ctx, b.signers)
		if err != nil {
			return flow.PublishBackupOutput{}, err
		}
		if _, known := ledger.State(in.BackupID); known {
			return flow.PublishBackupOutput{Path: final, Foreign: others}, a.Spool.Release(in.BackupID, "")
		}
		b.ledger, b.looked = ledger, ledger.Head()
	}
	err = b.enter(ctx, backup.LedgerEntry{
		Action: backup.LedgerCreated, BackupID: in.BackupID, Folder: path.Base(final), SumsSHA256: sumsOf(in.Sealed),
		Recipients: s.PublicRecipients(), By: in.RequestedBy,
	})
	if err != nil {
		return flow.PublishBackupOutput{}, err
	}
	// What SealBackup kept here; other hosts are released by the workflow.
	return flow.PublishBackupOutput{Path: final, Foreign: others}, a.Spool.Release(in.BackupID, "")
}

// publish returns where the backup is, what others put into its folder, and whether an
// attempt before has published it.
func (a *Activities) publish(ctx context.Context, b *book, in flow.PublishBackupInput) (final string, others backup.Foreign, before bool, err error) {
	final, before, err = b.repo.Published(ctx, in.BackupID, in.StartedAt)
	if err != nil || before {
		return final, others, before, err
	}
	if err := b.claim(ctx); err != nil {
		return "", others, false, err
	}
	if b.looked, err = b.head(ctx); err != nil { // nobody deletes what has no name yet
		return "", others, false, err
	}
	if others, err = b.repo.Check(ctx, in.BackupID, in.Sealed); err != nil {
		return "", others, false, err
	}
	if err := b.repo.WriteInstanceFiles(ctx, b.signers); err != nil {
		return "", others, false, err
	}
	final, err = b.repo.Publish(ctx, in.BackupID, in.StartedAt)
	others.Moved(path.Join(a.Instance.Name, backup.IncomingPath(in.BackupID)), final)
	return final, others, false, err
}

// sumsOf is the digest of SHA256SUMS among what was sealed.
func sumsOf(sealed []backup.File) string {
	for _, file := range sealed {
		if file.Name == backup.SumsFile {
			return file.SHA256
		}
	}
	return ""
}

// DiscardBackup removes a backup's work in progress from the share.
func (a *Activities) DiscardBackup(ctx context.Context, in flow.DiscardBackupInput) (struct{}, error) {
	repo, _, err := a.repository(ctx, in.Revision)
	if err != nil {
		return struct{}{}, err
	}
	return struct{}{}, errors.Join(repo.Discard(ctx, in.BackupID), a.Spool.Release(in.BackupID, ""))
}

// DeleteBackup enters the deletion into the ledger and removes a finished backup, in
// this order: a deletion that is ended in between shows as a backup that should be
// gone, never as one that somebody else removed. An attempt that finds it gone because
// the one before had removed it says so. While two folders have the backup's ID, nothing
// is done.
func (a *Activities) DeleteBackup(ctx context.Context, in flow.DeleteInput) (backup.Overview, error) {
	repo, s, err := a.repository(ctx, 0)
	if err != nil {
		return backup.Overview{}, err
	}
	if err := a.forward(ctx, repo, s); err != nil {
		return backup.Overview{}, err
	}
	signers, err := a.trusted(ctx, s)
	if err != nil {
		return backup.Overview{}, err
	}
	if err := unchanged(ctx, repo, s.Revision, signers, in); err != nil {
		return backup.Overview{}, err
	}
	folder, err := repo.Removable(ctx, in.BackupID, signers)
	again := attempt(ctx) > 1
	switch {
	case err == nil:
		b, err := a.book(ctx, repo, s)
		if err != nil {
			return backup.Overview{}, err
		}
		err = b.enter(ctx, backup.LedgerEntry{Action: backup.LedgerDeleted, BackupID: in.BackupID, Folder: folder, By: in.RequestedBy})
		if err != nil {
			return backup.Overview{}, err
		}
	case !again || fault.CodeOf(err) != fault.BackupNotFound:
		return backup.Overview{}, err
	}
	return repo.Delete(ctx, in.BackupID, again)
}

// unchanged makes sure that a deletion finds what its caller has seen: the same settings,
// and a backup to which nothing else has happened since. What the deletion itself has
// entered in an earlier attempt is no change.
func unchanged(ctx context.Context, repo *repository.Repository, revision int64, signers []byte, in flow.DeleteInput) error {
	if in.Seen == (flow.Seen{}) {
		return nil
	}
	if revision != in.Seen.Revision {
		return fault.Newf(fault.SettingsChanged, "backup %s was to be deleted under revision %d of the settings, and revision %d is in force",
			in.BackupID, in.Seen.Revision, revision)
	}
	ledger, err := repo.ReadLedger(ctx, signers)
	if err != nil {
		return err
	}
	now, known := ledger.State(in.BackupID)
	if known && now.Sequence > in.Seen.Ledger.Sequence && now.Action != backup.LedgerDeleted {
		return fault.Newf(fault.SettingsChanged, "backup %s was %s after its deletion was asked for", in.BackupID, now.Action)
	}
	return nil
}
