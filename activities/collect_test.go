package activities

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/blocksum"
	"infrabackup/internal/collect"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
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

// broken is a source that fails after its items.
type broken struct {
	fixed
	err error
}

func (b *broken) Collect(ctx context.Context, sink collect.Sink) (collect.Capture, error) {
	seen, err := b.fixed.Collect(ctx, sink)
	return seen, errors.Join(err, b.err)
}

func (b *bench) record(source collect.Collector, e *elsewhere) (flow.CollectOutput, error) {
	_, workRecipient, err := b.a.workKey(b.in.WorkKeyID, b.in.BackupID)
	require.NoError(b.t, err)
	rec := &recording{spool: b.a.Spool, hb: b.hb, encrypter: e}
	return rec.capture(b.t.Context(), source, flow.CollectInput{BackupID: b.in.BackupID, Service: source.Service(), Recipient: b.in.Recipient}, workRecipient)
}

// TestOnlyWorkFilesAreEncryptedHere: what is for the operator's eyes goes to where this
// process does not get its keys.
func TestOnlyWorkFilesAreEncryptedHere(t *testing.T) {
	b, e := newBench(t), &elsewhere{}
	out, err := b.record(&fixed{service: backup.AD, items: []backup.Item{principal("1", "sid:1")}}, e)
	require.NoError(t, err)
	require.Equal(t, 1, e.closed)
	require.Error(t, e.ctx.Err(), "nothing is left of it")

	b.a.Encrypter = e
	_, _, err = b.a.sealCatalog(t.Context(), b.repo, b.in, b.hb)
	require.NoError(t, err)
	require.Equal(t, []string{b.in.Recipient, b.in.Recipient}, e.recipients, "the part and the catalog")

	part, err := b.a.Spool.Open(b.in.BackupID, out.Part)
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
	item := []backup.Item{principal("1", "sid:1")}
	for name, test := range map[string]struct {
		source collect.Collector
		fail   error
		want   error
	}{
		"the source fails":           {&broken{fixed{service: backup.AD, items: item}, lost}, nil, lost},
		"the encryption fails":       {&fixed{service: backup.AD, items: item}, killed, killed},
		"both, the source was first": {&broken{fixed{service: backup.AD, items: item}, lost}, killed, lost},
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
