package activities

import (
	"context"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository"
)

// notGone refuses to go on with a backup that the ledger says was removed, and returns
// what it says of any other. Whoever puts the folder of a removed backup back must not
// have it entered again: it would be a backup like every other from then on.
// BACKUP_NOT_FOUND when it is gone as it is to be, BACKUP_ROLLED_BACK when it is back.
func notGone(ctx context.Context, repo *repository.Repository, ledger *repository.Ledger, id backup.ID) (repository.LedgerState, error) {
	s, known := ledger.State(id)
	if !known || !s.Gone() {
		return s, nil
	}
	if _, err := repo.Folder(ctx, id); fault.CodeOf(err) == fault.BackupNotFound {
		return s, err
	}
	return s, fault.Newf(fault.BackupRolledBack, "backup %s is back: entry %d of the ledger says that it was %s", id, s.Sequence, s.Action)
}

// covers makes sure that an entry which says that a backup is there does not come behind
// one that says it was removed. Its writer may have looked before that was entered, so
// what came since is read, up to head at least.
func (b *book) covers(ctx context.Context, head backup.LedgerHead, e backup.LedgerEntry) error {
	if e.BackupID == "" || e.SumsSHA256 == "" {
		return nil
	}
	if head != b.looked {
		ledger, err := b.repo.ReadLedger(ctx, b.signers)
		if err != nil {
			return err
		}
		// A backup that was just made is entered into a damaged ledger, too.
		if e.Action != backup.LedgerCreated {
			if err := b.whole(ctx, ledger); err != nil {
				return err
			}
		}
		b.ledger, b.looked = ledger, head
	}
	if b.ledger == nil {
		return nil
	}
	_, err := notGone(ctx, b.repo, b.ledger, e.BackupID)
	return err
}
