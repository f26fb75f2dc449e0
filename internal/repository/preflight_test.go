package repository_test

import (
	"context"
	"io/fs"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository"
	"infrabackup/internal/share"
	"infrabackup/internal/share/dir"
)

const (
	preflightID         = backup.ID("0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11")
	preflightController = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
)

// telling is a store that reports some space.
type telling struct {
	share.Store
	space share.Space
}

func (t telling) Space(context.Context) (share.Space, error) { return t.space, nil }

// A share that reports no free space although it takes files is not full.
func TestNothingFree(t *testing.T) {
	store, err := dir.Open(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	for _, told := range []share.Space{{}, {Total: 1 << 40}, {Free: 1, Total: 1 << 40}} {
		s := telling{store, told}
		repo := repository.New(s, "local")
		begin := func(ctx context.Context) error { return repo.Begin(ctx, preflightID) }
		p, err := repo.Preflight(t.Context(), preflightID, preflightController, begin)
		require.NoError(t, err)
		require.NoError(t, p.Fits())
		require.Equal(t, told.Free, p.Space.Free)
	}
}

// refusing is a store that lets nothing be renamed, as the probe finds out.
type refusing struct{ share.Store }

func (refusing) Rename(context.Context, string, string) error {
	return fault.Newf(fault.ShareAccessDenied, "no")
}

// A share that does not pass the probe is left without work, and without a controller that was
// only looked for.
func TestPreflightRefused(t *testing.T) {
	store, err := dir.Open(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	repo := repository.New(refusing{store}, "local")
	entered, _, err := repo.Try(t.Context(), "x", preflightController)
	require.ErrorIs(t, err, fault.ShareAccessDenied)
	require.False(t, entered)
	_, err = store.Stat(t.Context(), "local/"+backup.ControllerFile)
	require.ErrorIs(t, err, fs.ErrNotExist)

	require.NoError(t, repository.New(store, "local").Claim(t.Context(), preflightController))
	p, err := repo.Preflight(t.Context(), preflightID, preflightController, func(ctx context.Context) error {
		return repository.New(store, "local").Begin(ctx, preflightID)
	})
	require.ErrorIs(t, err, fault.ShareAccessDenied)
	_, statErr := store.Stat(t.Context(), "local/"+backup.IncomingPath(preflightID))
	require.NoError(t, statErr, "it was begun beside the probe")
	require.ErrorIs(t, p.Undo(t.Context(), err), fault.ShareAccessDenied)
	_, err = store.Stat(t.Context(), "local/"+backup.IncomingPath(preflightID))
	require.ErrorIs(t, err, fs.ErrNotExist)
}

// Nothing is begun where another controller writes.
func TestPreflightOccupied(t *testing.T) {
	store, err := dir.Open(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	repo := repository.New(store, "local")
	require.NoError(t, repo.Claim(t.Context(), otherController))
	_, err = repo.Preflight(t.Context(), preflightID, preflightController, func(context.Context) error {
		t.Error("begun")
		return nil
	})
	require.ErrorIs(t, err, fault.InstanceOccupied)
	_, _, err = repo.Try(t.Context(), "x", preflightController)
	require.ErrorIs(t, err, fault.InstanceOccupied)
}
