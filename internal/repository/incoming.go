package repository

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"strings"
	"time"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository/foreign"
	"infrabackup/internal/share"
)

// Begin makes the folder of a backup in incoming/ and removes what dead runs left
// there: one backup of an instance runs at a time, so whatever belongs to another
// one is nobody's. In staging/ others may be at work meanwhile; what has not changed
// there for a week is removed too. What cannot be removed, such as a folder that others
// put something into, stays and keeps nobody from backing up; an audit names it.
func (r *Repository) Begin(ctx context.Context, id backup.ID) error {
	if err := r.makeWorkFolder(ctx); err != nil {
		return err
	}
	entries, err := r.store.List(ctx, r.at(backup.IncomingDir))
	if err != nil && fault.CodeOf(err) != fault.LimitExceeded {
		return err
	}
	for _, entry := range entries {
		if err := r.clearWork(ctx, entry, id); err != nil && insurmountable(ctx, err) {
			return err
		}
	}
	if err := r.makeOwnFolder(ctx, id); err != nil {
		return err
	}
	made, err := r.store.Stat(ctx, r.incoming(id))
	if err != nil {
		return err
	}
	// Now is by the share's clock, or earlier when this is repeated.
	if err := r.clearStaging(ctx, made.Modified); err != nil && insurmountable(ctx, err) {
		return err
	}
	return nil
}

// clearWork removes an entry of incoming/ that a run other than that of the backup left.
func (r *Repository) clearWork(ctx context.Context, entry share.Info, id backup.ID) error {
	name := r.at(backup.IncomingDir, entry.Name)
	if entry.IsDir {
		if workOwner(entry.Name) == "" || entry.Name == string(id) {
			return nil
		}
		_, err := r.removeFolder(ctx, name)
		return err
	}
	token, isProbe := strings.CutPrefix(strings.TrimSuffix(entry.Name, probeRenamed), probePrefix)
	if owner, err := backup.ParseID(token); !isProbe || err != nil || owner == id {
		return nil
	}
	return r.remove(ctx, name)
}

// insurmountable reports whether an error of clearing up says that nothing else would
// succeed either: the caller does not want it any more, or the share does not answer.
func insurmountable(ctx context.Context, err error) bool {
	return ctx.Err() != nil || fault.CodeOf(err) == fault.ShareUnreachable
}

// makeOwnFolder makes the folder of a backup in incoming/; a file in its place is set
// aside.
func (r *Repository) makeOwnFolder(ctx context.Context, id backup.ID) error {
	err := r.store.MkdirAll(ctx, r.incoming(id))
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := r.setAside(ctx, r.incoming(id)); err != nil {
		return err
	}
	return r.store.MkdirAll(ctx, r.incoming(id))
}

func (r *Repository) incoming(id backup.ID, names ...string) string {
	return r.at(append([]string{backup.IncomingPath(id)}, names...)...)
}

// Put writes a small file of a backup in incoming/ and returns its digest. It may
// be repeated. A folder in its place is set aside.
func (r *Repository) Put(ctx context.Context, id backup.ID, name string, data []byte) (backup.File, error) {
	place := r.incoming(id, name)
	err := r.write(ctx, place, data)
	if err != nil && ctx.Err() == nil {
		if info, statErr := r.store.Stat(ctx, place); statErr == nil && info.IsDir {
			if err = r.clearPlace(ctx, place); err == nil {
				err = r.write(ctx, place, data)
			}
		}
	}
	if err != nil {
		return backup.File{}, err
	}
	return describe(name, data), nil
}

// UploadOptions tell how an upload goes on and reports.
type UploadOptions struct {
	// Token is part of the temporary name, so that late writes of a dead attempt
	// with other bytes cannot reach this one's file.
	Token string
	// From is the offset below which an earlier attempt with the same token has
	// flushed everything.
	From int64
	// Flushed is called with ever larger offsets that are on stable storage.
	Flushed func(offset int64) error
	// ReadBack is called with the number of bytes that were read back.
	ReadBack func(done int64)
}

// Upload writes a file of a backup in incoming/ under a temporary name, reads all of
// it back, compares, and only then gives it its name. When the name is there
// already with the right bytes, that is success: the reply to an earlier rename was
// lost.
func (r *Repository) Upload(ctx context.Context, id backup.ID, file backup.File, src io.ReaderAt, opts UploadOptions) error {
	return r.deliver(ctx, backup.IncomingPath(id), file, src, opts)
}

