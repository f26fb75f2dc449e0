package folder_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/blocksum"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository/folder"
	"infrabackup/internal/repository/repositorytest"
	"infrabackup/internal/share"
	"infrabackup/internal/share/dir"
)

// sending is a file that is sent into a folder on a share.
type sending struct {
	t      *testing.T
	root   string
	store  share.Store
	data   []byte
	blocks *blocksum.Table
	file   backup.File
}

func newSending(t *testing.T, size int) *sending {
	t.Helper()
	root := t.TempDir()
	store, err := dir.Open(root)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	x := &sending{t: t, root: root, store: store, data: make([]byte, size), blocks: blocksum.NewTable()}
	r := rand.New(rand.NewPCG(3, uint64(size)))
	for i := range x.data {
		x.data[i] = byte(r.Uint32())
	}
	x.file = folder.Describe("ad.tar.zst.age", x.data)
	require.NoError(t, os.MkdirAll(root+"/lab/in", 0o700))
	return x
}

// grow hashes what is captured.
func (x *sending) grow(data []byte) {
	h := blocksum.NewHasher(func(sum uint32) error { x.blocks.Add(sum); return nil })
	_, err := h.Write(data)
	require.NoError(x.t, err)
	require.NoError(x.t, h.Close())
	require.NoError(x.t, x.blocks.Finish(h.Length(), h.SHA256()))
}

func (x *sending) folder(store share.Store) *folder.Folder { return folder.New(store, "lab") }

func (x *sending) opts() folder.UploadOptions {
	return folder.UploadOptions{Token: "t", Blocks: x.blocks}
}

func (x *sending) requireDelivered() {
	x.t.Helper()
	got, err := os.ReadFile(x.root + "/lab/in/" + x.file.Name)
	require.NoError(x.t, err)
	require.True(x.t, bytes.Equal(x.data, got))
	entries, err := os.ReadDir(x.root + "/lab/in")
	require.NoError(x.t, err)
	require.Len(x.t, entries, 1, "no temporary name is left")
}

func (x *sending) requireNothing() {
	x.t.Helper()
	entries, err := os.ReadDir(x.root + "/lab/in")
	require.NoError(x.t, err)
	require.Empty(x.t, entries)
}

func TestSend(t *testing.T) {
	for _, size := range []int{0, 1, blocksum.Size, 70<<20 + 3} {
		x := newSending(t, size)
		go x.grow(x.data)
		f := x.folder(x.store)
		opts := x.opts()
		var flushed, back []int64
		opts.Flushed = func(offset int64) error { flushed = append(flushed, offset); return nil }
		opts.ReadBack = func(done int64) { back = append(back, done) }
		require.NoError(t, f.Send(t.Context(), "in", x.file.Name, bytes.NewReader(x.data), opts))
		require.NoError(t, f.Place(t.Context(), "in", x.file, opts))
		require.NoError(t, f.Place(t.Context(), "in", x.file, opts), "the reply may be lost")
		x.requireDelivered()
		if size > 0 {
			require.Equal(t, int64(size), flushed[len(flushed)-1])
			require.Equal(t, int64(size), back[len(back)-1], "everything is read back")
		}
	}
}

// TestSendIsResumed: what an earlier attempt had flushed is not written again, and read back
// all the same.
func TestSendIsResumed(t *testing.T) {
	x := newSending(t, 5<<20)
	x.grow(x.data)
	f := x.folder(x.store)
	opts := x.opts()
	flushed := errors.New("ended here")
	opts.Flushed = func(int64) error { return fault.New(fault.SpoolIO, "the journal", flushed) }
	err := f.Deliver(t.Context(), "in", x.file, bytes.NewReader(x.data), opts)
	require.ErrorIs(t, err, fault.SpoolIO)
	opts.Flushed, opts.From = nil, 3<<20
	reader := &fromOffset{Reader: bytes.NewReader(x.data), from: 3 << 20}
	require.NoError(t, f.Deliver(t.Context(), "in", x.file, reader, opts))
	require.False(t, reader.below)
	x.requireDelivered()

	// What was flushed and is another by now is found.
	y := newSending(t, 5<<20)
	y.grow(y.data)
	bad := bytes.Clone(y.data)
	bad[100] ^= 1
	f = y.folder(y.store)
	require.NoError(t, y.store.Upload(t.Context(), "lab/in/"+y.file.Name+".t.part", bytes.NewReader(bad), 0, 3<<20, nil))
	opts = y.opts()
	opts.From = 3 << 20
	err = f.Deliver(t.Context(), "in", y.file, bytes.NewReader(y.data), opts)
	require.ErrorIs(t, err, fault.ShareCorrupted)
	y.requireNothing()
}

