package activities

import (
	"context"
	"sync"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/repository"
	"infrabackup/internal/settings"
)

// ListBackups reads the finished backups from the share: all of them up to the limit,
// or the one that is asked for.
func (a *Activities) ListBackups(ctx context.Context, in flow.ListInput) (flow.ListOutput, error) {
	repo, s, err := a.repository(ctx, 0)
	if err != nil {
		return flow.ListOutput{}, err
	}
	if in.BackupID != "" {
		one, err := a.show(ctx, repo, s, in.BackupID)
		return flow.ListOutput{Backups: []backup.Overview{one}, Unreadable: []backup.Finding{}}, err
	}
	limit := in.Limit
	if limit <= 0 || limit > flow.MaxListed {
		limit = flow.MaxListed
	}
	listing, newest, err := a.list(ctx, repo, s, limit, in.Expected)
	if err != nil {
		return flow.ListOutput{}, err
	}
	for i := range listing.Backups {
		listing.Backups[i].Recipients = nil                                       // those of the manifest, which may have been replaced
		listing.Backups[i].Consistency = listing.Backups[i].Consistency.Summary() // all lists together are more than one result can hold
	}
	out := flow.ListOutput{Backups: listing.Backups, Unreadable: listing.Unreadable, Foreign: listing.Foreign, More: listing.More, Expected: newest}
	if in.Space {
		err = a.space(ctx, s, &out)
	}
	return out, err
}

// space tells the space on the share; zero where its server cannot tell.
func (a *Activities) space(ctx context.Context, s settings.Settings, out *flow.ListOutput) error {
	store, err := a.stores.Get(ctx, s)
	if err != nil {
		return err
	}
	space, err := store.Space(ctx)
	if fault.CodeOf(err) == fault.ShareUnsupported {
		return nil
	}
	out.FreeBytes, out.TotalBytes = space.Free, space.Total
	return err
}

// list reads the newest backups, and which one is to be the newest, empty for none, when
// that is asked for.
func (a *Activities) list(ctx context.Context, repo *repository.Repository, s settings.Settings, limit int, expected bool) (repository.Listing, backup.ID, error) {
	if !expected {
		listing, err := repo.List(ctx, limit)
		return listing, "", err
	}
	signers, err := a.trusted(ctx, s)
	if err != nil {
		return repository.Listing{}, "", err
	}
	return repo.ListAndLatest(ctx, limit, signers)
}

// show returns one backup, with the keys that open it by the ledger: the manifest names
// those that it was made for.
func (a *Activities) show(ctx context.Context, repo *repository.Repository, s settings.Settings, id backup.ID) (backup.Overview, error) {
	// Right after a backup was made, the newest entry is its own. It is read at the same time.
	var line []byte
	var headErr, lineErr error
	var reading sync.WaitGroup
	reading.Go(func() {
		var head backup.LedgerHead
		if head, headErr = a.ledgerHead(ctx, s); headErr == nil {
			line, lineErr = repo.Ledger().HeadEntry(ctx, head)
		}
	})
	b, err := repo.Open(ctx, backup.Ref{ID: id})
	reading.Wait()
	if err != nil {
		return backup.Overview{}, err
	}
	out := b.Overview()
	if headErr != nil {
		return out, headErr
	}
	if lineErr == nil && line != nil {
		if e, err := backup.DecodeLedgerEntry(line); err == nil && e.BackupID == id && len(e.Recipients) > 0 {
			out.Recipients = e.Recipients
			return out, nil
		}
	}
	signers, err := a.trusted(ctx, s)
	if err != nil {
		return out, err
	}
	ledger, err := repo.Ledger().Read(ctx, signers)
	if err != nil {
		return out, err
	}
	if known, ok := ledger.State(id); ok && !known.Gone() {
		out.Recipients = known.Recipients
	}
	return out, nil
}

// ReadKeyFile reads the key.age of a backup that a trusted key has signed.
func (a *Activities) ReadKeyFile(ctx context.Context, in flow.KeyFileInput) (flow.KeyFileOutput, error) {
	repo, s, err := a.repository(ctx, 0)
	if err != nil {
		return flow.KeyFileOutput{}, err
	}
	trusted, err := a.trusted(ctx, s)
	if err != nil {
		return flow.KeyFileOutput{}, err
	}
	b, err := repo.OpenSigned(ctx, backup.Ref{ID: in.BackupID}, trusted)
	if err != nil {
		return flow.KeyFileOutput{}, err
	}
	keyAge, err := b.KeyFile(ctx)
	return flow.KeyFileOutput{BackupID: in.BackupID, Public: b.Manifest().BackupKey, KeyAge: keyAge}, err
}