// deliver is [Repository.Upload] into any folder, which is relative to the instance.
func (r *Repository) deliver(ctx context.Context, folder string, file backup.File, src io.ReaderAt, opts UploadOptions) error {
	final := r.at(folder, file.Name)
	temp := r.at(folder, file.Name+"."+opts.Token+tempSuffix)
	if same, err := r.holds(ctx, final, file, opts.ReadBack); err != nil || same {
		return err
	}
	// Other bytes under this name are an earlier capture's, whose host did not live to
	// report them.
	if err := r.clearPlace(ctx, final); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	err := r.store.Upload(ctx, temp, src, opts.From, file.Size, func(offset int64) {
		if opts.Flushed == nil {
			return
		}
		if err := opts.Flushed(offset); err != nil {
			cancel(err)
		}
	})
	if err != nil {
		// The journal's own failure is the cause when it ended the upload.
		if f, ok := fault.Of(context.Cause(ctx)); ok {
			return f
		}
		return err
	}
	same, err := r.holds(ctx, temp, file, opts.ReadBack)
	if err != nil {
		return err
	}
	if !same {
		// Nothing that was uploaded can be trusted, so the next attempt begins anew.
		return errors.Join(fault.Newf(fault.ShareCorrupted, "%s of %s gave back other bytes than were written", file.Name, r), r.remove(ctx, temp))
	}
	if err := r.store.Rename(ctx, temp, final); err != nil {
		if same, lookErr := r.holds(ctx, final, file, nil); lookErr == nil && same {
			return nil
		}
		return err
	}
	return nil
}

