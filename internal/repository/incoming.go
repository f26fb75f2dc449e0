package repository

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"strings"
	"time"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository/folder"
	"infrabackup/internal/share"
)

// Begin makes the folder of a backup in incoming/ and removes what dead runs left
// there: one backup of an instance runs at a time, so whatever belongs to another
// one is nobody's. In staging/ others may be at work meanwhile; what has not changed
// there for a week is removed too. What cannot be removed, such as a folder that others
// put something into, stays and keeps nobody from backing up; an audit names it.
func (r *Repository) Begin(ctx context.Context, id backup.ID) error {
	return r.BeginSeen(ctx, id, nil)
}

// BeginSeen is Begin for who has just read the anchors, and so has seen what is in
// staging/; nil for who has not.
func (r *Repository) BeginSeen(ctx context.Context, id backup.ID, staging []share.Info) error {
	if err := r.makeOwnFolder(ctx, id); err != nil {
		return err
	}
	entries, err := r.files.List(ctx, r.files.At(backup.IncomingDir))
	if err != nil && fault.CodeOf(err) != fault.LimitExceeded {
		return err
	}
	var made time.Time
	for _, entry := range entries {
		if entry.IsDir && entry.Name == string(id) {
			made = entry.Modified
		}
		if err := r.clearWork(ctx, entry, id); err != nil && insurmountable(ctx, err) {
			return err
		}
	}
	if made.IsZero() { // there is too much to be listed
		info, err := r.files.Stat(ctx, r.incoming(id))
		if err != nil {
			return err
		}
		made = info.Modified
	}
	// Now is by the share's clock, or earlier when this is repeated.
	if err := clearStaging(ctx, r, staging, made); err != nil && insurmountable(ctx, err) {
		return err
	}
	return nil
}

// clearWork removes an entry of incoming/ that a run other than that of the backup left.
func (r *Repository) clearWork(ctx context.Context, entry share.Info, id backup.ID) error {
	name := r.files.At(backup.IncomingDir, entry.Name)
	if entry.IsDir {
		if folder.WorkOwner(entry.Name) == "" || entry.Name == string(id) {
			return nil
		}
		_, err := r.files.RemoveAll(ctx, name)
		return err
	}
	token, isProbe := strings.CutPrefix(strings.TrimSuffix(entry.Name, probeRenamed), folder.ProbePrefix)
	if owner, err := backup.ParseID(token); !isProbe || err != nil || owner == id {
		return nil
	}
	return r.files.Remove(ctx, name)
}

// insurmountable reports whether an error of clearing up says that nothing else would
// succeed either: the caller does not want it any more, or the share does not answer.
func insurmountable(ctx context.Context, err error) bool {
	return ctx.Err() != nil || fault.CodeOf(err) == fault.ShareUnreachable
}

// makeOwnFolder makes the folder of a backup in incoming/; a file in the place of either
// is set aside.
func (r *Repository) makeOwnFolder(ctx context.Context, id backup.ID) error {
	err := r.files.MkdirAll(ctx, r.incoming(id))
	if !errors.Is(err, fs.ErrExist) && !folder.IsMissing(err) { // what a file in the path is called differs
		return err
	}
	if err := r.files.MakeIncoming(ctx); err != nil {
		return err
	}
	if err := r.files.MkdirAll(ctx, r.incoming(id)); !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := r.files.SetAside(ctx, r.incoming(id)); err != nil {
		return err
	}
	return r.files.MkdirAll(ctx, r.incoming(id))
}

func (r *Repository) incoming(id backup.ID, names ...string) string {
	return r.files.At(append([]string{backup.IncomingPath(id)}, names...)...)
}

// Put writes a small file of a backup in incoming/ and returns its digest. It may
// be repeated. A folder in its place is set aside.
func (r *Repository) Put(ctx context.Context, id backup.ID, name string, data []byte) (backup.File, error) {
	place := r.incoming(id, name)
	err := r.files.Write(ctx, place, data)
	if err != nil && ctx.Err() == nil {
		if info, statErr := r.files.Stat(ctx, place); statErr == nil && info.IsDir {
			if err = r.files.ClearPlace(ctx, place); err == nil {
				err = r.files.Write(ctx, place, data)
			}
		}
	}
	if err != nil {
		return backup.File{}, err
	}
	return folder.Describe(name, data), nil
}

// UploadOptions tell how an upload goes on and reports.
type UploadOptions = folder.UploadOptions

// beside is the folder in incoming/ in which large files of a backup lie until they have their
// names, which the backup's own folder is then renamed without.
func beside(id backup.ID) string { return backup.IncomingPath(id) + ".sent" }

// Upload writes a file of a backup in incoming/ under a temporary name, reads all of
// it back, compares, and only then gives it its name. When the name is there
// already with the right bytes, that is success: the reply to an earlier rename was
// lost.
func (r *Repository) Upload(ctx context.Context, id backup.ID, file backup.File, src io.ReaderAt, opts UploadOptions) error {
	if file.Size > share.SmallFile {
		opts.Beside = beside(id)
		if err := r.files.MkdirAll(ctx, r.files.At(opts.Beside)); err != nil {
			return err
		}
	}
	return r.files.Deliver(ctx, backup.IncomingPath(id), file, src, opts)
}

