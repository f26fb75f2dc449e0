package activities

import (
	"context"
	"crypto/rand"
	"io"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/codec"
	"infrabackup/internal/collect"
	"infrabackup/internal/flow"
	"infrabackup/internal/seal"
	"infrabackup/internal/share"
)

// large is a source of one file that does not compress.
type large struct{ fixed }

func (l *large) Collect(_ context.Context, sink collect.Sink) (collect.Capture, error) {
	const size = 20 << 20
	err := sink.File(backup.Item{Kind: "file", ID: "f", Name: "f"}, collect.FileInfo{Path: "files/f", Size: size},
		io.LimitReader(mathrand.NewChaCha8([32]byte{1}), size))
	return collect.Capture{}, err
}

// growing is a share that counts what is uploaded while it grows.
type growing struct {
	share.Store
	began atomic.Int64
}

// UploadGrowing implements share.Store.
func (g *growing) UploadGrowing(ctx context.Context, name string, src io.ReaderAt, from int64, extent share.Extent, flushed func(int64)) (int64, error) {
	g.began.Add(1)
	return g.Store.UploadGrowing(ctx, name, src, from, extent, flushed)
}

// TestACaptureIsUploadedByTheStepBehindIt: also what was begun while it was captured.
func TestACaptureIsUploadedByTheStepBehindIt(t *testing.T) {
	x, store := newShelf(t), &growing{}
	x.wrap = func(s share.Store) share.Store { store.Store = s; return store }
	line, err := codec.GenerateKeyLine("k", rand.Reader)
	require.NoError(t, err)
	x.a.Keyring, err = codec.ParseKeyring([]byte(line))
	require.NoError(t, err)
	x.a.Encrypter, x.a.Host = seal.FileEncrypter{}, "host"
	x.a.collectors[backup.CA] = &large{fixed{service: backup.CA}}
	_, recipient, err := seal.DeriveIdentity([32]byte{9})
	require.NoError(t, err)
	in := flow.CollectInput{
		BackupID: "0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11", Service: backup.CA, Recipient: recipient, WorkKeyID: x.a.Keyring.Active(), Revision: 1,
	}
	require.NoError(t, x.repo.Begin(t.Context(), in.BackupID))
	ctx := context.WithValue(t.Context(), heartbeaterKey{}, &heartbeater{})
	out, err := x.a.Collect(ctx, in)
	require.NoError(t, err)
	up, err := x.a.UploadPart(ctx, flow.UploadPartInput{BackupID: in.BackupID, Revision: 1, Service: backup.CA, Part: out.Part, Index: out.Index})
	require.NoError(t, err)
	require.Zero(t, up.ResumedFrom)
	require.Equal(t, out.Part.Size, up.SentBytes)
	require.EqualValues(t, 1, store.began.Load())
	info, err := os.Stat(filepath.Join(x.folder, shelfInstance, backup.IncomingPath(in.BackupID), out.Part.Name))
	require.NoError(t, err)
	require.Equal(t, out.Part.Size, info.Size())

	_, err = x.a.ReleaseSpool(ctx, flow.ReleaseSpoolInput{BackupID: in.BackupID, Service: backup.CA})
	require.NoError(t, err)
	_, err = x.a.Spool.Open(in.BackupID, out.Part)
	require.Error(t, err)
}
