package repository

import (
	"context"

	"infrabackup/internal/backup"
	"infrabackup/internal/repository/folder"
	"infrabackup/internal/share"
)

// IsInstanceFolder reports whether the store's own folder is that of an instance, where
// no share may begin: what was written there would lie among the instance's backups. The
// sign is a controller.json that can be understood, or allowed_signers beside backups/.
// What the account may not look at is no sign.
func IsInstanceFolder(ctx context.Context, store share.Store) (bool, error) {
	here := folder.New(store, "") // at the store's own folder instead of one below it
	data, err := here.Read(ctx, backup.ControllerFile, maxClaim)
	switch {
	case err == nil:
		if _, err := decodeClaim(data); err == nil {
			return true, nil
		}
	case !folder.IsMissing(err) && !folder.IsUnusable(err):
		return false, err
	}
	for name, isDir := range map[string]bool{backup.AllowedSignersFile: false, backup.BackupsDir: true} {
		info, err := store.Stat(ctx, name)
		if folder.IsMissing(err) || folder.IsUnusable(err) || err == nil && info.IsDir != isDir {
			return false, nil
		}
		if err != nil {
			return false, err
		}
	}
	return true, nil
}
