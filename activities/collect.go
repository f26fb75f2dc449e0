package activities

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"

	"infrabackup/internal/archive"
	"infrabackup/internal/backup"
	"infrabackup/internal/blocksum"
	"infrabackup/internal/collect"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/seal"
	"infrabackup/internal/spool"
)

// maxGaps and maxGapBytes bound the gaps that travel in a result, and with those of all other
// services in one input, of which Temporal takes 2 MiB; further ones are counted by code.
const (
	maxGaps     = 200
	maxGapBytes = 48 << 10
)

// Collect captures one service into this host's spool: source → tar → zstd → age, so
// that plain text never touches a disk. What is large is uploaded while it is captured, which
// [Activities.UploadPart] completes. A repeated attempt starts over.
func (a *Activities) Collect(ctx context.Context, in flow.CollectInput) (flow.CollectOutput, error) {
	collector, ok := a.collectors[in.Service]
	if !ok {
		return flow.CollectOutput{}, fault.Newf(fault.SourceNotConfigured, "worker %s has no source for %s", a.Host, in.Service)
	}
	_, workRecipient, err := a.workKey(in.WorkKeyID, in.BackupID)
	if err != nil {
		return flow.CollectOutput{}, err
	}
	// What an attempt before this one sends is not wanted any more.
	a.senders.stop(func(f sentFile) bool { return f.id != in.BackupID || f.name == spool.PartName(in.Service) })
	if err := a.Spool.Begin(in.BackupID); err != nil {
		return flow.CollectOutput{}, err
	}
	rec := &recording{spool: a.Spool, hb: startPhase(ctx, in.Service, flow.PhaseCapture, 0), encrypter: a.Encrypter}
	if in.Revision > 0 {
		rec.send = func(part *sealedFile) (*sender, error) { return a.sendEarly(ctx, in, part) }
	}
	captured, err := rec.capture(ctx, collector, in, workRecipient)
	if err != nil {
		return flow.CollectOutput{}, err
	}
	captured.Host = a.Host
	return captured, nil
}

// recording is one capture on its way into the spool.
type recording struct {
	spool     *spool.Spool
	hb        *heartbeater
	encrypter Encrypter
	send      func(part *sealedFile) (*sender, error) // begins to upload a part while it is captured; nil does not
}

func (r *recording) capture(ctx context.Context, collector collect.Collector, in flow.CollectInput, workRecipient string) (out flow.CollectOutput, err error) {
	captured := false
	part, err := r.create(ctx, in.BackupID, spool.PartName(in.Service), r.encrypter, in.Recipient)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, part.abandon()) }()
	if r.send != nil {
		early, err := r.send(part)
		if err != nil {
			return out, err
		}
		defer func() { early.captured(ctx, captured) }() // before the file goes
	}
	index, err := r.create(ctx, in.BackupID, spool.IndexName(in.Service), seal.FileEncrypter{}, workRecipient)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, index.abandon()) }()

	catalog := archive.NewCatalogWriter(index)
	writer, err := archive.NewWriter(part, in.Service, catalog.Add)
	if err != nil {
		return out, err
	}
	seen, err := collector.Collect(ctx, &watched{ctx: ctx, sink: writer, hb: r.hb, part: part})
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
	if out.Part, err = part.flush(); err != nil {
		return out, err
	}
	if out.Index, err = index.flush(); err != nil {
		return out, err
	}
	if err := r.spool.SaveBlocks(in.BackupID, out.Part.Name, part.blocks); err != nil {
		return out, err
	}
	if err := errors.Join(part.close(), index.close()); err != nil {
		return out, err
	}
	out.Result = backup.ServiceResult{
		Service: in.Service, Status: backup.Running, Items: summary.Items, Bytes: out.Part.Size, PlainBytes: summary.PlainBytes,
		WindowStart: seen.Start.UTC(), WindowEnd: seen.End.UTC(), Cursor: seen.Cursor, Gaps: backup.BoundGaps(summary.Gaps, maxGaps, maxGapBytes),
	}
	captured = true
	return out, nil
}

// watched passes items on, ends when ctx does, and counts for the heartbeat.
type watched struct {
	ctx  context.Context
	sink collect.Sink
	hb   *heartbeater
	part *sealedFile
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
	if err := w.sink.File(item, info, &ended{ctx: w.ctx, r: r, read: func() { w.hb.bytes.Store(w.part.written()) }}); err != nil {
		return err
	}
	w.count()
	return nil
}

// Gap implements [collect.Sink].
func (w *watched) Gap(gap backup.Gap) { w.sink.Gap(gap) }

func (w *watched) count() {
	w.hb.items.Add(1)
	w.hb.bytes.Store(w.part.written())
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

// sealedFile is a spool file that is encrypted as it is written.
type sealedFile struct {
	id     backup.ID
	name   string
	spool  *spool.Spool
	file   *os.File
	blocks *blocksum.Table
	enc    io.WriteCloser
	end    context.CancelFunc // of the encryption
}

func (r *recording) create(ctx context.Context, id backup.ID, name string, encrypter Encrypter, recipient string) (*sealedFile, error) {
	file, err := r.spool.Create(id, name)
	if err != nil {
		return nil, err
	}
	s := &sealedFile{id: id, name: name, spool: r.spool, file: file, blocks: blocksum.NewTable()}
	ctx, s.end = context.WithCancel(ctx)
	s.enc, err = encrypter.Encrypt(ctx, file, recipient, s.blocks)
	if err != nil {
		return nil, errors.Join(s.classified(err), s.abandon())
	}
	return s, nil
}

// Write implements io.Writer for plain text.
func (s *sealedFile) Write(p []byte) (int, error) {
	n, err := s.enc.Write(p)
	return n, s.classified(err)
}

// classified makes a fault of the spool's of what says that the file cannot be written.
func (s *sealedFile) classified(err error) error {
	if path := (*fs.PathError)(nil); errors.As(err, &path) {
		return s.spool.Classify("write "+s.name, err)
	}
	return err
}

// written is the size so far, to the last MiB.
func (s *sealedFile) written() int64 { return s.blocks.Written() }

// finish completes the encryption, makes the file durable and closes it.
func (s *sealedFile) finish() (backup.File, error) {
	file, err := s.flush()
	if err != nil {
		return backup.File{}, err
	}
	return file, s.close()
}

// flush completes the encryption and makes the file durable.
func (s *sealedFile) flush() (backup.File, error) {
	if err := s.enc.Close(); err != nil {
		return backup.File{}, s.classified(err)
	}
	if err := s.file.Sync(); err != nil {
		return backup.File{}, s.spool.Classify("flush "+s.name, err)
	}
	size, sum, ok := s.blocks.Whole()
	if !ok {
		return backup.File{}, fault.Newf(fault.Internal, "%s was encrypted, and its sums are missing", s.name)
	}
	return backup.File{Name: s.name, Size: size, SHA256: sum}, nil
}

// close keeps the file.
func (s *sealedFile) close() error {
	s.end()
	file := s.file
	s.file = nil
	return s.spool.Classify("close "+s.name, file.Close())
}

// abandon gives the encryption up and removes the file of a capture that failed, unless
// an attempt that came later has put another in its place. After close it does nothing.
func (s *sealedFile) abandon() error {
	if s.file == nil {
		return nil
	}
	s.end()
	if s.enc != nil {
		_ = s.enc.Close() // says that it was given up; afterwards nothing writes any more
	}
	return errors.Join(s.spool.Discard(s.id, s.name, s.file), s.close())
}
