package audit_test

import (
	"context"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository"
	"infrabackup/internal/repository/audit"
	"infrabackup/internal/repository/repositorytest"
	"infrabackup/internal/share/sharetest"
)

// trusting are the keys that are trusted on a share.
func trusting(keys []byte) audit.Signers {
	return func(context.Context) ([]byte, error) { return keys, nil }
}

// successor is a controller with a new key on the share of another.
func (k *fixture) successor() *fixture {
	next := *k
	next.Key = repositorytest.SigningKey(k.T)
	next.Signers = nil
	next.Trust(next.Key)
	return &next
}

// TestAShareIsTakenOver: its ledger goes on with another key, and backups that it does not
// know are entered.
func TestAShareIsTakenOver(t *testing.T) {
	k := newFixture(t, 3)
	k.BackUp()
	k.Publish(k.Put()) // nobody lived to enter it
	next, h := k.successor(), &repositorytest.Heads{}
	w := next.Writer(k.Repo, h)
	require.NoError(t, audit.TakeOver(t.Context(), k.Repo, w, h.Newest, trusting(k.Signers), "op"))
	require.EqualValues(t, 3, h.Newest.Sequence)
	requireSound(t, k, w.Trusted(), h, 2)
}

// requireSound makes sure that so many backups are on the share, and nothing is wrong.
func requireSound(t *testing.T, k *fixture, signers []byte, h *repositorytest.Heads, backups int) {
	t.Helper()
	require.NoError(t, k.Repo.WriteInstanceFiles(t.Context(), signers))
	found, ids, err := audit.Run(t.Context(), k.Repo, audit.Options{AllowedSigners: signers, Head: &h.Newest})
	require.NoError(t, err)
	require.True(t, found.Good(), "%+v", found)
	require.Len(t, ids, backups)
}

// TestATakeOverMayEndAtAnyMoment: whoever asks for it again ends it.
func TestATakeOverMayEndAtAnyMoment(t *testing.T) {
	for _, how := range []sharetest.Way{sharetest.Before, sharetest.After} {
		for n := 1; ; n++ {
			k := newFixture(t, 3)
			k.BackUp()
			k.Publish(k.Put())
			h := &repositorytest.Heads{}
			store := &sharetest.Crashing{Store: k.Store, At: n, Way: how}
			dying := repository.New(store, "local")
			err := audit.TakeOver(t.Context(), dying, k.Writer(dying, h), h.Newest, trusting(k.Signers), "op")
			if !store.Down {
				require.NoError(t, err)
				break
			}
			require.ErrorIs(t, err, sharetest.ErrCrashed)
			require.NoError(t, audit.TakeOver(t.Context(), k.Repo, k.Writer(k.Repo, h), h.Newest, trusting(k.Signers), "op"), "at change %d", n)
			requireSound(t, k, k.Signers, h, 2)
		}
	}
}

// TestALedgerBeginsAgain: what was wrong with the old one does not keep the backups that are
// signed from being entered in the new one, and they are entered once.
func TestALedgerBeginsAgain(t *testing.T) {
	k := newFixture(t, 3)
	k.BackUp()
	k.BackUp()
	old := k.Head
	require.NoError(t, os.Remove(k.Path(backup.LedgerDir, backup.LedgerFile(1))))
	h := &repositorytest.Heads{Newest: old}
	require.ErrorIs(t, audit.TakeOver(t.Context(), k.Repo, k.Writer(k.Repo, h), h.Newest, trusting(k.Signers), "op"), fault.LedgerDamaged)
	for range 2 {
		require.NoError(t, audit.Restart(t.Context(), k.Repo, k.Writer(k.Repo, h), h.Newest, old, trusting(k.Signers), "op"))
		require.EqualValues(t, 3, h.Newest.Sequence)
	}
	requireSound(t, k, k.Signers, h, 2)
}

// TestWhatWasCopiedIsCompleted: backups that the ledger of their new share does not know are
// entered, and what is not sound is said.
func TestWhatWasCopiedIsCompleted(t *testing.T) {
	k := newFixture(t, 3)
	k.BackUp()
	k.Publish(k.Put())
	h := &repositorytest.Heads{Newest: k.Head}
	require.NoError(t, audit.Complete(t.Context(), k.Repo, k.Writer(k.Repo, h), "op"))
	require.EqualValues(t, 2, h.Newest.Sequence)
	require.NoError(t, os.RemoveAll(k.Of(k.Live[0])))
	require.ErrorIs(t, audit.Complete(t.Context(), k.Repo, k.Writer(k.Repo, h), "op"), fault.BackupDamaged)
}
