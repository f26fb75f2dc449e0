package repository_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository"
	"infrabackup/internal/repository/folder"
	"infrabackup/internal/share"
)

// lowers is a share that does not keep upper case.
type lowers struct{ share.Store }

func (s lowers) List(ctx context.Context, path string) ([]share.Info, error) {
	list, err := s.Store.List(ctx, path)
	for i := range list {
		list[i].Name = strings.ToLower(list[i].Name)
	}
	return list, err
}

// A probe finds out before a run what would only show at its end, and leaves nothing.
func TestProbe(t *testing.T) {
	r, store, _ := testRepository(t)
	ctx := t.Context()
	for range 2 {
		require.NoError(t, r.Probe(ctx, "x"))
	}
	require.NoError(t, r.Files().MkdirAll(ctx, r.Files().At(backup.IncomingDir, folder.ProbePrefix+"x")))
	require.NoError(t, r.Files().Write(ctx, r.Files().At(backup.IncomingDir, folder.ProbePrefix+"x", repository.ProbeFile), nil), "left by one that was interrupted")
	require.NoError(t, r.Probe(ctx, "x"))
	require.ErrorIs(t, repository.New(lowers{store}, r.Files().Instance()).Probe(ctx, "x"), fault.ShareNames)
	left, err := r.Files().List(ctx, r.Files().At(backup.IncomingDir))
	require.NoError(t, err)
	require.Empty(t, left)
}
