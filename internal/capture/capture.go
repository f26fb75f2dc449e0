package capture

import (
	"context"
	"errors"
	"io"

	"infrabackup/internal/archive"
	"infrabackup/internal/backup"
	"infrabackup/internal/collect"
	"infrabackup/internal/repository"
	"infrabackup/internal/seal"
	"infrabackup/internal/spool"
)

// Recorder captures services into a spool.
type Recorder struct {
	Spool     *spool.Spool
	Encrypter Encrypter // of parts
	Progress  Progress
	// Senders upload a part while it is captured, to what Repository opens. None does
	// without it.
	Senders    *Senders
	Repository func(ctx context.Context) (*repository.Repository, error)
}

// Request says for which backup a service is captured, and who can read that.
type Request struct {
	BackupID      backup.ID
	Recipient     string // of the part
	WorkRecipient string // of the list of its items
}

// Captured is a service in the spool. The result has all gaps, and is in no file yet.
type Captured struct {
	Part   backup.File
	Index  backup.File // the list of its items
	Result backup.ServiceResult
}

// Capture captures one service, so that plain text never touches a disk. When it fails,
// nothing is left of it in the spool.
func (r *Recorder) Capture(ctx context.Context, collector collect.Collector, in Request) (out Captured, err error) {
	service := collector.Service()
	captured := false
	part, err := Create(ctx, r.Spool, r.Encrypter, in.BackupID, spool.PartName(service), in.Recipient)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, part.Abandon()) }()
	if r.Repository != nil {
		early, err := r.Senders.start(ctx, r.Repository, r.Spool, part)
		if err != nil {
			return out, err
		}
		defer func() { early.captured(ctx, captured) }() // before the file goes
	}
	index, err := Create(ctx, r.Spool, seal.FileEncrypter{}, in.BackupID, spool.IndexName(service), in.WorkRecipient)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, index.Abandon()) }()

	catalog := archive.NewCatalogWriter(index)
	writer, err := archive.NewWriter(part, service, catalog.Add)
	if err != nil {
		return out, err
	}
	seen, err := collector.Collect(ctx, &watched{ctx: ctx, sink: writer, to: r.Progress, part: part})
	if err != nil {
		return out, err
	}
	summary, err := writer.Close()
	if err != nil {
		return out, err
	}
	if err := catalog.Close(); err != nil {
		return out, err
	}
	if out.Part, err = part.Flush(); err != nil {
		return out, err
	}
	if out.Index, err = index.Flush(); err != nil {
		return out, err
	}
	if err := r.Spool.SaveBlocks(in.BackupID, out.Part.Name, part.blocks); err != nil {
		return out, err
	}
	if err := errors.Join(part.close(), index.close()); err != nil {
		return out, err
	}
	out.Result = backup.ServiceResult{
		Service: service, Status: backup.Running, Items: summary.Items, Bytes: out.Part.Size, PlainBytes: summary.PlainBytes,
		WindowStart: seen.Start.UTC(), WindowEnd: seen.End.UTC(), Cursor: seen.Cursor, Gaps: summary.Gaps,
	}
	captured = true
	return out, nil
}

// watched passes items on, ends when ctx does, and counts.
type watched struct {
	ctx  context.Context
	sink collect.Sink
	to   Progress
	part *File
}

// Record implements [collect.Sink].
func (w *watched) Record(item backup.Item, document []byte) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	if err := w.sink.Record(item, document); err != nil {
		return err
	}
	w.count()
	return nil
}

// File implements [collect.Sink].
func (w *watched) File(item backup.Item, info collect.FileInfo, r io.Reader) error {
	if err := w.sink.File(item, info, &ended{ctx: w.ctx, r: r, read: func() { w.to.SetBytes(w.part.written()) }}); err != nil {
		return err
	}
	w.count()
	return nil
}

// Gap implements [collect.Sink].
func (w *watched) Gap(gap backup.Gap) { w.sink.Gap(gap) }

func (w *watched) count() {
	w.to.AddItem()
	w.to.SetBytes(w.part.written())
}

// ended is a reader that fails when its context has ended.
type ended struct {
	ctx  context.Context
	r    io.Reader
	read func()
}

// Read implements io.Reader.
func (e *ended) Read(p []byte) (int, error) {
	if err := e.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := e.r.Read(p)
	e.read()
	return n, err
}