// holds reports whether the file exists with the wanted bytes.
func (r *Repository) holds(ctx context.Context, name string, want backup.File, progress func(int64)) (bool, error) {
	info, err := r.store.Stat(ctx, name)
	if missing(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if info.IsDir || info.Size != want.Size {
		return false, nil
	}
	got, err := r.digest(ctx, name, progress)
	if err != nil {
		return false, err
	}
	return got.SHA256 == want.SHA256 && got.Size == want.Size, nil
}

// ReadIncoming streams a file of a backup in incoming/.
func (r *Repository) ReadIncoming(ctx context.Context, id backup.ID, name string, w io.Writer) error {
	_, err := r.store.Download(ctx, r.incoming(id, name), 0, w)
	return err
}

// RemoveIncoming removes a file of a backup in incoming/; a missing one is fine.
func (r *Repository) RemoveIncoming(ctx context.Context, id backup.ID, name string) error {
	return r.remove(ctx, r.incoming(id, name))
}

// Check makes sure that the folder of a backup in incoming/ holds the backup: it reads
// back the given files, takes from SHA256SUMS among them which others must be there,
// and removes work files. What others put there is returned; it stays, or moves out of
// the way where it could be taken for a file of the backup.
func (r *Repository) Check(ctx context.Context, id backup.ID, written []backup.File) (backup.Foreign, error) {
	wanted := map[string]bool{}
	for _, file := range written {
		wanted[file.Name] = true
		same, err := r.holds(ctx, r.incoming(id, file.Name), file, nil)
		if err != nil {
			return backup.Foreign{}, err
		}
		if !same {
			return backup.Foreign{}, fault.Newf(fault.ShareCorrupted, "%s of %s gave back other bytes than were written", file.Name, r)
		}
	}
	data, err := r.read(ctx, r.incoming(id, backup.SumsFile), maxSums)
	if err != nil {
		return backup.Foreign{}, err
	}
	sums, err := backup.DecodeSums(data)
	if err != nil {
		return backup.Foreign{}, fault.New(fault.ShareCorrupted, "the sums on "+r.String()+" cannot be read again", err)
	}
	for _, file := range sums {
		wanted[file.Name] = true
	}
	return r.tidy(ctx, backup.IncomingPath(id), wanted)
}

// tidy makes sure that a folder, which is relative to the instance, holds the wanted
// files, and of the product's no others: it removes those. It returns what is foreign,
// and takes wanted apart.
func (r *Repository) tidy(ctx context.Context, folder string, wanted map[string]bool) (backup.Foreign, error) {
	var found backup.Foreign
	entries, err := r.store.List(ctx, r.at(folder))
	if err != nil {
		return found, err
	}
	for _, entry := range entries {
		name := r.at(folder, entry.Name)
		switch {
		case wanted[entry.Name] && !entry.IsDir:
			delete(wanted, entry.Name)
		case isOwnFile(entry) && !isSealed(entry.Name):
			if err := r.clearPlace(ctx, name); err != nil {
				return found, err
			}
		default:
			if foreign.Backup.Resembles(entry.Name, entry.IsDir) && r.setAside(ctx, name) == nil {
				name += " (moved out of the way)"
			}
			found.Add(name)
		}
	}
	names, err := r.strangers(ctx, folder)
	if err != nil {
		return found, err
	}
	for _, name := range names {
		found.Add(r.namedAt(folder, name))
	}
	for name := range wanted {
		return found, fault.Newf(fault.BackupDamaged, "%s has vanished from %s", name, r.at(folder))
	}
	return found, nil
}

// isSealed reports whether the name is that of a file which every backup has: one that is
// not wanted is no left-over of an attempt.
func isSealed(name string) bool {
	switch name {
	case backup.ManifestFile, backup.KeyFile, backup.CatalogFile, backup.SumsFile, backup.SignatureFile:
		return true
	}
	return false
}

// isWorkFile reports whether the name is one of a file that only exists while a
// backup is being made.
func isWorkFile(name string) bool {
	whole := wholeName(name)
	index, isIndex := strings.CutSuffix(whole, workSuffix)
	return (isIndex || whole != name) && isBackupFile(index)
}

// Suffixes of work files: lists of items, and uploads that are not complete.
const (
	workSuffix = ".index"
	tempSuffix = ".part"
)

// Published reports whether the backup has its final name, and which.
func (r *Repository) Published(ctx context.Context, id backup.ID, startedAt time.Time) (string, bool, error) {
	final := r.at(backup.BackupPath(id, startedAt))
	info, err := r.store.Stat(ctx, final)
	if missing(err) {
		return final, false, nil
	}
	if err != nil {
		return final, false, err
	}
	return final, info.IsDir, nil
}

// Publish makes the backup in incoming/ a backup, with one rename. It may be
// repeated: a backup that has its final name already is success.
func (r *Repository) Publish(ctx context.Context, id backup.ID, startedAt time.Time) (string, error) {
	final, done, err := r.Published(ctx, id, startedAt)
	if err != nil || done {
		return final, err
	}
	renameErr := r.store.Rename(ctx, r.incoming(id), final)
	if renameErr == nil {
		return final, nil
	}
	if _, done, err := r.Published(ctx, id, startedAt); err == nil && done {
		return final, nil // the reply was lost
	}
	return "", renameErr
}

// Discard removes a backup's work in progress. A missing one is fine, and what others
// put there stays. The folder first loses its name in one step: an attempt to publish
// that nobody waits for any more finds all of it or nothing, never what is left of it.
func (r *Repository) Discard(ctx context.Context, id backup.ID) error {
	if _, err := r.throwAway(ctx, backup.IncomingPath(id), id); err != nil && !missing(err) && insurmountable(ctx, err) {
		return err
	}
	entries, err := r.store.List(ctx, r.at(backup.IncomingDir))
	if missing(err) {
		return nil
	}
	if err != nil && fault.CodeOf(err) != fault.LimitExceeded {
		return err
	}
	for _, entry := range entries { // what an earlier attempt has renamed, too
		if entry.IsDir && workOwner(entry.Name) == id {
			if _, err := r.removeFolder(ctx, r.at(backup.IncomingDir, entry.Name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// Delete removes a finished backup and returns what it was. It first leaves backups/
// in one step, so that a crash never leaves a backup with files missing;
// [Repository.Begin] clears away what a crash leaves in incoming/. A backup whose
// manifest cannot be read is deleted, too. With again set, a missing one is success.
// What others put into the folder stays in incoming/, and is named in the result.
// BACKUP_DAMAGED while a second folder has its ID: see [Repository.Removable].
func (r *Repository) Delete(ctx context.Context, id backup.ID, again bool) (backup.Overview, error) {
	gone := backup.Overview{BackupID: id, Status: backup.Deleted, Services: []backup.ServiceResult{}}
	names, err := r.ownFolders(ctx, id)
	if again && fault.CodeOf(err) == fault.BackupNotFound {
		gone.Foreign, err = r.removeFolder(ctx, r.incoming(id))
		return gone, err
	}
	if err != nil {
		return gone, err
	}
	if len(names) > 1 {
		return gone, r.twins(id, names)
	}
	folder := path.Join(backup.BackupsDir, names[0])
	m, err := r.manifest(ctx, folder)
	switch {
	case err == nil:
		gone = m.Overview(r.at(folder))
		gone.Status = backup.Deleted
	case !isStrange(err) && !missing(err):
		return gone, err
	}
	if err := r.makeWorkFolder(ctx); err != nil {
		return gone, err
	}
	trash, err := r.throwAway(ctx, folder, id)
	if err != nil {
		return gone, err
	}
	gone.Foreign, err = r.removeFolder(ctx, r.at(trash))
	return gone, err
}
