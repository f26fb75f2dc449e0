package operator

import (
	"context"
	"strings"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/mount"
	"infrabackup/internal/repository"
	"infrabackup/internal/seal"
	"infrabackup/internal/settings"
	"infrabackup/internal/share"
	"infrabackup/internal/share/smb"
)

// LocalRepo is a repository that this process reads itself.
type LocalRepo struct {
	// Repo is what is read.
	Repo *repository.Repository
	// Signers is the list of trusted keys, empty when only the share's own are known.
	Signers []byte

	store share.Store
	named backup.Ref // the one backup whose folder was named; zero for all
}

// New makes one of the store that an instance's folder is in. Closing it closes the store.
func New(store share.Store, instance string) *LocalRepo {
	return &LocalRepo{Repo: repository.New(store, instance), store: store}
}

// OpenShare connects to a share.
func OpenShare(ctx context.Context, c smb.Config, instance string) (*LocalRepo, error) {
	store, err := smb.Open(ctx, c)
	if err != nil {
		return nil, err
	}
	return New(store, instance), nil
}

// OpenConfigured connects to the share of the settings, and trusts the signing keys in them,
// today's and former ones. Connect opens that share; nil for the share itself.
func OpenConfigured(ctx context.Context, s settings.Settings, instance string, connect func(context.Context, settings.Settings) (share.Store, error)) (*LocalRepo, error) {
	if connect == nil {
		connect = openShare
	}
	store, err := connect(ctx, s)
	if err != nil {
		return nil, err
	}
	o := New(store, instance)
	o.Signers = seal.AllowedSigners(s.Signing.Publics()...)
	return o, nil
}

func openShare(ctx context.Context, s settings.Settings) (share.Store, error) {
	store, err := mount.Open(ctx, s)
	if err != nil {
		return nil, err // not a typed nil in the interface
	}
	return store, nil
}

// Close ends the connection.
func (o *LocalRepo) Close() error { return o.store.Close() }

// Backup opens a backup, and only one that a trusted key signed wherever it is known whom
// to trust, unless the operator does not want that.
func (o *LocalRepo) Backup(ctx context.Context, ref backup.Ref, unverified bool) (*repository.Backup, error) {
	if len(o.Signers) > 0 && !unverified {
		return o.Repo.OpenSigned(ctx, ref, o.Signers)
	}
	return o.Repo.Open(ctx, ref)
}

// Resolve turns a name, as [ParseName] returns it, into a backup. Latest says which is the
// latest: [LocalRepo.Latest] or [LocalRepo.LatestKnown].
func (o *LocalRepo) Resolve(ctx context.Context, name string, latest func(context.Context) (backup.ID, error)) (backup.Ref, error) {
	switch {
	case name != backup.Latest && o.named.ID != "" && !strings.HasPrefix(string(o.named.ID), name):
		return backup.Ref{}, fault.Usagef("--from names the folder of backup %s, not that of %s", o.named.ID, name)
	case o.named.ID != "":
		return o.named, nil
	case !IsWhole(name):
		listed, err := o.Repo.List(ctx, 0)
		if err != nil {
			return backup.Ref{}, err
		}
		found, err := OnlyOne(name, listed.Backups)
		return backup.Ref{ID: found}, err
	case name != backup.Latest:
		return backup.Ref{ID: backup.ID(name)}, nil
	}
	found, err := latest(ctx)
	return backup.Ref{ID: found}, err
}

// Latest is the newest backup that can be read.
func (o *LocalRepo) Latest(ctx context.Context) (backup.ID, error) {
	listed, err := o.Repo.List(ctx, 1)
	if err != nil {
		return "", err
	}
	if len(listed.Backups) == 0 {
		return "", fault.Newf(fault.BackupNotFound, "%s holds no readable backup", o.Repo)
	}
	return listed.Backups[0].BackupID, nil
}

// Nth opens the backup that a text, as [ParseNth] takes it, names, as [LocalRepo.Backup] does.
func (o *LocalRepo) Nth(ctx context.Context, text string, unverified bool) (*repository.Backup, error) {
	ref, err := o.ResolveNth(ctx, text)
	if err != nil {
		return nil, err
	}
	return o.Backup(ctx, ref, unverified)
}

// ResolveNth turns what [ParseNth] takes into a backup.
func (o *LocalRepo) ResolveNth(ctx context.Context, text string) (backup.Ref, error) {
	name, before, err := ParseNth(text)
	if err != nil {
		return backup.Ref{}, err
	}
	if before > 0 && o.named.ID != "" {
		return backup.Ref{}, fault.Usagef("--from names the folder of one backup: there is none that is %d before the newest", before)
	}
	return o.Resolve(ctx, name, func(ctx context.Context) (backup.ID, error) {
		listed, err := o.Repo.List(ctx, before+1)
		if err != nil {
			return "", err
		}
		if len(listed.Backups) <= before {
			return "", fault.Newf(fault.BackupNotFound, "%s holds %d readable backups, and none that is %d before the newest", o.Repo, len(listed.Backups), before)
		}
		return listed.Backups[before].BackupID, nil
	})
}

// LatestKnown is the newest backup of those that can be read and those that the ledger
// lists, also when it is missing.
func (o *LocalRepo) LatestKnown(ctx context.Context) (backup.ID, error) {
	return o.Repo.LatestKnown(ctx, o.Signers)
}
