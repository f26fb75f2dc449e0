package repository_test

import (
	"context"
	"errors"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/repository"
	"infrabackup/internal/share"
	"infrabackup/internal/share/sharetest"
)

// watched is a store that lets somebody else act before the first removal.
type watched struct {
	share.Store
	meanwhile func()
}

// Remove implements share.Store.
func (w *watched) Remove(ctx context.Context, path string) error {
	w.meanwhile()
	return w.Store.Remove(ctx, path)
}

// TestWhatIsDiscardedIsNotPublished: an attempt to publish that nobody waits for any more
// goes on while the backup is discarded. It finds nothing; half a backup is never named.
func TestWhatIsDiscardedIsNotPublished(t *testing.T) {
	k := newFixture(t, 1)
	const id = backup.ID("1945dfe4-d16c-4b36-9096-1deceb046647")
	started := time.Unix(1_800_000_000, 0)
	require.NoError(t, k.Repo.Begin(t.Context(), id))
	for _, name := range []string{backup.ManifestFile, backup.KeyFile, backup.SumsFile} {
		_, err := k.Repo.Put(t.Context(), id, name, []byte(name))
		require.NoError(t, err)
	}
	late := errors.New("nobody tried")
	store := &watched{Store: k.Repo.Files().Store}
	store.meanwhile = sync.OnceFunc(func() {
		_, late = repository.New(k.Repo.Files().Store, k.Repo.Files().Instance()).Publish(t.Context(), id, started)
	})
	repo := repository.New(store, k.Repo.Files().Instance())
	require.NoError(t, repo.Discard(t.Context(), id))
	require.ErrorIs(t, late, os.ErrNotExist)
	require.NoError(t, repo.Discard(t.Context(), id), "it may be repeated")
	left, err := k.Repo.Files().List(t.Context(), k.Repo.Files().At(backup.IncomingDir))
	require.NoError(t, err)
	require.Empty(t, left)
	_, done, err := k.Repo.Published(t.Context(), id, started)
	require.NoError(t, err)
	require.False(t, done)
}

// TestWhatAnAttemptLeftIsDiscarded: an attempt that died between giving the folder
// another name and removing it leaves nothing to the next one.
func TestWhatAnAttemptLeftIsDiscarded(t *testing.T) {
	k := newFixture(t, 1)
	const id = backup.ID("1945dfe4-d16c-4b36-9096-1deceb046647")
	for left := 1; left < 5; left++ {
		for _, how := range []sharetest.Way{sharetest.Before, sharetest.After} {
			require.NoError(t, k.Repo.Begin(t.Context(), id))
			_, err := k.Repo.Put(t.Context(), id, backup.ManifestFile, []byte("{}"))
			require.NoError(t, err)
			dying := repository.New(&sharetest.Crashing{Store: k.Repo.Files().Store, At: left, Way: how}, k.Repo.Files().Instance())
			_ = dying.Discard(t.Context(), id) // it dies, or has not so many changes to make
			require.NoError(t, k.Repo.Discard(t.Context(), id))
			entries, err := k.Repo.Files().List(t.Context(), k.Repo.Files().At(backup.IncomingDir))
			require.NoError(t, err)
			require.Empty(t, entries, "crash at change %d, %s it", left, how)
		}
	}
}
