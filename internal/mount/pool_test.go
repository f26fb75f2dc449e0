package mount

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
	"infrabackup/internal/settings"
	"infrabackup/internal/share"
	"infrabackup/internal/share/dir"
)

// A store that was tried is the one that the next step gets, also when an earlier login with
// the same settings was refused; a second one stays its caller's, and all end together.
func TestTriedStoreIsKept(t *testing.T) {
	set := settings.Settings{Revision: 1}
	logins := 0
	s := NewPool(func(context.Context, settings.Settings) (share.Store, error) {
		logins++
		return nil, fault.Newf(fault.ShareAuthFailed, "refused")
	}, time.Now)
	_, err := s.Get(t.Context(), set)
	require.ErrorIs(t, err, fault.ShareAuthFailed)

	tried, err := dir.Open(t.TempDir())
	require.NoError(t, err)
	require.True(t, s.Keep(set, tried))
	got, err := s.Get(t.Context(), set)
	require.NoError(t, err)
	require.Same(t, tried, got)
	require.Equal(t, 1, logins)

	second, err := dir.Open(t.TempDir())
	require.NoError(t, err)
	require.False(t, s.Keep(set, second))
	require.NoError(t, second.Close())
	require.NoError(t, s.Close())
	_, err = tried.Stat(t.Context(), "")
	require.Error(t, err)
}
