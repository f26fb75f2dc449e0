package comparing

import (
	"context"
	"crypto/rand"
	"slices"

	"infrabackup/internal/backup"
	"infrabackup/internal/diff"
	"infrabackup/internal/diff/diffpage"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow/diffs"
	"infrabackup/internal/operator/comparing"
	"infrabackup/internal/repository"
	"infrabackup/internal/seal"
)

// Bounds of what a comparison takes of the worker's memory, beside whatever else that does: items of a
// backup, of each of which it holds something, and what it keeps of differences until it is cut.
const (
	maxItems       = 40_000
	maxListed      = 5_000
	maxDetailBytes = 8 << 20
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
		if sides[i], err = open(ctx, repo, trusted, side, in.Services); err != nil {
			return out, err
		}
	}
	found, err := diff.Compare(ctx, sides[0], sides[1], diff.Options{Services: in.Services, Random: rand.Reader, Listed: maxListed, DetailBytes: maxDetailBytes, Progress: func(string, int64, int64) { a.Step(ctx) }})
	if err != nil {
		return out, err
	}
	report, err := diffpage.Bound(found, diffs.MaxBytes)
	return diffs.Output{RequestedBy: in.RequestedBy, Reader: in.Reader, Report: report}, err
}

// open opens one of the backups, unless the services that are to be compared have too many items.
func open(ctx context.Context, repo *repository.Repository, trusted []byte, side diffs.Side, services []backup.Service) (*comparing.Backup, error) {
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
	var items int64
	for _, s := range b.Manifest().Services {
		if len(services) == 0 || slices.Contains(services, s.Service) {
			items += s.Items
		}
	}
	if items > maxItems {
		return nil, fault.Newf(fault.LimitExceeded, "%d items of backup %s are to be compared, and a worker compares %d at most; compare fewer services at a time, or on the command line, which has no such limit", items, side.BackupID, maxItems)
	}
	return comparing.OpenWith(ctx, b, keys[0])
}
