package capture

import (
	"context"
	"errors"
	"io"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository"
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
	*bench
	source  *large
	watched *watchedShare
	senders *Senders
}

func newEarly(t *testing.T, size, stop int64) *early {
	t.Helper()
	x := &early{bench: newBench(t), source: &large{size: size, stop: stop, goOn: make(chan struct{})}, senders: NewSenders()}
	x.watched = &watchedShare{Store: x.store}
	x.repo = repository.New(x.watched, "lab")
	t.Cleanup(x.senders.StopAll)
	return x
}

// collect captures the service as an activity does.
func (x *early) collect() (Captured, error) {
	x.senders.StopBefore(x.id, backup.CA)
	rec := &Recorder{
		Spool: x.spool, Encrypter: seal.FileEncrypter{}, Progress: &counted{}, Senders: x.senders,
		Repository: func(context.Context) (*repository.Repository, error) { return x.repo, nil },
	}
	return rec.Capture(x.t.Context(), x.source, Request{BackupID: x.id, Recipient: x.recipient, WorkRecipient: x.recipient})
}

// upload completes what was captured, and returns where that began.
func (x *early) upload(senders *Senders, out Captured) int64 {
	x.t.Helper()
	up := &Upload{Repository: x.repo, Spool: x.spool, BackupID: x.id, Progress: &counted{}}
	from, err := up.Part(x.t.Context(), out.Part, senders)
	require.NoError(x.t, err)
	_, err = up.File(x.t.Context(), out.Index, nil)
	require.NoError(x.t, err)
	return from
}

// requireOnShare makes sure that the part has its name and holds what was captured.
func (x *early) requireOnShare(out Captured) {
	x.t.Helper()
	want, err := os.ReadFile(filepath.Join(x.spool.String(), string(x.id), out.Part.Name))
	require.NoError(x.t, err)
	got, err := os.ReadFile(filepath.Join(x.folder, out.Part.Name))
	require.NoError(x.t, err)
	require.True(x.t, string(want) == string(got))
	require.Len(x.t, got, int(out.Part.Size))
}

const (
	// aLot is flushed once before its source has given almost all of it.
	aLot   = 90 << 20
	almost = 80 << 20
	tooFew = 7 << 20
)

// TestLargePartIsSentWhileItIsCaptured: what is on stable storage there, before the source
// has given everything.
func TestLargePartIsSentWhileItIsCaptured(t *testing.T) {
	x := newEarly(t, aLot, almost)
	goOn := sync.OnceFunc(func() { close(x.source.goOn) })
	x.watched.flushed = func(int64) { goOn() }
	out, err := x.collect()
	require.NoError(t, err)
	require.Zero(t, x.upload(x.senders, out))
	x.requireOnShare(out)
	require.Equal(t, 1, x.watched.grown, "nothing is sent twice")
	require.Empty(t, x.senders.running)
}

// TestWhatIsStillSentIsAwaited, and not uploaded beside it.
func TestWhatIsStillSentIsAwaited(t *testing.T) {
	x := newEarly(t, 2*minEarly, 0)
	hold := make(chan struct{})
	release := sync.OnceFunc(func() { close(hold) })
	t.Cleanup(release)
	x.watched.flushed = func(int64) { <-hold }
	close(x.source.goOn)
	out, err := x.collect()
	require.NoError(t, err)
	sending := x.senders.running[sentFile{x.id, out.Part.Name}]
	uploaded := make(chan error, 1)
	go func() {
		up := &Upload{Repository: x.repo, Spool: x.spool, BackupID: x.id, Progress: &counted{}}
		_, err := up.Part(t.Context(), out.Part, x.senders)
		uploaded <- err
	}()
	waits := func() bool { return sending.to.Load() != nil }
	require.Eventually(t, waits, 10*time.Second, time.Millisecond)
	release()
	require.NoError(t, <-uploaded)
	x.requireOnShare(out)
	require.Equal(t, 1, x.watched.grown)
}

// TestWhatASenderDidNotFlush is done by UploadPart, when the worker was ended after the capture.
func TestWhatASenderDidNotFlush(t *testing.T) {
	x := newEarly(t, aLot, almost)
	stuck := make(chan struct{})
	goOn := sync.OnceFunc(func() { close(x.source.goOn) })
	x.watched.flushed = func(int64) { goOn(); <-stuck } // nothing gets on behind the first flush
	out, err := x.collect()
	require.NoError(t, err)
	journal, err := x.spool.LoadJournal(x.id, out.Part.Name)
	require.NoError(t, err)
	require.Positive(t, journal.Flushed)

	x.watched.flushed = nil
	require.Equal(t, journal.Flushed, x.upload(NewSenders(), out))
	x.requireOnShare(out)
	close(stuck)
	x.senders.StopAll()
}

