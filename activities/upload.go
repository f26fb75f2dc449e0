package activities

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"sync/atomic"

	"infrabackup/internal/backup"
	"infrabackup/internal/blocksum"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/repository"
	"infrabackup/internal/spool"
)

// UploadPart writes a captured part, and the list of its items unless the result can hold
// that, from this host's spool to the share. It waits for what began while the part was captured, or goes on where
// the last attempt had flushed, and reads everything back and compares.
func (a *Activities) UploadPart(ctx context.Context, in flow.UploadPartInput) (flow.UploadPartOutput, error) {
	repo, _, err := a.repository(ctx, in.Revision)
	if err != nil {
		return flow.UploadPartOutput{}, err
	}
	hb := startPhase(ctx, in.Service, flow.PhaseUpload, in.Part.Size)
	up := &upload{repo: repo, spool: a.Spool, id: in.BackupID, hb: hb}
	out := flow.UploadPartOutput{Part: in.Part, Index: in.Index}
	early := a.senders.take(sentFile{in.BackupID, in.Part.Name})
	if out.ResumedFrom, err = up.part(ctx, in.Part, early); err != nil {
		return out, err
	}
	out.SentBytes = in.Part.Size - out.ResumedFrom
	if in.Inline {
		out.IndexData, err = a.index(in.BackupID, in.Index)
		return out, err
	}
	_, err = up.file(ctx, in.Index, nil)
	return out, err
}

// index reads a short list of items from this host's spool.
func (a *Activities) index(id backup.ID, file backup.File) ([]byte, error) {
	src, err := a.Spool.Open(id, file)
	if err != nil {
		return nil, err
	}
	data := make([]byte, file.Size)
	_, err = io.ReadFull(src, data)
	if err = errors.Join(err, src.Close()); err != nil {
		return nil, fault.New(fault.SpoolLost, file.Name+" cannot be read from the spool", err)
	}
	if !isFile(file, data) {
		return nil, fault.Newf(fault.SpoolLost, "%s in the spool is not what was captured", file.Name)
	}
	return data, nil
}

// isFile reports whether data is what a file is described to hold.
func isFile(file backup.File, data []byte) bool {
	sum := sha256.Sum256(data)
	return int64(len(data)) == file.Size && hex.EncodeToString(sum[:]) == file.SHA256
}

// upload takes files of one backup from the spool to the share.
type upload struct {
	repo  *repository.Repository
	spool *spool.Spool
	id    backup.ID
	hb    *heartbeater
}

// part completes what a sender has begun, and otherwise uploads the part. It returns the
// offset at which this upload began.
func (u *upload) part(ctx context.Context, file backup.File, early *sender) (int64, error) {
	if early != nil {
		err := early.wait(ctx, u.hb)
		if ended := ctx.Err(); ended != nil {
			return 0, ended // also when all was sent: it has no name yet
		}
		if err == nil {
			err = u.repo.Place(ctx, u.id, file, early.token)
		}
		if err == nil {
			return 0, nil
		}
		// What the sender has not done is done now, and what it met is met again.
	}
	blocks, err := u.spool.LoadBlocks(u.id, file)
	if err != nil {
		return 0, err
	}
	return u.file(ctx, file, blocks)
}

// file uploads one file and returns the offset at which it began.
func (u *upload) file(ctx context.Context, file backup.File, blocks *blocksum.Table) (int64, error) {
	journal, err := u.spool.LoadJournal(u.id, file.Name)
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
		err = errors.Join(err, u.spool.SaveJournal(u.id, file.Name, spool.Journal{Target: token}))
	}
	return from, err
}

func (u *upload) from(ctx context.Context, file backup.File, opts repository.UploadOptions) error {
	src, err := u.spool.Open(u.id, file)
	if err != nil {
		return err
	}
	u.hb.setPhase(flow.PhaseUpload, file.Size)
	u.hb.bytes.Store(opts.From)
	var whole atomic.Bool // all is flushed, so that reading back is what counts
	opts.Flushed = func(offset int64) error {
		if offset == file.Size {
			whole.Store(true)
			u.hb.setPhase(flow.PhaseReadBack, file.Size)
		} else {
			u.hb.bytes.Store(offset)
		}
		return u.spool.SaveJournal(u.id, file.Name, spool.Journal{Target: opts.Token, Flushed: offset})
	}
	opts.ReadBack = func(done int64) {
		if whole.Load() || opts.Blocks == nil {
			u.hb.bytes.Store(done)
		}
	}
	err = u.repo.Upload(ctx, u.id, file, src, opts)
	return errors.Join(err, src.Close())
}

// ReleaseSpool forgets what this host captured for a backup.
func (a *Activities) ReleaseSpool(_ context.Context, in flow.ReleaseSpoolInput) (struct{}, error) {
	a.senders.stop(func(f sentFile) bool {
		return f.id == in.BackupID && (in.Service == "" || f.name == spool.PartName(in.Service))
	})
	return struct{}{}, a.Spool.Release(in.BackupID, in.Service)
}
