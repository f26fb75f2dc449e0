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
	"infrabackup/internal/repository/repositorytest"
	"infrabackup/internal/share/sharetest"
)

// TestWritersMeet lets two append at once: no entry is lost, and the head is
// remembered.
func TestWritersMeet(t *testing.T) {
	const each = 10
	k, h := newFixture(t, 1), &repositorytest.Heads{}
	errs := make([]error, 2)
	var both sync.WaitGroup
	for n := range errs {
		w := k.Writer(k.Repo, h)
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
	require.NoError(t, l.CheckIntact(h.Newest))
	require.Equal(t, l.Head(), h.Newest)
	require.Equal(t, 2*each, h.Announced)
}

// TestWritersSurviveACrashAtEveryChange: whoever comes next goes on with the ledger.
func TestWritersSurviveACrashAtEveryChange(t *testing.T) {
	for _, how := range []sharetest.Way{sharetest.Before, sharetest.After} {
		for n := 1; ; n++ {
			k, h := newFixture(t, 1), &repositorytest.Heads{}
			store := &sharetest.Crashing{Store: k.Store, At: n, Way: how}
			err := k.Writer(repository.New(store, "local"), h).Append(t.Context(), k.Operation(1))
			if !store.Down {
				require.NoError(t, err)
				break
			}
			require.ErrorIs(t, err, sharetest.ErrCrashed)
			require.NoError(t, k.Writer(k.Repo, h).Append(t.Context(), k.Operation(2)))
			l, err := k.Repo.Ledger().Read(t.Context(), k.Signers)
			require.NoError(t, err)
			require.NoError(t, l.CheckIntact(h.Newest))
			require.Equal(t, l.Head(), h.Newest)
			_, known := l.State(k.Operation(2).BackupID)
			require.True(t, known)
		}
	}
}

// TestWritersTellOfABatchAtOnce: the entries are made, and the head store learns of them
// at the end; when it cannot, the next writer finds them.
func TestWritersTellOfABatchAtOnce(t *testing.T) {
	k, h := newFixture(t, 1), &repositorytest.Heads{}
	w := k.Writer(k.Repo, h)
	w.Batch()
	for i := range 3 {
		require.NoError(t, w.Append(t.Context(), k.Operation(i)))
	}
	require.Zero(t, h.Newest)
	require.NoError(t, w.SyncHead(t.Context()))
	require.EqualValues(t, 3, h.Newest.Sequence)
	require.Equal(t, 1, h.Announced)
	require.NoError(t, w.SyncHead(t.Context()))
	require.Equal(t, 2, h.Announced, "it may be repeated")

	require.NoError(t, w.Append(t.Context(), k.Operation(4)))
	h.Fails = true
	require.ErrorIs(t, w.SyncHead(t.Context()), repositorytest.ErrAway)
	h.Fails = false
	require.NoError(t, k.Writer(k.Repo, h).Append(t.Context(), k.Operation(5)))
	require.EqualValues(t, 5, h.Newest.Sequence)
	require.NoError(t, w.SyncHead(t.Context()), "others told of more")
	h.Newest = backup.LedgerHead{Sequence: 1, SHA256: h.Newest.SHA256}
	require.ErrorIs(t, w.SyncHead(t.Context()), fault.SettingsChanged, "the head went back")
}

// TestWritersEnterNoRemovedBackup: an entry that says that a backup is there does not come
// behind one that says it was removed, and none but of a new backup into a damaged ledger.
func TestWritersEnterNoRemovedBackup(t *testing.T) {
	k := newFixture(t, 1)
	b := k.BackUp()
	h := &repositorytest.Heads{Newest: k.Head}
	w := k.Writer(k.Repo, h)
	require.NoError(t, w.Append(t.Context(), k.Entry(backup.LedgerRewrapped, b)))
	require.NoError(t, k.Writer(k.Repo, h).Append(t.Context(), k.Entry(backup.LedgerDeleted, b)))
	b.Sums = append(b.Sums, '\n')
	require.ErrorIs(t, w.Append(t.Context(), k.Entry(backup.LedgerRewrapped, b)), fault.BackupRolledBack)
	require.NoError(t, os.RemoveAll(k.Of(b)))
	require.ErrorIs(t, w.Append(t.Context(), k.Entry(backup.LedgerRewrapped, b)), fault.BackupNotFound)

	require.NoError(t, os.Remove(k.Path(backup.LedgerDir, backup.LedgerFile(1))))
	require.ErrorIs(t, k.Writer(k.Repo, h).Append(t.Context(), k.Entry(backup.LedgerRewrapped, b)), fault.LedgerDamaged)
	other := k.Put()
	k.Publish(other)
	require.NoError(t, k.Writer(k.Repo, h).Append(t.Context(), k.Entry(backup.LedgerCreated, other)))
}

// TestWritersRestart: the old ledger is archived and the new one has one entry, however
// often that is asked for and whenever it crashes.
func TestWritersRestart(t *testing.T) {
	for _, how := range []sharetest.Way{sharetest.Before, sharetest.After} {
		for n := 1; restarts(t, n, how); n++ {
		}
	}
}

// restarts ends the restart at the n-th change of the share, and reports whether there are
// that many. What is begun again has the same end.
func restarts(t *testing.T, n int, how sharetest.Way) bool {
	t.Helper()
	k := newFixture(t, 1)
	k.BackUp()
	h := &repositorytest.Heads{Newest: k.Head}
	old := k.Head
	store := &sharetest.Crashing{Store: k.Store, At: n, Way: how}
	err := k.Writer(repository.New(store, "local"), h).Restart(t.Context(), h.Newest, old, "op")
	for range 2 {
		require.NoError(t, k.Writer(k.Repo, h).Restart(t.Context(), h.Newest, old, "op"), "change %d", n)
	}
	l, readErr := k.Repo.Ledger().Read(t.Context(), k.Signers)
	require.NoError(t, readErr)
	require.Equal(t, 1, l.Entries)
	require.NoError(t, l.CheckIntact(h.Newest))
	require.EqualValues(t, 1, h.Newest.Sequence)
	require.DirExists(t, k.Path(fmt.Sprintf("ledger-until-%d-%.8s", old.Sequence, old.SHA256)))
	if store.Down {
		return true
	}
	require.NoError(t, err)
	require.Equal(t, 1, h.Withdrawn)
	other := backup.LedgerHead{Sequence: 7, SHA256: old.SHA256}
	require.ErrorIs(t, k.Writer(k.Repo, h).Restart(t.Context(), h.Newest, other, "op"), fault.SettingsChanged)
	return false
}
