package repository

import (
	"bytes"
	"context"
	"path"
	"slices"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository/folder"
)

// Locate finds the folder of a backup, relative to the instance. Where several have its
// ID, it is the only one whose name fits the manifest inside; BACKUP_DAMAGED when that
// does not tell.
func (r *Repository) Locate(ctx context.Context, id backup.ID) (string, error) {
	return r.locate(ctx, backup.Ref{ID: id})
}

func (r *Repository) locate(ctx context.Context, ref backup.Ref) (string, error) {
	names, err := r.foldersOf(ctx, ref)
	if err != nil {
		return "", err
	}
	if len(names) > 1 {
		fit, err := r.Matching(ctx, names)
		if err != nil {
			return "", err
		}
		if len(fit) != 1 {
			return "", r.ambiguous(ref.ID, names)
		}
		names = fit
	}
	return path.Join(backup.BackupsDir, names[0]), nil
}

// Folder returns the name of a backup's folder in backups/. BACKUP_NOT_FOUND when there
// is none, BACKUP_DAMAGED when its name does not fit the manifest inside, or when there are
// several and nothing tells which it is.
func (r *Repository) Folder(ctx context.Context, id backup.ID) (string, error) {
	dir, err := r.Locate(ctx, id)
	if err != nil {
		return "", err
	}
	_, err = r.manifest(ctx, dir)
	return path.Base(dir), err
}

// FoldersOf returns the names of the folders that have a backup's ID, newest first: one,
// unless somebody has put another there.
func (r *Repository) FoldersOf(ctx context.Context, id backup.ID) ([]string, error) {
	return r.foldersOf(ctx, backup.Ref{ID: id})
}

// foldersOf is [Repository.FoldersOf]; of a backup whose folder was named, it is that one.
func (r *Repository) foldersOf(ctx context.Context, ref backup.Ref) ([]string, error) {
	names, _, err := r.Folders(ctx)
	if err != nil {
		return nil, err
	}
	names = slices.DeleteFunc(names, func(name string) bool {
		return !IsOf(name, ref.ID) || IsOf(ref.Folder, ref.ID) && name != ref.Folder
	})
	if len(names) == 0 {
		return nil, fault.Newf(fault.BackupNotFound, "%s holds no backup %s", r, ref.ID)
	}
	return names, nil
}

// IsOf reports whether a folder in backups/ has the ID of a backup.
func IsOf(name string, id backup.ID) bool {
	found, _, err := backup.ParseFolderName(name)
	return err == nil && found == id
}

// manifest reads and decodes the manifest in dir, which is relative to the
// instance, and makes sure that it belongs there.
func (r *Repository) manifest(ctx context.Context, dir string) (*backup.Manifest, error) {
	m, _, err := r.manifestAndText(ctx, dir)
	return m, err
}

// manifestAndText returns the bytes of the manifest, too.
func (r *Repository) manifestAndText(ctx context.Context, dir string) (*backup.Manifest, []byte, error) {
	data, err := r.files.Read(ctx, r.files.At(dir, backup.ManifestFile), backup.MaxManifestBytes)
	if err != nil {
		return nil, nil, err
	}
	m, err := backup.DecodeManifest(bytes.NewReader(data))
	if err != nil {
		return nil, nil, fault.New(fault.BackupDamaged, r.files.At(dir, backup.ManifestFile)+" cannot be understood", err)
	}
	if backup.FolderName(m.BackupID, m.StartedAt) != path.Base(dir) {
		return nil, nil, notOfThisFolder(r.files.At(dir, backup.ManifestFile), m)
	}
	if m.Instance.Name != r.files.Instance() {
		return nil, nil, fault.Newf(fault.BackupDamaged, "%s belongs to instance %s", r.files.At(dir, backup.ManifestFile), m.Instance.Name)
	}
	return m, data, nil
}

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
	return fault.Newf(fault.BackupDamaged, "two folders have the ID of backup %s: %s and %s; move the one away that was put there by another writer (backup verify prints which the ledger knows)",
		id, r.files.At(backup.BackupsDir, names[0]), r.files.At(backup.BackupsDir, names[1]))
}
