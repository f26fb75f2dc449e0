package folder

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"sync"

	"infrabackup/internal/backup"
	"infrabackup/internal/blocksum"
	"infrabackup/internal/fault"
	"infrabackup/internal/share"
)

// UploadOptions tell how an upload goes on and reports.
type UploadOptions struct {
	// Token is part of the temporary name, so that late writes of a dead attempt
	// with other bytes cannot reach this one's file.
	Token string
	// From is the offset below which an earlier attempt with the same token has
	// flushed everything. A file of at most [share.SmallFile] is written from its beginning.
	From int64
	// Flushed, of larger files, is called with ever larger offsets that are on stable storage.
	Flushed func(offset int64) error
	// ReadBack is called with the number of bytes that were read back.
	ReadBack func(done int64)
	// Beside is a folder, relative to the instance, in which a file that is not small lies until
	// it has its name; empty for the one that it goes to. What a host that hangs holds open
	// there keeps nobody from renaming the folder that the file goes to.
	Beside string
	// Blocks, when there are any, are the sums of the file's blocks. What is read back is
	// compared with them, and while the upload goes on; without them it is hashed when
	// everything was uploaded.
	Blocks *blocksum.Table
}

// Deliver writes a file into a folder, which is relative to the instance, under a
// temporary name, reads all of it back, compares, and only then gives it its name. When the
// name is there already with the right bytes, that is success: the reply to an earlier
// rename was lost.
func (f *Folder) Deliver(ctx context.Context, into string, file backup.File, src io.ReaderAt, opts UploadOptions) error {
	final := f.At(into, file.Name)
	if file.Size <= share.SmallFile {
		return f.deliverSmall(ctx, into, file, src, opts)
	}
	if same, err := f.holdsOrClears(ctx, final, file, opts.ReadBack); err != nil || same {
		return err
	}
	var err error
	if opts.Blocks != nil && file.Size > blocksum.Size { // connections of their own cost more than a small file
		err = f.Send(ctx, into, file.Name, src, opts)
	} else {
		err = f.sendHashed(ctx, into, file, src, opts)
	}
	if err != nil {
		return err
	}
	return f.Place(ctx, into, file, opts)
}

// holdsOrClears reports whether the file exists with the wanted bytes, and clears its place
// when something else is there: other bytes under this name are an earlier capture's, whose
// host did not live to report them.
func (f *Folder) holdsOrClears(ctx context.Context, final string, file backup.File, progress func(int64)) (same bool, err error) {
	same, there, err := f.look(ctx, final, file, progress)
	if err != nil || same || !there {
		return same, err
	}
	return false, f.ClearPlace(ctx, final)
}

// temporary is the name that a file has until it has its own.
func (f *Folder) temporary(into, name string, opts UploadOptions) string {
	return f.At(cmp.Or(opts.Beside, into), name+"."+opts.Token+tempSuffix)
}

// sendHashed writes a file under its temporary name, and then reads all of it back.
func (f *Folder) sendHashed(ctx context.Context, into string, file backup.File, src io.ReaderAt, opts UploadOptions) error {
	temp := f.temporary(into, file.Name, opts)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	err := f.Upload(ctx, temp, src, opts.From, file.Size, opts.reportTo(cancel))
	if err != nil {
		return cause(ctx, err)
	}
	same, err := f.Holds(ctx, temp, file, opts.ReadBack)
	if err != nil {
		return cause(ctx, err)
	}
	if !same {
		return f.otherBytes(ctx, temp, file.Name)
	}
	return nil
}

// reportTo makes an error of Flushed end the upload.
func (o UploadOptions) reportTo(cancel context.CancelCauseFunc) func(offset int64) {
	return func(offset int64) {
		if o.Flushed == nil {
			return
		}
		if err := o.Flushed(offset); err != nil {
			cancel(err)
		}
	}
}

// cause is that of the end of ctx when it is a fault, such as that of a journal, else err.
func cause(ctx context.Context, err error) error {
	if f, ok := fault.Of(context.Cause(ctx)); ok {
		return f
	}
	return err
}

// otherBytes says that what was uploaded cannot be trusted, and removes it, so that the next
// attempt starts over.
func (f *Folder) otherBytes(ctx context.Context, temp, name string) error {
	return errors.Join(fault.Newf(fault.ShareCorrupted, "%s of %s gave back other bytes than were written", name, f), f.Remove(ctx, temp))
}

