package ledger_test

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository"
	"infrabackup/internal/repository/ledger"
	"infrabackup/internal/repository/repositorytest"
)

// heads is a head store in memory.
type heads struct {
	mu        sync.Mutex
	head      backup.LedgerHead
	fails     bool // it does not answer
	announced int
	withdrawn int
}

var errAway = fault.Newf(fault.TemporalUnreachable, "the head store is away")

// Head implements [ledger.HeadStore].
func (h *heads) Head(context.Context) (backup.LedgerHead, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.fails {
		return backup.LedgerHead{}, errAway
	}
	return h.head, nil
}

// Advance implements [ledger.HeadStore].
func (h *heads) Advance(_ context.Context, from, to backup.LedgerHead) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.fails:
		return errAway
	case h.head != from && h.head != to:
		return fault.Newf(fault.SettingsChanged, "another entry came first")
	}
	h.head = to
	return nil
}

// Restart implements [ledger.HeadStore].
func (h *heads) Restart(ctx context.Context, from, to backup.LedgerHead, _ string) error {
	return h.Advance(ctx, from, to)
}

// Announce implements [ledger.HeadStore].
func (h *heads) Announce(context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.announced++
	return nil
}

// Withdraw implements [ledger.HeadStore].
func (h *heads) Withdraw(context.Context) error { h.withdrawn++; return nil }

// writer is one of a fixture's controller.
func (k *keeper) writer(repo ledger.Instance, h ledger.HeadStore) *ledger.Writer {
	return ledger.NewWriter(repo, h, ledger.WriterOptions{
		Controller: repositorytest.Controller, Key: k.Key, Trusted: k.Signers, Current: k.Signers, Now: k.Clock.UTC,
	})
}

// TestWritersMeet lets two append at once: no entry is lost, and the head is
// remembered.
func TestWritersMeet(t *testing.T) {
	const each = 10
	k, h := newKeeper(t, 1), &heads{}
	errs := make([]error, 2)
	var both sync.WaitGroup
	for n := range errs {
		w := k.writer(k.Repo, h)
		both.Go(func() {
			for i := range each {
				e := k.Operation(1000*n + i)
				e.Action, e.SumsSHA256 = backup.LedgerDeleted, ""
				if errs[n] = w.Append(context.Background(), e); errs[n] != nil {
					return
				}
			}
		})
	}
	both.Wait()
	require.NoError(t, errs[0])
	require.NoError(t, errs[1])
	l, err := k.Repo.Ledger().Read(t.Context(), k.Signers)
	require.NoError(t, err)
	require.Empty(t, l.Findings)
	require.GreaterOrEqual(t, l.Entries, 2*each, "an entry may stand twice")
	for n := range errs {
		for i := range each {
			_, known := l.State(k.Operation(1000*n + i).BackupID)
			require.True(t, known)
		}
	}
	require.NoError(t, l.CheckIntact(h.head))
	require.Equal(t, l.Head(), h.head)
	require.Equal(t, 2*each, h.announced)
}

// TestWritersSurviveACrashAtEveryChange: whoever comes next goes on with the ledger.
func TestWritersSurviveACrashAtEveryChange(t *testing.T) {
	for _, after := range []bool{false, true} {
		for n := 1; ; n++ {
			k, h := newKeeper(t, 1), &heads{}
			store := &repositorytest.DyingStore{Store: k.Store, Left: n, After: after}
			err := k.writer(repository.New(store, "local"), h).Append(t.Context(), k.Operation(1))
			if !store.Dead {
				require.NoError(t, err)
				break
			}
			require.ErrorIs(t, err, repositorytest.ErrCrash)
			require.NoError(t, k.writer(k.Repo, h).Append(t.Context(), k.Operation(2)))
			l, err := k.Repo.Ledger().Read(t.Context(), k.Signers)
			require.NoError(t, err)
			require.NoError(t, l.CheckIntact(h.head))
			require.Equal(t, l.Head(), h.head)
		}
	}
}

