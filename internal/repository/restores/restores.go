package restores

import (
	"context"
	"fmt"
	"io/fs"
	"path"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository/folder"
	"infrabackup/internal/restore/statedir"
)

// maxRestores bounds the folders that are looked at.
const maxRestores = 10_000

// Dir is the folder with the restores of an instance.
type Dir struct{ files *folder.Folder }

// In is that folder below an instance's. Nothing is read or written.
func In(files *folder.Folder) *Dir { return &Dir{files} }

// String names the folder for people.
func (d *Dir) String() string { return d.files.String() + `\` + backup.RestoresDir }

// List implements [statedir.Store]. LIMIT_EXCEEDED for more than 10,000.
func (d *Dir) List(ctx context.Context) ([]string, error) {
	entries, err := d.files.List(ctx, d.files.At(backup.RestoresDir))
	if folder.IsMissing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if e.IsDir {
			names = append(names, e.Name)
		}
	}
	if len(names) > maxRestores {
		return nil, fault.Newf(fault.LimitExceeded, "%s has more than %d folders", d, maxRestores)
	}
	return names, nil
}

// Make implements [statedir.Store].
func (d *Dir) Make(ctx context.Context, name string) error {
	return d.files.MkdirAll(ctx, d.files.At(backup.RestoresDir, name))
}

// Open implements [statedir.Store]. A share cannot tell who else has a folder open: that one
// run at a time works on the restores of an instance is its caller's business.
func (d *Dir) Open(_ context.Context, name string) (statedir.Folder, error) {
	return &restoreDir{files: d.files, at: d.files.At(backup.RestoresDir, name)}, nil
}

// restoreDir is the folder of one restore.
type restoreDir struct {
	files *folder.Folder
	at    string
}

// Close implements [statedir.Folder].
func (*restoreDir) Close() error { return nil }

// Create implements [statedir.Folder]. What a crash leaves under a temporary name is read by
// none.
func (r *restoreDir) Create(ctx context.Context, name string, data []byte) error {
	final := path.Join(r.at, name)
	created, err := r.files.CreateExclusive(ctx, final, data)
	if err == nil && !created {
		return fmt.Errorf("%s: %w", final, fs.ErrExist)
	}
	return err
}

// Read implements [statedir.Folder].
func (r *restoreDir) Read(ctx context.Context, name string, limit int64) ([]byte, error) {
	data, err := r.files.Read(ctx, path.Join(r.at, name), limit)
	if folder.IsMissing(err) {
		return nil, fs.ErrNotExist
	}
	return data, err
}