// Send writes a file under its temporary name as it grows, which opts.Blocks tell, and reads
// back at once, over a connection of its own, what is on stable storage. It returns when all
// of the file was written and compared. What differs is SHARE_CORRUPTED, or SPOOL_LOST when
// it is src that has changed.
func (f *Folder) Send(ctx context.Context, into, name string, src io.ReaderAt, opts UploadOptions) error {
	temp := f.temporary(into, name, opts)
	parent := ctx
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	onShare := blocksum.NewProgress()
	report := opts.reportTo(cancel)
	var uploading sync.WaitGroup
	var uploadErr error
	onShare.Advance(opts.From)
	uploading.Go(func() {
		var size int64
		size, uploadErr = f.UploadGrowing(ctx, temp, src, opts.From, opts.Blocks, func(offset int64) {
			report(offset)
			onShare.Advance(offset)
		})
		if uploadErr != nil {
			onShare.Fail(errUploadFailed)
		}
		onShare.End(size)
	})
	checker := opts.Blocks.NewChecker()
	_, readErr := f.DownloadGrowing(ctx, temp, onShare, &counter{w: checker, progress: opts.ReadBack})
	if readErr != nil {
		cancel(readErr)
	}
	uploading.Wait()
	var differs *blocksum.MismatchError
	switch {
	case errors.As(readErr, &differs):
		if err := changed(src, name, differs, opts.Blocks); err != nil {
			return err
		}
		return f.otherBytes(parent, temp, name)
	case readErr != nil && !errors.Is(readErr, errUploadFailed) && (uploadErr == nil || parent.Err() == nil && errors.Is(uploadErr, context.Canceled)):
		return cause(ctx, readErr)
	case uploadErr != nil:
		return cause(ctx, uploadErr)
	case !checker.Complete():
		return f.otherBytes(parent, temp, name)
	}
	return nil
}

// errUploadFailed ends the reading back of what is not going to be complete.
var errUploadFailed = errors.New("the upload has failed")

// changed tells whether it is the source that differs from its sums, which is SPOOL_LOST.
func changed(src io.ReaderAt, name string, where *blocksum.MismatchError, blocks *blocksum.Table) error {
	block := make([]byte, where.Length)
	if _, err := src.ReadAt(block, where.Offset); err != nil && !errors.Is(err, io.EOF) {
		return nil // what it holds is not known to differ
	}
	if blocks.Has(where.Offset, block) {
		return nil
	}
	return fault.New(fault.SpoolLost, "captured data "+name+" is no longer what it was when it was captured", where)
}

// Place gives a file that was sent its name. When the name is there already with the right
// bytes, that is success.
func (f *Folder) Place(ctx context.Context, into string, file backup.File, opts UploadOptions) error {
	final := f.At(into, file.Name)
	err := f.Rename(ctx, f.temporary(into, file.Name, opts), final)
	if err == nil {
		return nil
	}
	if same, lookErr := f.Holds(ctx, final, file, nil); lookErr == nil && same {
		return nil
	}
	return err
}

// deliverSmall is Deliver of a file that the store reads back by itself.
func (f *Folder) deliverSmall(ctx context.Context, into string, file backup.File, src io.ReaderAt, opts UploadOptions) error {
	opts.Beside = ""
	temp, final := f.temporary(into, file.Name, opts), f.At(into, file.Name)
	data := make([]byte, file.Size)
	if n, err := src.ReadAt(data, 0); n < len(data) {
		if errors.Is(err, io.EOF) || err == nil {
			err = io.ErrUnexpectedEOF
		}
		return fmt.Errorf("read what is to be written to %s: %w", temp, err)
	}
	if Describe(file.Name, data) != file {
		if opts.Blocks != nil {
			return fault.Newf(fault.SpoolLost, "captured data %s is no longer what it was when it was captured", file.Name)
		}
		return f.otherBytes(ctx, temp, file.Name)
	}
	// Before anything is written, and not when the rename finds the name taken: what has it
	// then is a later attempt's, which may have been reported already.
	if same, err := f.holdsOrClears(ctx, final, file, opts.ReadBack); err != nil || same {
		return err
	}
	err := f.Write(ctx, temp, data)
	if fault.CodeOf(err) == fault.ShareCorrupted {
		return f.otherBytes(ctx, temp, file.Name)
	}
	if err != nil {
		return err
	}
	if opts.ReadBack != nil {
		opts.ReadBack(file.Size)
	}
	return f.Place(ctx, into, file, opts)
}

// DeliverSmall writes a small file into a folder, which is relative to the instance,
// and reads it back.
func (f *Folder) DeliverSmall(ctx context.Context, into, name string, data []byte) error {
	file := Describe(name, data)
	return f.Deliver(ctx, into, file, bytes.NewReader(data), UploadOptions{Token: ContentToken(file)})
}

// ContentToken is an upload's token that says what is uploaded: a dead attempt with
// the same token writes the same bytes.
func ContentToken(file backup.File) string { return file.SHA256[:16] }

// Tally takes the digest of what passes and refuses more than its limit, unless that
// is negative.
type Tally struct {
	Sum      hash.Hash
	N, Limit int64
	Progress func(done int64)
}

// Write implements io.Writer.
func (t *Tally) Write(p []byte) (int, error) {
	if t.Limit >= 0 && t.N+int64(len(p)) > t.Limit {
		return 0, fault.Newf(fault.BackupDamaged, "a file is longer than the %d bytes that the manifest says", t.Limit)
	}
	n, err := t.Sum.Write(p)
	t.N += int64(n)
	if t.Progress != nil {
		t.Progress(t.N)
	}
	return n, err
}

// Digest is that of what has passed so far.
func (t *Tally) Digest() string { return hex.EncodeToString(t.Sum.Sum(nil)) }