// TestWhatASenderDidNot is done by UploadPart, from where the last flush was.
func TestWhatASenderDidNot(t *testing.T) {
	broken := fault.Newf(fault.ShareUnreachable, "away")
	t.Run("the share was away", func(t *testing.T) {
		x := newEarly(t, 2*minEarly, 0)
		x.watched.fail = func() error { return broken }
		close(x.source.goOn)
		out, err := x.collect()
		require.NoError(t, err, "the capture does not mind")
		<-x.senders.running[sentFile{x.id, out.Part.Name}].done
		x.watched.fail = nil
		require.Zero(t, x.upload(x.senders, out))
		x.requireOnShare(out)
	})
	t.Run("what was sent has gone", func(t *testing.T) {
		x := newEarly(t, 2*minEarly, 0)
		close(x.source.goOn)
		out, err := x.collect()
		require.NoError(t, err)
		<-x.senders.running[sentFile{x.id, out.Part.Name}].done
		sent, err := filepath.Glob(x.folder + "*/*.part")
		require.NoError(t, err)
		require.Len(t, sent, 1)
		require.NoError(t, os.Remove(sent[0]))
		require.Zero(t, x.upload(x.senders, out))
		x.requireOnShare(out)
	})
	t.Run("the upload is cancelled when all was sent", func(t *testing.T) {
		x := newEarly(t, 2*minEarly, 0)
		close(x.source.goOn)
		out, err := x.collect()
		require.NoError(t, err)
		<-x.senders.running[sentFile{x.id, out.Part.Name}].done
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		up := &Upload{Repository: x.repo, Spool: x.spool, BackupID: x.id, Progress: &counted{}}
		_, err = up.Part(ctx, out.Part, x.senders)
		require.ErrorIs(t, err, context.Canceled, "the part has no name yet")
	})
	t.Run("it was small", func(t *testing.T) {
		x := newEarly(t, tooFew, 0)
		close(x.source.goOn)
		out, err := x.collect()
		require.NoError(t, err)
		require.Zero(t, x.watched.grown)
		x.upload(x.senders, out)
		x.requireOnShare(out)
	})
	t.Run("nobody came for it", func(t *testing.T) {
		x := newEarly(t, 2*minEarly, 0)
		close(x.source.goOn)
		out, err := x.collect()
		require.NoError(t, err)
		x.senders.Stop(x.id, backup.CA)
		require.NoError(t, x.spool.Release(x.id, backup.CA))
		require.Empty(t, x.senders.running)
		_, err = x.spool.Open(x.id, out.Part)
		require.ErrorIs(t, err, fault.SpoolLost)
	})
}

// TestACaptureThatFailsSoonEndsItsSender, which has begun to send and flushed nothing yet.
func TestACaptureThatFailsSoonEndsItsSender(t *testing.T) {
	x := newEarly(t, 2*minEarly, 2*minEarly-(1<<20))
	x.source.err = errors.New("lost")
	goOn := sync.OnceFunc(func() { close(x.source.goOn) })
	x.watched.fail = func() error { goOn(); return nil }
	_, err := x.collect()
	require.ErrorIs(t, err, x.source.err)
	require.Empty(t, x.senders.running)
	left, err := filepath.Glob(x.folder + "*/*.part")
	require.NoError(t, err)
	require.Empty(t, left)
}

// TestACaptureThatFailsEndsItsSender: when it has returned, nothing is written any more.
func TestACaptureThatFailsEndsItsSender(t *testing.T) {
	x := newEarly(t, aLot, almost)
	x.source.err = errors.New("lost")
	goOn := sync.OnceFunc(func() { close(x.source.goOn) })
	x.watched.flushed = func(int64) { goOn() }
	_, err := x.collect()
	require.ErrorIs(t, err, x.source.err)
	require.Empty(t, x.senders.running)
	left, err := filepath.Glob(x.folder + "*/*.part")
	require.NoError(t, err)
	require.Empty(t, left, "what was sent of it may be as much as a share has free")

	// The next attempt knows nothing of what was sent: its bytes are others.
	x.source.err, x.source.stop = nil, 0
	out, err := x.collect()
	require.NoError(t, err)
	x.upload(x.senders, out)
	x.requireOnShare(out)
	require.Equal(t, []int64{0, 0}, x.watched.from)
	written := []backup.File{out.Part, out.Index}
	_, err = x.repo.Put(t.Context(), x.id, backup.SumsFile, backup.EncodeSums(written))
	require.NoError(t, err)
	_, err = x.repo.Check(t.Context(), x.id, written)
	require.NoError(t, err)
	left, err = filepath.Glob(x.folder + "*/*.part")
	require.NoError(t, err)
	require.Empty(t, left)
}
