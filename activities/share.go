package activities

import (
	"context"
	"errors"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/repository"
	"infrabackup/internal/share"
)

// CheckShare is the pre-flight of a run: it pins the settings, proves that the share
// takes everything that a backup needs, compares the free space with the size of
// the newest backup, and makes the folder for the work.
func (a *Activities) CheckShare(ctx context.Context, in flow.CheckShareInput) (flow.CheckShareOutput, error) {
	s, err := a.settings(ctx, 0)
	if err != nil {
		return flow.CheckShareOutput{}, err
	}
	store, err := a.stores.get(ctx, s)
	if err != nil {
		return flow.CheckShareOutput{}, err
	}
	repo := repository.New(store, a.Instance.Name)
	if err := repo.Probe(ctx, string(in.BackupID)); err != nil {
		return flow.CheckShareOutput{}, err
	}
	if err := repo.Claim(ctx, s.Controller); err != nil {
		return flow.CheckShareOutput{}, err
	}
	if err := repo.Begin(ctx, in.BackupID); err != nil {
		return flow.CheckShareOutput{}, err
	}
	free, err := room(ctx, store, repo, in.IgnoreFreeSpace)
	if err != nil {
		return flow.CheckShareOutput{}, errors.Join(err, repo.Discard(ctx, in.BackupID))
	}
	return flow.CheckShareOutput{Revision: s.Revision, Services: a.services(), FreeBytes: free}, nil
}

// room returns the free space, or SHARE_FULL when a backup as large as the newest
// one, and a tenth more, would not fit. A share that has just taken the probe and says
// that nothing is free does not know: some servers always say so. When ignored, the
// space is reported and nothing else.
func room(ctx context.Context, store share.Store, repo *repository.Repository, ignored bool) (int64, error) {
	space, err := store.Space(ctx)
	if err != nil {
		return 0, err
	}
	if ignored || space.Free <= 0 {
		return space.Free, nil
	}
	listing, err := repo.List(ctx, 1)
	if err != nil {
		return 0, err
	}
	if len(listing.Backups) > 0 {
		if want := listing.Backups[0].TotalBytes / 10 * 11; space.Free < want {
			return 0, fault.Newf(fault.ShareFull, "%s has %d bytes free, a backup is expected to need %d", store, space.Free, want)
		}
	}
	return space.Free, nil
}

// services lists what this worker has sources for, in the usual order.
func (a *Activities) services() []backup.Service {
	var services []backup.Service
	for _, service := range backup.Services() {
		if _, ok := a.collectors[service]; ok {
			services = append(services, service)
		}
	}
	return services
}