// fromOffset notes whether anything below an offset is read.
type fromOffset struct {
	*bytes.Reader
	from  int64
	below bool
}

func (f *fromOffset) ReadAt(p []byte, offset int64) (int, error) {
	f.below = f.below || offset < f.from
	return f.Reader.ReadAt(p, offset)
}

// TestSendFindsWhatDiffers, and says whose fault it is.
func TestSendFindsWhatDiffers(t *testing.T) {
	t.Run("the share gives back other bytes", func(t *testing.T) {
		x := newSending(t, 3<<20)
		x.grow(x.data)
		err := x.folder(&repositorytest.LyingStore{Store: x.store, Corrupt: true}).Deliver(t.Context(), "in", x.file, bytes.NewReader(x.data), x.opts())
		require.ErrorIs(t, err, fault.ShareCorrupted)
		x.requireNothing()
	})
	t.Run("the share gives back other bytes, and there are no sums of blocks", func(t *testing.T) {
		x := newSending(t, 3<<20)
		opts := x.opts()
		opts.Blocks = nil
		err := x.folder(&repositorytest.LyingStore{Store: x.store, Corrupt: true}).Deliver(t.Context(), "in", x.file, bytes.NewReader(x.data), opts)
		require.ErrorIs(t, err, fault.ShareCorrupted)
		x.requireNothing()
	})
	t.Run("the share gives back less", func(t *testing.T) {
		x := newSending(t, 3<<20)
		x.grow(x.data)
		err := x.folder(cutStore{x.store, 2 << 20}).Send(t.Context(), "in", x.file.Name, bytes.NewReader(x.data), x.opts())
		require.ErrorIs(t, err, fault.ShareCorrupted)
		x.requireNothing()
	})
	t.Run("the spool has changed", func(t *testing.T) {
		x := newSending(t, 3<<20)
		x.grow(x.data)
		rotten := bytes.Clone(x.data)
		rotten[2<<20] ^= 1
		err := x.folder(x.store).Deliver(t.Context(), "in", x.file, bytes.NewReader(rotten), x.opts())
		require.ErrorIs(t, err, fault.SpoolLost, "it is captured again; uploading it again would not help")
	})
	t.Run("the capture fails", func(t *testing.T) {
		x := newSending(t, 3<<20)
		x.blocks.Add(1)
		x.blocks.Add(2)
		lost := fault.Newf(fault.SourceUnreachable, "lost")
		x.blocks.Fail(lost)
		require.ErrorIs(t, x.folder(x.store).Send(t.Context(), "in", x.file.Name, bytes.NewReader(x.data), x.opts()), lost)
	})
	t.Run("nobody wants it any more", func(t *testing.T) {
		x := newSending(t, 3<<20)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, x.folder(x.store).Send(ctx, "in", x.file.Name, bytes.NewReader(x.data), x.opts()), context.Canceled)
	})
}

// cutStore gives back the beginning of a file only, and calls that all of it.
type cutStore struct {
	share.Store
	size int
}

// DownloadGrowing implements share.Store.
func (s cutStore) DownloadGrowing(ctx context.Context, path string, extent share.Extent, w io.Writer) (int64, error) {
	var all bytes.Buffer
	if _, err := s.Store.DownloadGrowing(ctx, path, extent, &all); err != nil {
		return 0, err
	}
	n, err := w.Write(all.Next(s.size))
	return int64(n), err
}

// TestALateAttemptReplacesNothing: what got its name while an attempt was stopped has been
// reported, and stays.
func TestALateAttemptReplacesNothing(t *testing.T) {
	for name, size := range map[string]int{"small": 1000, "large": 3 << 20} {
		t.Run(name, func(t *testing.T) {
			x := newSending(t, size)
			x.grow(x.data)
			final := x.root + "/lab/in/" + x.file.Name
			other := bytes.Repeat([]byte("x"), size)
			late := &lateStore{Store: x.store, before: func() { require.NoError(t, os.WriteFile(final, other, 0o600)) }}
			err := x.folder(late).Deliver(t.Context(), "in", x.file, bytes.NewReader(x.data), x.opts())
			require.Error(t, err)
			got, err := os.ReadFile(final)
			require.NoError(t, err)
			require.True(t, bytes.Equal(other, got))
		})
	}
}

// lateStore calls back before the first rename.
type lateStore struct {
	share.Store
	before func()
}

// Rename implements share.Store.
func (l *lateStore) Rename(ctx context.Context, from, to string) error {
	if l.before != nil {
		l.before()
		l.before = nil
	}
	return l.Store.Rename(ctx, from, to)
}
