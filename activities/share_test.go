package activities

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/repository"
	"infrabackup/internal/share"
	"infrabackup/internal/share/dir"
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
		require.NoError(t, repo.Probe(t.Context(), "x"))
		for _, ignored := range []bool{false, true} {
			free, err := freeSpace(t.Context(), s, 0, ignored)
			require.NoError(t, err)
			require.Equal(t, told.Free, free)
		}
	}
}