// TestWritersTellOfABatchAtOnce: the entries are made, and the head store learns of them
// at the end; when it cannot, the next writer finds them.
func TestWritersTellOfABatchAtOnce(t *testing.T) {
	k, h := newKeeper(t, 1), &heads{}
	w := k.writer(k.Repo, h)
	w.Batch()
	for i := range 3 {
		require.NoError(t, w.Append(t.Context(), k.Operation(i)))
	}
	require.Zero(t, h.head)
	require.NoError(t, w.SyncHead(t.Context()))
	require.EqualValues(t, 3, h.head.Sequence)
	require.Equal(t, 1, h.announced)
	require.NoError(t, w.SyncHead(t.Context()))
	require.Equal(t, 2, h.announced, "it may be repeated")

	require.NoError(t, w.Append(t.Context(), k.Operation(4)))
	h.fails = true
	require.ErrorIs(t, w.SyncHead(t.Context()), errAway)
	h.fails = false
	require.NoError(t, k.writer(k.Repo, h).Append(t.Context(), k.Operation(5)))
	require.EqualValues(t, 5, h.head.Sequence)
	require.NoError(t, w.SyncHead(t.Context()), "others told of more")
	h.head = backup.LedgerHead{Sequence: 1, SHA256: h.head.SHA256}
	require.ErrorIs(t, w.SyncHead(t.Context()), fault.SettingsChanged, "the head went back")
}

// TestWritersEnterNoRemovedBackup: an entry that says that a backup is there does not come
// behind one that says it was removed, and none but of a new backup into a damaged ledger.
func TestWritersEnterNoRemovedBackup(t *testing.T) {
	k := newKeeper(t, 1)
	b := k.BackUp()
	h := &heads{head: k.Head}
	w := k.writer(k.Repo, h)
	require.NoError(t, w.Append(t.Context(), k.Entry(backup.LedgerRewrapped, b)))
	require.NoError(t, k.writer(k.Repo, h).Append(t.Context(), k.Entry(backup.LedgerDeleted, b)))
	b.Sums = append(b.Sums, '\n')
	require.ErrorIs(t, w.Append(t.Context(), k.Entry(backup.LedgerRewrapped, b)), fault.BackupRolledBack)
	require.NoError(t, os.RemoveAll(k.Of(b)))
	require.ErrorIs(t, w.Append(t.Context(), k.Entry(backup.LedgerRewrapped, b)), fault.BackupNotFound)

	require.NoError(t, os.Remove(k.Path(backup.LedgerDir, backup.LedgerFile(1))))
	require.ErrorIs(t, k.writer(k.Repo, h).Append(t.Context(), k.Entry(backup.LedgerRewrapped, b)), fault.LedgerDamaged)
	other := k.Put()
	k.Publish(other)
	require.NoError(t, k.writer(k.Repo, h).Append(t.Context(), k.Entry(backup.LedgerCreated, other)))
}

// TestWritersRestart: the old ledger is archived and the new one has one entry, however
// often that is asked for and whenever it crashes.
func TestWritersRestart(t *testing.T) {
	for n := 1; ; n++ {
		k := newKeeper(t, 1)
		k.BackUp()
		h := &heads{head: k.Head}
		old := k.Head
		store := &repositorytest.DyingStore{Store: k.Store, Left: n}
		err := k.writer(repository.New(store, "local"), h).Restart(t.Context(), h.head, old, "op")
		for range 2 {
			require.NoError(t, k.writer(k.Repo, h).Restart(t.Context(), h.head, old, "op"))
		}
		l, readErr := k.Repo.Ledger().Read(t.Context(), k.Signers)
		require.NoError(t, readErr)
		require.Equal(t, 1, l.Entries)
		require.NoError(t, l.CheckIntact(h.head))
		require.EqualValues(t, 1, h.head.Sequence)
		require.DirExists(t, k.Path(fmt.Sprintf("ledger-until-%d-%.8s", old.Sequence, old.SHA256)))
		if !store.Dead {
			require.NoError(t, err)
			require.Equal(t, 1, h.withdrawn)
			other := backup.LedgerHead{Sequence: 7, SHA256: old.SHA256}
			require.ErrorIs(t, k.writer(k.Repo, h).Restart(t.Context(), h.head, other, "op"), fault.SettingsChanged)
			break
		}
	}
}
