package activities

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/codec"
	"infrabackup/internal/collect"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/seal"
	"infrabackup/internal/share"
)

// large is a source of one file that does not compress. It stops at the given place until it
// is told to go on, and may fail then.
type large struct {
	size, stop int64
	goOn       chan struct{}
	err        error
}

func (l *large) Service() backup.Service     { return backup.CA }
func (l *large) Check(context.Context) error { return nil }

func (l *large) Collect(ctx context.Context, sink collect.Sink) (collect.Capture, error) {
	noise := mathrand.NewChaCha8([32]byte{1})
	err := sink.File(backup.Item{Kind: "file", ID: "f", Name: "f"}, collect.FileInfo{Path: "files/f", Size: l.size}, readFunc(func(p []byte) (int, error) {
		if l.stop > 0 {
			n, err := noise.Read(p[:min(int64(len(p)), l.stop)])
			l.stop -= int64(n)
			return n, err
		}
		select {
		case <-l.goOn:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
		if l.err != nil {
			return 0, l.err
		}
		return noise.Read(p)
	}))
	return collect.Capture{}, err
}

type readFunc func(p []byte) (int, error)

func (r readFunc) Read(p []byte) (int, error) { return r(p) }

// watchedShare tells what is done to it.
type watchedShare struct {
	share.Store
	mu      sync.Mutex
	grown   int                // calls of UploadGrowing
	from    []int64            // where they began
	flushed func(offset int64) // of UploadGrowing
	fail    func() error       // before UploadGrowing
}

func (w *watchedShare) UploadGrowing(ctx context.Context, name string, src io.ReaderAt, from int64, extent share.Extent, flushed func(int64)) (int64, error) {
	w.mu.Lock()
	w.grown++
	w.from = append(w.from, from)
	w.mu.Unlock()
	if w.fail != nil {
		if err := w.fail(); err != nil {
			return 0, err
		}
	}
	return w.Store.UploadGrowing(ctx, name, src, from, extent, func(offset int64) {
		flushed(offset)
		if w.flushed != nil {
			w.flushed(offset)
		}
	})
}

// early is one service on its way to the share.
type early struct {
	*shelf
	source *large
	store  *watchedShare
	in     flow.CollectInput
}

func newEarly(t *testing.T, size, stop int64) *early {
	t.Helper()
	x := &early{shelf: newShelf(t), source: &large{size: size, stop: stop, goOn: make(chan struct{})}, store: &watchedShare{}}
	x.wrap = func(s share.Store) share.Store { x.store.Store = s; return x.store }
	line, err := codec.GenerateKeyLine("k", rand.Reader)
	require.NoError(t, err)
	x.a.Keyring, err = codec.ParseKeyring([]byte(line))
	require.NoError(t, err)
	x.a.Encrypter, x.a.Host = seal.FileEncrypter{}, "host"
	x.a.collectors[backup.CA] = x.source
	_, recipient, err := seal.DeriveIdentity([32]byte{9})
	require.NoError(t, err)
	x.in = flow.CollectInput{
		BackupID: "0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11", Service: backup.CA, Recipient: recipient, WorkKeyID: x.a.Keyring.Active(), Revision: 1,
	}
	require.NoError(t, x.repo.Begin(t.Context(), x.in.BackupID))
	return x
}

func (x *early) collect() (flow.CollectOutput, error) {
	return x.a.Collect(context.WithValue(x.t.Context(), heartbeaterKey{}, &heartbeater{}), x.in)
}

func (x *early) upload(a *Activities, out flow.CollectOutput) flow.UploadPartOutput {
	x.t.Helper()
	up, err := a.UploadPart(context.WithValue(x.t.Context(), heartbeaterKey{}, &heartbeater{}), flow.UploadPartInput{
		BackupID: x.in.BackupID, Revision: 1, Service: backup.CA, Part: out.Part, Index: out.Index,
	})
	require.NoError(x.t, err)
	return up
}

// requireOnShare makes sure that the part has its name and holds what was captured.
func (x *early) requireOnShare(out flow.CollectOutput) {
	x.t.Helper()
	name := filepath.Join(x.folder, shelfInstance, backup.IncomingPath(x.in.BackupID), out.Part.Name)
	want, err := os.ReadFile(filepath.Join(x.a.Spool.String(), string(x.in.BackupID), out.Part.Name))
	require.NoError(x.t, err)
	got, err := os.ReadFile(name)
	require.NoError(x.t, err)
	require.True(x.t, string(want) == string(got))
	require.Len(x.t, got, int(out.Part.Size))
}

const (
	aLot   = 150 << 20
	almost = 140 << 20
	tooFew = 7 << 20
)

// TestLargePartIsSentWhileItIsCaptured: what is on stable storage there, before the source
// has given everything.
func TestLargePartIsSentWhileItIsCaptured(t *testing.T) {
	x := newEarly(t, aLot, almost)
	goOn := sync.OnceFunc(func() { close(x.source.goOn) })
	x.store.flushed = func(int64) { goOn() }
	out, err := x.collect()
	require.NoError(t, err)
	up := x.upload(x.a, out)
	require.Zero(t, up.ResumedFrom)
	require.Equal(t, out.Part.Size, up.SentBytes)
	x.requireOnShare(out)
	require.Equal(t, 1, x.store.grown, "nothing is sent twice")
	require.Empty(t, x.a.senders.running)
}

// TestWhatASenderDidNot is done by UploadPart, from where the last flush was.
func TestWhatASenderDidNot(t *testing.T) {
	broken := fault.Newf(fault.ShareUnreachable, "away")
	t.Run("the worker was ended after the capture", func(t *testing.T) {
		x := newEarly(t, aLot, almost)
		stuck := make(chan struct{})
		goOn := sync.OnceFunc(func() { close(x.source.goOn) })
		x.store.flushed = func(int64) { goOn(); <-stuck } // nothing gets on behind the first flush
		out, err := x.collect()
		require.NoError(t, err)
		journal, err := x.a.Spool.LoadJournal(x.in.BackupID, out.Part.Name)
		require.NoError(t, err)
		require.Positive(t, journal.Flushed)

		x.store.flushed = nil
		next := New(x.a.Dependencies)
		up := x.upload(next, out)
		require.NoError(t, next.Close())
		require.Equal(t, journal.Flushed, up.ResumedFrom)
		require.Equal(t, out.Part.Size-journal.Flushed, up.SentBytes)
		x.requireOnShare(out)
		close(stuck)
		x.a.senders.stop(func(sentFile) bool { return true })
	})
	t.Run("the share was away", func(t *testing.T) {
		x := newEarly(t, 2*minEarly, 0)
		x.store.fail = func() error { return broken }
		close(x.source.goOn)
		out, err := x.collect()
		require.NoError(t, err, "the capture does not mind")
		<-x.a.senders.running[sentFile{x.in.BackupID, out.Part.Name}].done
		x.store.fail = nil
		require.Zero(t, x.upload(x.a, out).ResumedFrom)
		x.requireOnShare(out)
	})
	t.Run("what was sent has gone", func(t *testing.T) {
		x := newEarly(t, 2*minEarly, 0)
		close(x.source.goOn)
		out, err := x.collect()
		require.NoError(t, err)
		<-x.a.senders.running[sentFile{x.in.BackupID, out.Part.Name}].done
		sent, err := filepath.Glob(filepath.Join(x.folder, shelfInstance, backup.IncomingPath(x.in.BackupID)+"*", "*.part"))
		require.NoError(t, err)
		require.Len(t, sent, 1)
		require.NoError(t, os.Remove(sent[0]))
		require.Zero(t, x.upload(x.a, out).ResumedFrom)
		x.requireOnShare(out)
	})
	t.Run("the upload is cancelled when all was sent", func(t *testing.T) {
		x := newEarly(t, 2*minEarly, 0)
		close(x.source.goOn)
		out, err := x.collect()
		require.NoError(t, err)
		<-x.a.senders.running[sentFile{x.in.BackupID, out.Part.Name}].done
		ctx, cancel := context.WithCancel(context.WithValue(t.Context(), heartbeaterKey{}, &heartbeater{}))
		cancel()
		up := &upload{repo: x.repo, spool: x.a.Spool, id: x.in.BackupID, hb: &heartbeater{}}
		_, err = up.part(ctx, out.Part, x.a.senders.take(sentFile{x.in.BackupID, out.Part.Name}))
		require.ErrorIs(t, err, context.Canceled, "the part has no name yet")
	})
	t.Run("it was small", func(t *testing.T) {
		x := newEarly(t, tooFew, 0)
		close(x.source.goOn)
		out, err := x.collect()
		require.NoError(t, err)
		require.Zero(t, x.store.grown)
		x.upload(x.a, out)
		x.requireOnShare(out)
	})
	t.Run("nobody came for it", func(t *testing.T) {
		x := newEarly(t, 2*minEarly, 0)
		close(x.source.goOn)
		out, err := x.collect()
		require.NoError(t, err)
		_, err = x.a.ReleaseSpool(t.Context(), flow.ReleaseSpoolInput{BackupID: x.in.BackupID, Service: backup.CA})
		require.NoError(t, err)
		require.Empty(t, x.a.senders.running)
		_, err = x.a.Spool.Open(x.in.BackupID, out.Part)
		require.ErrorIs(t, err, fault.SpoolLost)
	})
}

// TestACaptureThatFailsEndsItsSender: when it has returned, nothing is written any more.
func TestACaptureThatFailsEndsItsSender(t *testing.T) {
	x := newEarly(t, aLot, almost)
	x.source.err = errors.New("lost")
	goOn := sync.OnceFunc(func() { close(x.source.goOn) })
	x.store.flushed = func(int64) { goOn() }
	_, err := x.collect()
	require.ErrorIs(t, err, x.source.err)
	require.Empty(t, x.a.senders.running)
	left, err := filepath.Glob(filepath.Join(x.folder, shelfInstance, backup.IncomingPath(x.in.BackupID)+"*", "*.part"))
	require.NoError(t, err)
	require.Empty(t, left, "what was sent of it may be as much as a share has free")

	// The next attempt knows nothing of what was sent: its bytes are others.
	x.source.err, x.source.stop = nil, 0
	out, err := x.collect()
	require.NoError(t, err)
	x.upload(x.a, out)
	x.requireOnShare(out)
	require.Equal(t, []int64{0, 0}, x.store.from)
	written := []backup.File{out.Part, out.Index}
	_, err = x.repo.Put(t.Context(), x.in.BackupID, backup.SumsFile, backup.EncodeSums(written))
	require.NoError(t, err)
	_, err = x.repo.Check(t.Context(), x.in.BackupID, written)
	require.NoError(t, err)
	left, err = filepath.Glob(filepath.Join(x.folder, shelfInstance, backup.IncomingPath(x.in.BackupID)+"*", "*.part"))
	require.NoError(t, err)
	require.Empty(t, left)
}
