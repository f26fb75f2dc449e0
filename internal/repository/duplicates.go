package repository

import (
	"context"
	"path"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository/folder"
)

// Matching returns those of several folders whose name fits the manifest inside.
func (r *Repository) Matching(ctx context.Context, names []string) ([]string, error) {
	var fit []string
	for _, name := range names {
		_, err := r.manifest(ctx, path.Join(backup.BackupsDir, name))
		switch {
		case err == nil:
			fit = append(fit, name)
		case !folder.IsUnusable(err) && !folder.IsMissing(err):
			return nil, err
		}
	}
	return fit, nil
}

// ambiguous says that a backup has several folders, and that nothing tells which is its own.
func (r *Repository) ambiguous(id backup.ID, names []string) error {
	return fault.Newf(fault.BackupDamaged, "two folders have the ID of backup %s: %s and %s; move the one away that somebody else has put there (backup verify tells which the ledger knows)",
		id, r.files.At(backup.BackupsDir, names[0]), r.files.At(backup.BackupsDir, names[1]))
}

// openOwnSigned is openSigned for a backup with several folders: what was signed fits one
// of them only.
func (r *Repository) openOwnSigned(ctx context.Context, id backup.ID, names []string, allowedSigners []byte) (*Backup, error) {
	for _, name := range names {
		b, err := r.openSignedIn(ctx, id, path.Join(backup.BackupsDir, name), allowedSigners)
		switch code := fault.CodeOf(err); {
		case err == nil:
			return b, nil
		case code != fault.BackupForged && code != fault.RewrapUnfinished && !folder.IsUnusable(err) && !folder.IsMissing(err):
			return nil, err
		}
	}
	return nil, r.ambiguous(id, names)
}
