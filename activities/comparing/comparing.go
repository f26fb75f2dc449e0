package comparing

import (
	"context"
	"crypto/rand"

	"infrabackup/internal/backup"
	"infrabackup/internal/diff"
	"infrabackup/internal/diff/diffpage"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow/diffs"
	"infrabackup/internal/operator/comparing"
	"infrabackup/internal/repository"
	"infrabackup/internal/seal"
)

// Activities answers for the activity. Fields are required.
type Activities struct {
	// Repository connects to the share, and lists the keys that are trusted to have signed a backup.
	Repository func(ctx context.Context) (repo *repository.Repository, trusted []byte, err error)
	// Step is told that the comparison goes on.
	Step func(ctx context.Context)
}

// Compare compares two backups that trusted keys have signed. Errors are those of opening them,
// KEY_DOES_NOT_FIT, and LIMIT_EXCEEDED.
func (a Activities) Compare(ctx context.Context, in diffs.Input) (out diffs.Output, err error) {
	repo, trusted, err := a.Repository(ctx)
	if err != nil {
		return out, err
	}
	var sides [2]*comparing.Backup
	for i, side := range []diffs.Side{in.A, in.B} {
		if sides[i], err = open(ctx, repo, trusted, side); err != nil {
			return out, err
		}
	}
	found, err := diff.Compare(ctx, sides[0], sides[1], diff.Options{Services: in.Services, Random: rand.Reader, Progress: func(string, int64, int64) { a.Step(ctx) }})
	if err != nil {
		return out, err
	}
	report, err := diffpage.Bound(found, diffs.MaxBytes)
	return diffs.Output{RequestedBy: in.RequestedBy, Report: report}, err
}

// open opens one of the backups.
func open(ctx context.Context, repo *repository.Repository, trusted []byte, side diffs.Side) (*comparing.Backup, error) {
	keys, err := seal.ParseIdentities([]byte(side.Key.Reveal()))
	if err != nil || len(keys) != 1 {
		return nil, fault.New(fault.RequestRefused, "the request does not bring one key of a backup", nil)
	}
	b, err := repo.OpenSigned(ctx, backup.Ref{ID: side.BackupID}, trusted)
	if err != nil {
		return nil, err
	}
	if b.Manifest().BackupKey != keys[0].Public() {
		return nil, fault.Newf(fault.KeyDoesNotFit, "the key that came with the request is not that of backup %s", side.BackupID)
	}
	return comparing.OpenWith(ctx, b, keys[0])
}
