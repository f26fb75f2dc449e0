package folder

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"hash"
	"io"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
)

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

// Deliver writes a file into a folder, which is relative to the instance, under a
// temporary name, reads all of it back, compares, and only then gives it its name. When the
// name is there already with the right bytes, that is success: the reply to an earlier
// rename was lost.
func (f *Folder) Deliver(ctx context.Context, into string, file backup.File, src io.ReaderAt, opts UploadOptions) error {
	final := f.At(into, file.Name)
	temp := f.At(into, file.Name+"."+opts.Token+tempSuffix)
	if same, err := f.Holds(ctx, final, file, opts.ReadBack); err != nil || same {
		return err
	}
	// Other bytes under this name are an earlier capture's, whose host did not live to
	// report them.
	if err := f.ClearPlace(ctx, final); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	err := f.Upload(ctx, temp, src, opts.From, file.Size, func(offset int64) {
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
	same, err := f.Holds(ctx, temp, file, opts.ReadBack)
	if err != nil {
		return err
	}
	if !same {
		// Nothing that was uploaded can be trusted, so the next attempt begins anew.
		return errors.Join(fault.Newf(fault.ShareCorrupted, "%s of %s gave back other bytes than were written", file.Name, f), f.Remove(ctx, temp))
	}
	if err := f.Rename(ctx, temp, final); err != nil {
		if same, lookErr := f.Holds(ctx, final, file, nil); lookErr == nil && same {
			return nil
		}
		return err
	}
	return nil
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
