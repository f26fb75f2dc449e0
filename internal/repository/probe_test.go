package repository

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
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
	require.NoError(t, r.store.MkdirAll(ctx, r.at(backup.IncomingDir, probePrefix+"x")))
	require.NoError(t, r.write(ctx, r.at(backup.IncomingDir, probePrefix+"x", probeFile), nil), "left by one that was interrupted")
	require.NoError(t, r.Probe(ctx, "x"))
	require.ErrorIs(t, New(lowers{store}, r.instance).Probe(ctx, "x"), fault.ShareNames)
	left, err := r.store.List(ctx, r.at(backup.IncomingDir))
	require.NoError(t, err)
	require.Empty(t, left)
}
