package activities

import (
	"context"
	"errors"
	"io/fs"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/repository"
	"infrabackup/internal/spool"
)

// UploadPart writes a captured part, and the list of its items, from this host's
// spool to the share. It goes on where the last attempt had flushed, reads
// everything back and compares.
func (a *Activities) UploadPart(ctx context.Context, in flow.UploadPartInput) (flow.UploadPartOutput, error) {
	repo, _, err := a.repository(ctx, in.Revision)
	if err != nil {
		return flow.UploadPartOutput{}, err
	}
	beat := startHeart(ctx, in.Service, flow.PhaseUpload, in.Part.Size)
	up := &upload{repo: repo, spool: a.Spool, id: in.BackupID, beat: beat}
	out := flow.UploadPartOutput{Part: in.Part, Index: in.Index}
	if out.ResumedFrom, err = up.file(ctx, in.Part); err != nil {
		return out, err
	}
	out.SentBytes = in.Part.Size - out.ResumedFrom
	if _, err := up.file(ctx, in.Index); err != nil {
		return out, err
	}
	return out, nil
}

// upload takes files of one backup from the spool to the share.
type upload struct {
	repo  *repository.Repository
	spool *spool.Spool
	id    backup.ID
	beat  *heart
}

// file uploads one file and returns the offset at which it began.
func (u *upload) file(ctx context.Context, file backup.File) (int64, error) {
	token := file.SHA256[:16]
	journal, err := u.spool.LoadJournal(u.id, file.Name)
	if err != nil {
		return 0, err
	}
	from := int64(0)
	if journal.Target == token && journal.Flushed <= file.Size {
		from = journal.Flushed
	}
	err = u.from(ctx, file, token, from)
	if from > 0 && errors.Is(err, fs.ErrNotExist) {
		// The share lost what it had: begin anew.
		from = 0
		err = u.from(ctx, file, token, from)
	}
	if fault.CodeOf(err) == fault.ShareCorrupted {
		err = errors.Join(err, u.spool.SaveJournal(u.id, file.Name, spool.Journal{Target: token}))
	}
	return from, err
}

func (u *upload) from(ctx context.Context, file backup.File, token string, from int64) error {
	src, err := u.spool.Open(u.id, file)
	if err != nil {
		return err
	}
	u.beat.enter(flow.PhaseUpload, file.Size)
	u.beat.bytes.Store(from)
	reading := false
	err = u.repo.Upload(ctx, u.id, file, src, repository.UploadOptions{
		Token: token,
		From:  from,
		Flushed: func(offset int64) error {
			u.beat.bytes.Store(offset)
			return u.spool.SaveJournal(u.id, file.Name, spool.Journal{Target: token, Flushed: offset})
		},
		ReadBack: func(done int64) {
			if !reading {
				reading = true
				u.beat.enter(flow.PhaseReadBack, file.Size)
			}
			u.beat.bytes.Store(done)
		},
	})
	return errors.Join(err, src.Close())
}

// ReleaseSpool forgets what this host captured for a backup.
func (a *Activities) ReleaseSpool(_ context.Context, in flow.ReleaseSpoolInput) (struct{}, error) {
	return struct{}{}, a.Spool.Release(in.BackupID, in.Service)
}
