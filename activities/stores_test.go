package activities

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
	s := newStores(func(context.Context, settings.Settings) (share.Store, error) {
		logins++
		return nil, fault.Newf(fault.ShareAuthFailed, "refused")
	}, time.Now)
	_, err := s.get(t.Context(), set)
	require.ErrorIs(t, err, fault.ShareAuthFailed)

	tried, err := dir.Open(t.TempDir())
	require.NoError(t, err)
	require.True(t, s.keep(set, tried))
	got, err := s.get(t.Context(), set)
	require.NoError(t, err)
	require.Same(t, tried, got)
	require.Equal(t, 1, logins)

	second, err := dir.Open(t.TempDir())
	require.NoError(t, err)
	require.False(t, s.keep(set, second))
	require.NoError(t, second.Close())
	require.NoError(t, s.close())
	_, err = tried.Stat(t.Context(), "")
	require.Error(t, err)
}