// Send writes a file of a backup in incoming/ under a temporary name while it is still being
// made, and reads it back at the same time. [Repository.Place] gives it its name.
func (r *Repository) Send(ctx context.Context, id backup.ID, name string, src io.ReaderAt, opts UploadOptions) error {
	opts.Beside = beside(id)
	if err := r.files.MkdirAll(ctx, r.files.At(opts.Beside)); err != nil {
		return err
	}
	return r.files.Send(ctx, backup.IncomingPath(id), name, src, opts)
}

// Place gives a file of a backup in incoming/ that was sent its name.
func (r *Repository) Place(ctx context.Context, id backup.ID, file backup.File, token string) error {
	return r.files.Place(ctx, backup.IncomingPath(id), file, UploadOptions{Token: token, Beside: beside(id)})
}

// RemoveSent removes what was sent of a file of a backup in incoming/ and has no name of its
// own, whoever sent it.
func (r *Repository) RemoveSent(ctx context.Context, id backup.ID, name string) error {
	entries, err := r.files.List(ctx, r.files.At(beside(id)))
	if err != nil && !folder.IsMissing(err) {
		return err
	}
	for _, entry := range entries {
		if folder.IsSent(entry.Name, name) {
			if err := r.files.Remove(ctx, r.files.At(beside(id), entry.Name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// ClearSent removes the folder of what was sent of a backup, when it is published. What is
// held open there stays until the next run.
func (r *Repository) ClearSent(ctx context.Context, id backup.ID) error {
	err := r.files.Remove(ctx, r.files.At(beside(id)))
	if errors.Is(err, fs.ErrExist) { // it is not empty
		_, err = r.files.RemoveAll(ctx, r.files.At(beside(id)))
	}
	return err
}

// ReadIncoming streams a file of a backup in incoming/.
func (r *Repository) ReadIncoming(ctx context.Context, id backup.ID, name string, w io.Writer) error {
	_, err := r.files.Download(ctx, r.incoming(id, name), 0, w)
	return err
}

// Check makes sure that the folder of a backup in incoming/ holds the backup: it reads
// the given files again, takes from SHA256SUMS among them which others must be there,
// and removes work files. An attempt that was given up may have written to them
// since; a large catalog is left out, which got its name when all of it had been compared. What others put there is returned; it stays, or moves out of
// the way where it could be taken for a file of the backup.
func (r *Repository) Check(ctx context.Context, id backup.ID, written []backup.File) (backup.Foreign, error) {
	wanted := map[string]bool{}
	var listed []byte // SHA256SUMS
	for _, file := range written {
		wanted[file.Name] = true
		if file.Name == backup.CatalogFile && file.Size > share.SmallFile {
			continue
		}
		data, err := r.files.Read(ctx, r.incoming(id, file.Name), max(file.Size, folder.MaxSums))
		if err != nil && !folder.IsMissing(err) && fault.CodeOf(err) != fault.BackupDamaged {
			return backup.Foreign{}, err
		}
		if err != nil || folder.Describe(file.Name, data) != file {
			return backup.Foreign{}, fault.Newf(fault.ShareCorrupted, "%s of %s gave back other bytes than were written", file.Name, r)
		}
		if file.Name == backup.SumsFile {
			listed = data
		}
	}
	if listed == nil {
		var err error
		if listed, err = r.files.Read(ctx, r.incoming(id, backup.SumsFile), folder.MaxSums); err != nil {
			return backup.Foreign{}, err
		}
	}
	sums, err := backup.DecodeSums(listed)
	if err != nil {
		return backup.Foreign{}, fault.New(fault.ShareCorrupted, "the sums on "+r.String()+" cannot be read again", err)
	}
	for _, file := range sums {
		wanted[file.Name] = true
	}
	return r.files.Tidy(ctx, backup.IncomingPath(id), wanted)
}

// Published reports whether the backup has its final name, and which.
func (r *Repository) Published(ctx context.Context, id backup.ID, startedAt time.Time) (string, bool, error) {
	final := r.files.At(backup.BackupPath(id, startedAt))
	info, err := r.files.Stat(ctx, final)
	if folder.IsMissing(err) {
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
	final := r.files.At(backup.BackupPath(id, startedAt))
	renameErr := r.files.Rename(ctx, r.incoming(id), final)
	if renameErr == nil {
		return final, nil
	}
	if _, done, err := r.Published(ctx, id, startedAt); err == nil && done {
		return final, nil // by an earlier attempt, or by this one and the reply was lost
	}
	return "", renameErr
}

// Discard removes a backup's work in progress. A missing one is fine, and what others
// put there stays. The folder first loses its name in one step: an attempt to publish
// that nobody waits for any more finds all of it or nothing, never what is left of it.
func (r *Repository) Discard(ctx context.Context, id backup.ID) error {
	if _, err := r.files.ThrowAway(ctx, backup.IncomingPath(id), id); err != nil && !folder.IsMissing(err) && insurmountable(ctx, err) {
		return err
	}
	entries, err := r.files.List(ctx, r.files.At(backup.IncomingDir))
	if folder.IsMissing(err) {
		return nil
	}
	if err != nil && fault.CodeOf(err) != fault.LimitExceeded {
		return err
	}
	for _, entry := range entries { // what an earlier attempt has renamed, too
		if entry.IsDir && folder.WorkOwner(entry.Name) == id {
			if _, err := r.files.RemoveAll(ctx, r.files.At(backup.IncomingDir, entry.Name)); err != nil {
				return err
			}
		}
	}
	return nil
}
