package repository

import (
	"context"
	"path"
	"slices"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository/folder"
)

// DeletableFolder returns the name of the folder that [Repository.Delete] removes, and refuses
// while another one has the backup's ID. BACKUP_DAMAGED then, and the message says which
// of the two is not the one that the ledger knows.
func (r *Repository) DeletableFolder(ctx context.Context, id backup.ID, allowedSigners []byte) (string, error) {
	names, err := r.FoldersOf(ctx, id)
	if err != nil {
		return "", err
	}
	if len(names) == 1 {
		return names[0], nil
	}
	known, err := r.Ledger().Read(ctx, allowedSigners)
	if err != nil {
		return "", err
	}
	s, listed := known.State(id)
	own := slices.Index(names, s.Folder)
	if !listed || own < 0 {
		return "", r.ambiguous(id, names)
	}
	other := names[0]
	if own == 0 {
		other = names[1]
	}
	return "", fault.Newf(fault.BackupDamaged, "two folders have the ID of backup %s: the ledger knows %s; %s has to be moved away first",
		id, r.files.At(backup.BackupsDir, s.Folder), r.files.At(backup.BackupsDir, other))
}

// DeleteOptions say how a backup is deleted.
type DeleteOptions struct {
	// Retry says that an earlier attempt may have removed the backup.
	Retry bool
}

// Delete removes a finished backup and returns what it was. It first leaves backups/
// in one step, so that a crash never leaves a backup with files missing;
// [Repository.Begin] clears away what a crash leaves in incoming/. A backup whose
// manifest cannot be read is deleted, too. With opts.Retry, a missing one is success.
// What others put into the folder stays in incoming/, and is named in the result.
// BACKUP_DAMAGED while a second folder has its ID: see [Repository.DeletableFolder].
func (r *Repository) Delete(ctx context.Context, id backup.ID, opts DeleteOptions) (backup.Overview, error) {
	gone := backup.Overview{BackupID: id, Status: backup.Deleted, Services: []backup.ServiceResult{}}
	names, err := r.FoldersOf(ctx, id)
	if opts.Retry && fault.CodeOf(err) == fault.BackupNotFound {
		gone.Foreign, err = r.files.RemoveAll(ctx, r.incoming(id))
		return gone, err
	}
	if err != nil {
		return gone, err
	}
	if len(names) > 1 {
		return gone, r.ambiguous(id, names)
	}
	dir := path.Join(backup.BackupsDir, names[0])
	m, err := r.manifest(ctx, dir)
	switch {
	case err == nil:
		gone = m.Overview(r.files.At(dir))
		gone.Status = backup.Deleted
	case !folder.IsUnusable(err) && !folder.IsMissing(err):
		return gone, err
	}
	if err := r.files.MakeIncoming(ctx); err != nil {
		return gone, err
	}
	trash, err := r.files.ThrowAway(ctx, dir, id)
	if err != nil {
		return gone, err
	}
	gone.Foreign, err = r.files.RemoveAll(ctx, r.files.At(trash))
	return gone, err
}
