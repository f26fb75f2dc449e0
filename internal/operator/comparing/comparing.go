package comparing

import (
	"context"

	"infrabackup/internal/backup"
	"infrabackup/internal/diff"
	"infrabackup/internal/diff/result"
	"infrabackup/internal/operator/extract"
	"infrabackup/internal/repository"
	"infrabackup/internal/seal"
)

// Run compares two backups, which keys have to open.
func Run(ctx context.Context, a, b *repository.Backup, keys []seal.Identity, o diff.Options) (*result.Report, error) {
	right, err := Open(ctx, b, keys)
	if err != nil {
		return nil, err
	}
	return With(ctx, a, right, keys, o)
}

// With compares a backup, which keys have to open, with something else.
func With(ctx context.Context, a *repository.Backup, b diff.Source, keys []seal.Identity, o diff.Options) (*result.Report, error) {
	left, err := Open(ctx, a, keys)
	if err != nil {
		return nil, err
	}
	return diff.Compare(ctx, left, b, o)
}

// Backup is a backup as a side of a comparison.
type Backup struct {
	backup *repository.Backup
	key    seal.Identity
	digest string
}

// Open opens a backup with the operator's keys.
func Open(ctx context.Context, b *repository.Backup, keys []seal.Identity) (*Backup, error) {
	key, err := extract.Unlock(ctx, b, keys)
	if err != nil {
		return nil, err
	}
	return OpenWith(ctx, b, key)
}

// OpenWith opens a backup with the key of this one backup.
func OpenWith(ctx context.Context, b *repository.Backup, key seal.Identity) (*Backup, error) {
	digest, err := b.ManifestSHA256(ctx)
	if err != nil {
		return nil, err
	}
	return &Backup{b, key, digest}, nil
}

// Side implements [diff.Source].
func (b *Backup) Side() result.Side {
	m := b.backup.Manifest()
	return result.Side{
		Name: "backup " + string(m.BackupID), BackupID: m.BackupID, Instance: m.Instance, StartedAt: m.StartedAt.UTC(),
		Path: b.backup.Path(), Digest: b.digest, Verified: b.backup.Signed(),
	}
}

// Services implements [diff.Source].
func (b *Backup) Services() (all []diff.Service) {
	for _, s := range b.backup.Manifest().Services {
		one := diff.Service{Service: s.Service, Gaps: s.Gaps}
		if s.File == "" {
			one.Missing = s.Code + " " + s.Message
		}
		all = append(all, one)
	}
	return all
}

// Catalog implements [diff.Source].
func (b *Backup) Catalog(ctx context.Context, fn func(backup.CatalogEntry) error) error {
	return b.backup.Catalog(ctx, b.key, fn)
}

// Open implements [diff.Source].
func (b *Backup) Open(ctx context.Context, service backup.Service) (diff.Part, error) {
	items, err := b.backup.Items(ctx, service, b.key)
	if err != nil {
		return nil, err // not a typed nil in the interface
	}
	return items, nil
}
