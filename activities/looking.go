package activities

import (
	"context"

	"go.temporal.io/sdk/activity"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/repository"
)

// ListBackups reads the finished backups from the share: all of them up to the limit,
// or the one that is asked for.
func (a *Activities) ListBackups(ctx context.Context, in flow.ListInput) (flow.ListOutput, error) {
	repo, _, err := a.repository(ctx, 0)
	if err != nil {
		return flow.ListOutput{}, err
	}
	if in.BackupID != "" {
		b, err := repo.Open(ctx, in.BackupID)
		if err != nil {
			return flow.ListOutput{}, err
		}
		return flow.ListOutput{Backups: []backup.Overview{b.Overview()}, Unreadable: []backup.Finding{}}, nil
	}
	limit := in.Limit
	if limit <= 0 || limit > flow.MaxListed {
		limit = flow.MaxListed
	}
	listing, err := repo.List(ctx, limit)
	if err != nil {
		return flow.ListOutput{}, err
	}
	for i := range listing.Backups {
		listing.Backups[i].Consistency = listing.Backups[i].Consistency.Summary() // all lists together are more than one result can hold
	}
	return flow.ListOutput{Backups: listing.Backups, Unreadable: listing.Unreadable, More: listing.More}, nil
}

// VerifyBackup checks a backup without any key, against the signing key that the
// settings hold and not the one that the share shows.
func (a *Activities) VerifyBackup(ctx context.Context, in flow.VerifyInput) (backup.Verdict, error) {
	repo, s, err := a.repository(ctx, 0)
	if err != nil {
		return backup.Verdict{}, err
	}
	signers, err := a.trusted(ctx, s)
	if err != nil {
		return backup.Verdict{}, err
	}
	beat := startHeart(ctx, "", flow.PhaseReadBack, 0)
	return repo.Verify(ctx, in.BackupID, repository.VerifyOptions{
		AllowedSigners: signers, SkipInstance: in.Alone,
		Progress: func(_ string, done, total int64) {
			beat.total.Store(total)
			beat.bytes.Store(done)
		},
	})
}

func attempt(ctx context.Context) int32 { return activity.GetInfo(ctx).Attempt }

// checked turns the outcome of a check into a line of a diagnosis.
func checked(name, good string, err error) flow.Check {
	if err == nil {
		return flow.Check{Name: name, OK: true, Message: good}
	}
	f := fault.As(err)
	return flow.Check{Name: name, Code: string(f.Code), Message: f.Message(), Remedy: f.Code.Remedy()}
}
