package activities

import (
	"context"
	"errors"
	"path"
	"time"

	"golang.org/x/sync/errgroup"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/repository"
	"infrabackup/internal/upkeep"
)

// PublishBackup removes the work files, reads back what SealBackup wrote, makes sure
// that the folder holds the backup, gives it its name with one rename, and enters it
// into the ledger. Before that rename nothing is a backup; after it
// everything is there.
func (a *Activities) PublishBackup(ctx context.Context, in flow.PublishBackupInput) (flow.PublishBackupOutput, error) {
	repo, s, err := a.repository(ctx, in.Revision)
	if err != nil {
		return flow.PublishBackupOutput{}, err
	}
	startPhase(ctx, "", flow.PhaseReadBack, 0)
	st, err := a.anchors(repo, s).Check(ctx)
	if err != nil {
		return flow.PublishBackupOutput{}, err
	}
	w, err := a.writer(ctx, repo, s)
	if err != nil {
		return flow.PublishBackupOutput{}, err
	}
	w.sawAnchors(st)
	_, before, err := repo.Published(ctx, in.BackupID, in.StartedAt)
	if err != nil {
		return flow.PublishBackupOutput{}, err
	}
	var others backup.Foreign
	if !before {
		if others, err = a.prepare(ctx, w, in); err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return flow.PublishBackupOutput{}, err
		}
	}
	// From here on it is a backup, and is entered, also when nobody waits for it any more.
	longer, end := outlasting(ctx, enterTime)
	defer end()
	out, err := a.enterPublished(longer, w, in, before)
	if err != nil {
		return flow.PublishBackupOutput{}, errors.Join(err, ctx.Err())
	}
	if !before {
		others.Moved(path.Join(a.Instance.Name, backup.IncomingPath(in.BackupID)), out.Path)
		out.Foreign = others
	}
	// What attempts that hang hold open there may take minutes; the next run removes it.
	clearing, stop := context.WithTimeout(longer, clearTime)
	_ = repo.ClearSent(clearing, in.BackupID)
	stop()
	// What an attempt to seal that was ended kept here; other hosts are released by the workflow.
	return out, a.Spool.Release(in.BackupID, "")
}

// enterPublished gives the backup its name, unless an attempt before has, and enters it.
func (a *Activities) enterPublished(ctx context.Context, w *shareWriter, in flow.PublishBackupInput, before bool) (out flow.PublishBackupOutput, err error) {
	if out.Path, err = w.repo.Publish(ctx, in.BackupID, in.StartedAt); err != nil {
		return out, err
	}
	if before {
		// An attempt may come weeks after the one that published, and the backup have another
		// key by then: what the ledger knows of it stays the newest that it says.
		ledger, err := w.repo.Ledger().Read(ctx, w.Trusted())
		if err != nil {
			return out, err
		}
		if _, known := ledger.State(in.BackupID); known {
			return out, nil
		}
		w.Saw(ledger, ledger.Head())
	}
	return out, w.Append(ctx, backup.LedgerEntry{
		Action: backup.LedgerCreated, BackupID: in.BackupID, Folder: path.Base(out.Path), SumsSHA256: sumsOf(in.Sealed),
		Recipients: w.settings.PublicRecipients(), By: in.RequestedBy,
	})
}

// outlasting returns a context that ends so long after ctx, and not with it.
func outlasting(ctx context.Context, by time.Duration) (longer context.Context, end func()) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(by, cancel)
		context.AfterFunc(longer, func() { timer.Stop() })
	})
	return longer, func() {
		stop()
		cancel()
	}
}

const (
	// enterTime bounds how long a backup is published and entered after a cancellation.
	enterTime = time.Minute
	// clearTime bounds how long it takes to remove what was sent for nothing.
	clearTime = 5 * time.Second
)

// prepare makes sure that the backup can be published, and returns what others put into
// its folder.
func (a *Activities) prepare(ctx context.Context, w *shareWriter, in flow.PublishBackupInput) (others backup.Foreign, err error) {
	head, err := w.Head(ctx)
	if err != nil {
		return others, err
	}
	w.Saw(nil, head) // nobody deletes what has no name yet
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		others, err = w.repo.Check(ctx, in.BackupID, in.Sealed)
		return err
	})
	group.Go(func() error {
		if err := w.Claim(ctx); err != nil {
			return err
		}
		return w.repo.WriteInstanceFiles(ctx, w.Trusted())
	})
	err = group.Wait()
	return others, err
}

// sumsOf is the digest of SHA256SUMS among what was sealed.
func sumsOf(sealed []backup.File) string {
	for _, file := range sealed {
		if file.Name == backup.SumsFile {
			return file.SHA256
		}
	}
	return ""
}

