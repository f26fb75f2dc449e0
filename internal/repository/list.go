package repository

import (
	"context"
	"path"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository/folder"
	"infrabackup/internal/repository/foreign"
	"infrabackup/internal/repository/ledger"
	"infrabackup/internal/share"
)

// Listing is what lies in backups/, newest first.
type Listing struct {
	Backups    []backup.Overview
	Unreadable []backup.Finding // folders that are no readable backup
	Foreign    backup.Foreign   // what else lies there and concerns no backup
	More       bool             // older ones were left out
}

// List reads the manifests of the newest backups that can be read, at most limit (0 for
// all). It does not verify them. A folder that cannot be read as a backup is reported,
// and neither keeps the others from being listed nor counts as one of them.
func (r *Repository) List(ctx context.Context, limit int) (Listing, error) {
	folders, others, err := r.Folders(ctx)
	if err != nil {
		return Listing{}, err
	}
	listing := Listing{Foreign: r.NameOthers(others)}
	var unreadable folder.Findings // bounded: somebody may have put many there
	unreadable.Take(others.Strange...)
	for n := limit; len(folders) > 0 && (limit <= 0 || len(listing.Backups) < limit); n = folder.ParallelReads {
		if n <= 0 || n > len(folders) {
			n = len(folders)
		}
		read, found, err := r.overviews(ctx, folders[:n])
		if err != nil {
			return Listing{}, err
		}
		listing.Backups = append(listing.Backups, read...)
		unreadable.Take(found...)
		folders = folders[n:]
	}
	listing.Unreadable, listing.More = unreadable.List, len(folders) > 0
	if limit > 0 && len(listing.Backups) > limit {
		listing.Backups, listing.More = listing.Backups[:limit], true
	}
	return listing, nil
}

// overviews reads the manifests in some folders at once, and says which are none.
func (r *Repository) overviews(ctx context.Context, folders []string) (read []backup.Overview, unreadable []backup.Finding, err error) {
	overviews := make([]*backup.Overview, len(folders))
	findings := make([]*backup.Finding, len(folders))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(folder.ParallelReads)
	for i, name := range folders {
		group.Go(func() error {
			dir := path.Join(backup.BackupsDir, name)
			m, err := r.manifest(ctx, dir)
			switch {
			case err == nil:
				overview := m.Overview(r.files.At(dir))
				overviews[i] = &overview
			case fault.CodeOf(err) == fault.BackupDamaged || folder.IsMissing(err):
				findings[i] = &backup.Finding{Code: string(fault.BackupDamaged), File: r.files.At(dir, backup.ManifestFile), Message: err.Error()}
			case fault.CodeOf(err) == fault.ShareAccessDenied:
				found := folder.Denied(r.files.At(dir, backup.ManifestFile), err) // the folder above was listed
				findings[i] = &found
			default:
				return err // the share, not the backup
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, nil, err
	}
	for i := range folders {
		if overviews[i] != nil {
			read = append(read, *overviews[i])
		}
		if findings[i] != nil {
			unreadable = append(unreadable, *findings[i])
		}
	}
	return read, unreadable, nil
}

// Folders returns the names of the folders in backups/, newest first, and what else
// lies there.
func (r *Repository) Folders(ctx context.Context) ([]string, Others, error) {
	entries, err := r.files.List(ctx, r.files.At(backup.BackupsDir))
	if folder.IsMissing(err) {
		return nil, Others{}, nil
	}
	if err != nil {
		return nil, Others{}, err
	}
	var names []string
	var o Others
	for _, entry := range entries {
		switch _, _, err := backup.ParseFolderName(entry.Name); {
		case err == nil && entry.IsDir:
			names = append(names, entry.Name)
		case err == nil || foreign.Backups.Resembles(entry.Name, entry.IsDir):
			o.Strange = append(o.Strange, *folder.Damaged(r.files.At(backup.BackupsDir, entry.Name), "this is not the folder of a backup"))
		default:
			o.Foreign = append(o.Foreign, entry)
		}
	}
	if len(names) > maxBackups {
		return nil, Others{}, fault.Newf(fault.LimitExceeded, "%s holds %d backups, at most %d are read", r, len(names), maxBackups)
	}
	slices.Sort(names)
	slices.Reverse(names)
	return names, o, nil
}

// Others are the entries of backups/ that are no folder of a backup.
type Others struct {
	Strange []backup.Finding // those that could be taken for one
	Foreign []share.Info
}

// NameOthers names those that are foreign.
func (r *Repository) NameOthers(o Others) (f backup.Foreign) {
	for _, entry := range o.Foreign {
		f.Add(r.files.At(backup.BackupsDir, entry.Name))
	}
	return f
}

// Count returns how many folders of backups there are.
func (r *Repository) Count(ctx context.Context) (int, error) {
	names, _, err := r.Folders(ctx)
	return len(names), err
}

// LatestKnown returns the newest backup that is to be on the share: the newest of those that
// the ledger tells of and those that can be read there. So one that somebody removed is
// not passed over. BACKUP_NOT_FOUND when there is none.
func (r *Repository) LatestKnown(ctx context.Context, allowedSigners []byte) (backup.ID, error) {
	_, newest, err := r.ListAndLatest(ctx, 1, allowedSigners)
	if err == nil && newest == "" {
		err = fault.Newf(fault.BackupNotFound, "%s holds no readable backup", r)
	}
	return newest, err
}

// ListAndLatest is [Repository.List], and what [Repository.LatestKnown] returns, empty for
// none. Folders and ledger are read at the same time.
func (r *Repository) ListAndLatest(ctx context.Context, limit int, allowedSigners []byte) (listing Listing, newest backup.ID, err error) {
	var read ledger.Reading
	var readErr error
	var reading sync.WaitGroup
	reading.Go(func() {
		read, readErr = r.Ledger().ReadWith(ctx, ledger.Keys{Signers: allowedSigners, Trusted: len(allowedSigners) > 0}, backup.LedgerHead{})
	})
	listing, err = r.List(ctx, limit)
	reading.Wait()
	if err == nil {
		err = readErr
	}
	if err != nil {
		return Listing{}, "", err
	}
	var dir string
	if len(listing.Backups) > 0 {
		newest, dir = listing.Backups[0].BackupID, path.Base(listing.Backups[0].Path)
	}
	for _, id := range read.Ledger.Known() {
		if s, _ := read.Ledger.State(id); !s.Gone() && s.Folder > dir {
			newest, dir = id, s.Folder
		}
	}
	return listing, newest, nil
}

// Newest returns the newest backup's ID and its manifest's digest, nil when there
// is none, and its size. Unreadable ones are passed over.
func (r *Repository) Newest(ctx context.Context) (newest *backup.Previous, size int64, err error) {
	names, _, err := r.Folders(ctx)
	if err != nil {
		return nil, 0, err
	}
	for _, name := range names {
		dir := path.Join(backup.BackupsDir, name)
		m, data, err := r.manifestAndText(ctx, dir)
		if fault.CodeOf(err) == fault.BackupDamaged || folder.IsMissing(err) {
			continue
		}
		if err != nil {
			return nil, 0, err
		}
		return &backup.Previous{BackupID: m.BackupID, ManifestSHA256: folder.Describe(name, data).SHA256}, m.TotalBytes, nil
	}
	return nil, 0, nil
}
