package capture

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"sync/atomic"

	"infrabackup/internal/backup"
	"infrabackup/internal/blocksum"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository"
	"infrabackup/internal/spool"
)

// Upload takes files of one backup from the spool to the share.
type Upload struct {
	Repository *repository.Repository
	Spool      *spool.Spool
	BackupID   backup.ID
	Progress   Progress
}

// Part completes what one of the senders has begun, and otherwise uploads the part. It
// returns the offset at which this upload began.
func (u *Upload) Part(ctx context.Context, file backup.File, senders *Senders) (int64, error) {
	if early := senders.take(sentFile{u.BackupID, file.Name}); early != nil {
		err := early.wait(ctx, u.Progress)
		if ended := ctx.Err(); ended != nil {
			return 0, ended // also when all was sent: it has no name yet
		}
		if err == nil {
			err = u.Repository.Place(ctx, u.BackupID, file, early.token)
		}
		if err == nil {
			return 0, nil
		}
		// What the sender has not done is done now, and what it met is met again.
	}
	blocks, err := u.Spool.LoadBlocks(u.BackupID, file)
	if err != nil {
		return 0, err
	}
	return u.File(ctx, file, blocks)
}

// File uploads one file, goes on where an earlier attempt had flushed, reads everything back
// and compares. Blocks are its sums, nil to take them again. It returns the offset at which it
// began.
func (u *Upload) File(ctx context.Context, file backup.File, blocks *blocksum.Table) (int64, error) {
	journal, err := u.Spool.LoadJournal(u.BackupID, file.Name)
	if err != nil {
		return 0, err
	}
	token, from := file.SHA256[:16], int64(0)
	if journal.Target != "" && journal.Flushed <= file.Size {
		token, from = journal.Target, journal.Flushed
	}
	opts := repository.UploadOptions{Token: token, From: from, Blocks: blocks}
	err = u.from(ctx, file, opts)
	if from > 0 && errors.Is(err, fs.ErrNotExist) {
		// The share lost what it had: start over.
		from, opts.From = 0, 0
		err = u.from(ctx, file, opts)
	}
	if fault.CodeOf(err) == fault.ShareCorrupted {
		err = errors.Join(err, u.Spool.SaveJournal(u.BackupID, file.Name, spool.Journal{Target: token}))
	}
	return from, err
}

func (u *Upload) from(ctx context.Context, file backup.File, opts repository.UploadOptions) error {
	src, err := u.Spool.Open(u.BackupID, file)
	if err != nil {
		return err
	}
	u.Progress.StartUpload(file.Size)
	u.Progress.SetBytes(opts.From)
	var whole atomic.Bool // all is flushed, so that reading back is what counts
	opts.Flushed = func(offset int64) error {
		if offset == file.Size {
			whole.Store(true)
			u.Progress.StartReadBack(file.Size)
		} else {
			u.Progress.SetBytes(offset)
		}
		return u.Spool.SaveJournal(u.BackupID, file.Name, spool.Journal{Target: opts.Token, Flushed: offset})
	}
	opts.ReadBack = func(done int64) {
		if whole.Load() || opts.Blocks == nil {
			u.Progress.SetBytes(done)
		}
	}
	err = u.Repository.Upload(ctx, u.BackupID, file, src, opts)
	return errors.Join(err, src.Close())
}

// ReadIndex reads a short list of items from a spool.
func ReadIndex(spool *spool.Spool, id backup.ID, file backup.File) ([]byte, error) {
	src, err := spool.Open(id, file)
	if err != nil {
		return nil, err
	}
	data := make([]byte, file.Size)
	_, err = io.ReadFull(src, data)
	if err = errors.Join(err, src.Close()); err != nil {
		return nil, fault.New(fault.SpoolLost, file.Name+" cannot be read from the spool", err)
	}
	if !file.Holds(data) {
		return nil, fault.Newf(fault.SpoolLost, "%s in the spool is not what was captured", file.Name)
	}
	return data, nil
}