// DiscardBackup removes what a run left on the share that has ended without a backup. A
// backup that was published, and that the ledger knows, stays, and the caller is told.
func (a *Activities) DiscardBackup(ctx context.Context, in flow.DiscardBackupInput) (flow.DiscardBackupOutput, error) {
	var out flow.DiscardBackupOutput
	repo, s, err := a.repository(ctx, in.Revision)
	if err != nil {
		return out, err
	}
	if err := errors.Join(repo.Discard(ctx, in.BackupID), a.Spool.Release(in.BackupID, "")); err != nil {
		return out, err
	}
	w, err := a.writer(ctx, repo, s)
	if err != nil {
		return out, err
	}
	out.Published, err = w.unpublish(ctx, in.BackupID)
	return out, err
}

// unpublish removes a backup that has its name and that nobody has entered, and returns
// the path of one that was. Its deletion is entered first, like any other: an attempt to
// publish that goes on still must not enter it behind that.
func (w *shareWriter) unpublish(ctx context.Context, id backup.ID) (listed string, err error) {
	folder, err := w.repo.DeletableFolder(ctx, id, w.Trusted())
	if fault.CodeOf(err) == fault.BackupNotFound {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	ledger, err := w.repo.Ledger().Read(ctx, w.Trusted())
	if err != nil {
		return "", err
	}
	s, known := ledger.State(id)
	if known && !s.Gone() {
		return path.Join(w.activities.Instance.Name, backup.BackupsDir, folder), nil
	}
	if !known {
		var by string
		if made, err := w.repo.Open(ctx, backup.Ref{ID: id}); err == nil {
			by = made.Overview().RequestedBy
		}
		if err := w.Append(ctx, backup.LedgerEntry{Action: backup.LedgerDeleted, BackupID: id, Folder: folder, By: by}); err != nil {
			return "", err
		}
	}
	_, err = w.repo.Delete(ctx, id, repository.DeleteOptions{Retry: true})
	return "", err
}

// DeleteBackup enters the deletion into the ledger and removes a finished backup, in
// this order: a deletion that is ended in between shows as a backup that should be
// gone, never as one that somebody else removed. An attempt that finds it gone because
// the one before had removed it says so. While two folders have the backup's ID, nothing
// is done.
func (a *Activities) DeleteBackup(ctx context.Context, in flow.DeleteInput) (backup.Overview, error) {
	repo, s, err := a.repository(ctx, 0)
	if err != nil {
		return backup.Overview{}, err
	}
	if _, err := a.anchors(repo, s).Check(ctx); err != nil {
		return backup.Overview{}, err
	}
	signers, err := a.trusted(ctx, s)
	if err != nil {
		return backup.Overview{}, err
	}
	if err := unchanged(ctx, repo, s.Revision, signers, in, a.upkeepState); err != nil {
		return backup.Overview{}, err
	}
	folder, err := repo.DeletableFolder(ctx, in.BackupID, signers)
	again := attempt(ctx) > 1
	action := backup.LedgerDeleted
	if in.Pruned {
		action = backup.LedgerPruned
	}
	switch {
	case err == nil:
		w, err := a.writer(ctx, repo, s)
		if err != nil {
			return backup.Overview{}, err
		}
		err = w.Append(ctx, backup.LedgerEntry{Action: action, BackupID: in.BackupID, Folder: folder, By: in.RequestedBy})
		if err != nil {
			return backup.Overview{}, err
		}
	case !again || fault.CodeOf(err) != fault.BackupNotFound:
		return backup.Overview{}, err
	}
	return repo.Delete(ctx, in.BackupID, repository.DeleteOptions{Retry: again})
}

// unchanged makes sure that a deletion finds what its caller has seen: the same settings,
// the same reasons, and a backup to which nothing else has happened since. What the deletion itself has
// entered in an earlier attempt is no change.
func unchanged(ctx context.Context, repo *repository.Repository, revision int64, signers []byte, in flow.DeleteInput, now func(context.Context) (flow.UpkeepState, error)) error {
	if in.Seen == (flow.Seen{}) {
		return nil
	}
	if revision != in.Seen.Revision {
		return fault.Newf(fault.SettingsChanged, "backup %s was to be deleted under revision %d of the settings, and revision %d is active",
			in.BackupID, in.Seen.Revision, revision)
	}
	ledger, err := repo.Ledger().Read(ctx, signers)
	if err != nil {
		return err
	}
	last, known := ledger.State(in.BackupID)
	if known && last.Sequence > in.Seen.Ledger.Sequence && !last.Gone() {
		return fault.Newf(fault.SettingsChanged, "backup %s was %s after its deletion was requested", in.BackupID, last.Action)
	}
	if in.Seen.Reasons == "" || known && last.Gone() {
		return nil // what is entered is finished
	}
	state, err := now(ctx)
	if err != nil {
		return err
	}
	return upkeep.CheckReasons(state, in.Seen.Reasons, in.BackupID)
}
