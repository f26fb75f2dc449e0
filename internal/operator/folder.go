package operator

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/operator/localfile"
	"infrabackup/internal/share/dir"
)

// OpenFolder takes a mounted or copied share, the instance's folder in it, or the folder of
// one backup as it lies in there, which is then the only one, and makes sure that backups
// are there, unless they may be gone: then that is for the caller to find.
func OpenFolder(folder, instance string, mayBeGone bool) (*LocalRepo, error) {
	root, err := filepath.Abs(folder)
	if err != nil {
		return nil, fault.New(fault.Usage, "--from was not understood", err)
	}
	var named backup.Ref
	if id, _, err := backup.ParseFolderName(filepath.Base(root)); err == nil {
		named = backup.Ref{ID: id, Folder: filepath.Base(root)}
		root = filepath.Dir(filepath.Dir(root)) // out of <instance>/backups/<backup>
	}
	if filepath.Base(root) == instance && (localfile.IsFolder(filepath.Join(root, backup.BackupsDir)) || mayBeGone && !localfile.IsFolder(root)) {
		root = filepath.Dir(root)
	}
	_, err = os.Stat(filepath.Join(root, instance, backup.BackupsDir))
	if errors.Is(err, fs.ErrNotExist) && !mayBeGone {
		return nil, fault.Newf(fault.BackupNotFound, "%s holds no backups of instance %s; --from takes the folder that holds the folder %s", folder, instance, instance)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.Usage, "--from cannot be read", err)
	}
	store, err := dir.Open(root)
	if err != nil {
		return nil, err
	}
	o := New(store, instance)
	o.named = named
	return o, nil
}
