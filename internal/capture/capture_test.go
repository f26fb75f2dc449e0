package capture

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/blocksum"
	"infrabackup/internal/collect"
	"infrabackup/internal/fault"
	"infrabackup/internal/seal"
)

// elsewhere is an encryption whose part of the work goes on in another goroutine, as
// that of a worker does, and which notes how it is used.
type elsewhere struct {
	recipients []string
	ctx        context.Context // of the last
	file       *os.File
	pipe       *io.PipeWriter
	ended      chan error
	wrote      error // what became of writing to the file
	closed     int
	fail       error // of Close
}

// Encrypt implements Encrypter.
func (e *elsewhere) Encrypt(ctx context.Context, file *os.File, recipient string, blocks *blocksum.Table) (io.WriteCloser, error) {
	e.recipients, e.ctx, e.file, e.ended, e.closed = append(e.recipients, recipient), ctx, file, make(chan error, 1), 0
	var plain *io.PipeReader
	plain, e.pipe = io.Pipe()
	go func() {
		sealed, err := seal.FileEncrypter{}.Encrypt(ctx, file, recipient, blocks)
		if err == nil {
			_, err = io.Copy(sealed, plain)
			err = errors.Join(err, sealed.Close())
		}
		plain.CloseWithError(err)
		e.ended <- err
	}()
	return e, nil
}

func (e *elsewhere) Write(p []byte) (int, error) { return e.pipe.Write(p) }

func (e *elsewhere) Close() error {
	if e.closed++; e.closed > 1 {
		return e.fail
	}
	_ = e.pipe.Close() // always nil
	e.wrote = <-e.ended
	return errors.Join(e.wrote, e.ctx.Err(), e.fail)
}

// fixed is a source of one item.
type fixed struct{ service backup.Service }

func (f *fixed) Service() backup.Service { return f.service }

func (f *fixed) Check(context.Context) error { return nil }

func (f *fixed) Collect(_ context.Context, sink collect.Sink) (collect.Capture, error) {
	return collect.Capture{}, sink.Record(backup.Item{Kind: "directory-object", ID: "u", Name: "u"}, []byte("{}"))
}

// broken is a source that fails after its items.
type broken struct {
	fixed
	err error
}

func (b *broken) Collect(ctx context.Context, sink collect.Sink) (collect.Capture, error) {
	seen, err := b.fixed.Collect(ctx, sink)
	return seen, errors.Join(err, b.err)
}

func (b *bench) record(source collect.Collector, e Encrypter) (Captured, error) {
	_, workRecipient, err := seal.DeriveIdentity([32]byte{8})
	require.NoError(b.t, err)
	rec := &Recorder{Spool: b.spool, Encrypter: e, Progress: &counted{}}
	return rec.Capture(b.t.Context(), source, Request{BackupID: b.id, Recipient: b.recipient, WorkRecipient: workRecipient})
}

// TestOnlyWorkFilesAreEncryptedHere: what is for the operator's eyes goes to where this
// process does not get its keys.
func TestOnlyWorkFilesAreEncryptedHere(t *testing.T) {
	b, e := newBench(t), &elsewhere{}
	out, err := b.record(&fixed{backup.AD}, e)
	require.NoError(t, err)
	require.Equal(t, 1, e.closed)
	require.Error(t, e.ctx.Err(), "nothing is left of it")
	require.Equal(t, []string{b.recipient}, e.recipients, "the part")

	part, err := b.spool.Open(b.id, out.Part)
	require.NoError(t, err)
	sum := sha256.New()
	size, err := io.Copy(sum, part)
	require.NoError(t, err)
	require.NoError(t, part.Close())
	require.Equal(t, out.Part.Size, size)
	require.Equal(t, out.Part.SHA256, hex.EncodeToString(sum.Sum(nil)))
}

// TestCaptureGivesUpItsEncryption: whatever fails, nothing encrypts or writes any more
// when the capture has ended.
func TestCaptureGivesUpItsEncryption(t *testing.T) {
	lost := fault.Newf(fault.SourceUnreachable, "lost")
	killed := fault.Newf(fault.Internal, "killed")
	for name, test := range map[string]struct {
		source collect.Collector
		fail   error
		want   error
	}{
		"the source fails":           {&broken{fixed{backup.AD}, lost}, nil, lost},
		"the encryption fails":       {&fixed{backup.AD}, killed, killed},
		"both, the source was first": {&broken{fixed{backup.AD}, lost}, killed, lost},
	} {
		t.Run(name, func(t *testing.T) {
			b, e := newBench(t), &elsewhere{fail: test.fail}
			_, err := b.record(test.source, e)
			require.ErrorIs(t, err, test.want)
			require.Equal(t, fault.CodeOf(test.want), fault.CodeOf(err))
			require.Positive(t, e.closed)
			require.ErrorIs(t, e.ctx.Err(), context.Canceled)
			require.NoError(t, e.wrote, "its file was open as long as it wrote")
			_, err = e.file.Write([]byte("late"))
			require.Error(t, err, "and no longer")
		})
	}
}

// TestAFailedCaptureLeavesNothing in the spool, where nobody would look for it.
func TestAFailedCaptureLeavesNothing(t *testing.T) {
	b := newBench(t)
	_, err := b.record(&broken{fixed{backup.AD}, io.ErrUnexpectedEOF}, seal.FileEncrypter{})
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	left, err := os.ReadDir(filepath.Join(b.spool.String(), string(b.id)))
	require.NoError(t, err)
	require.Empty(t, left)
}
