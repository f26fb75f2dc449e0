package control

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
	"infrabackup/internal/schedule"
)

// moved waits until the pulse is another one, and returns it as it is then.
func (s *site) moved(before Pulse) (now Pulse) {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		var err error
		now, err = s.Pulse(s.t.Context())
		return err == nil && now != before
	}, 20*time.Second, 50*time.Millisecond)
	return now
}

// TestPulse: what is done to an instance shows, and what is only asked does not.
func TestPulse(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ctx := t.Context()
	none, err := s.Pulse(ctx)
	require.NoError(t, err)
	require.Equal(t, Pulse{}, none, "nothing was ever enabled")
	reached, gate := make(chan struct{}), make(chan struct{})
	s.collect = func(context.Context, int32) error {
		close(reached)
		<-gate
		return nil
	}
	s.enable()
	s.moved(none)

	var still, now Pulse
	for range 4 { // a worker that is late on a busy machine makes Temporal write down that it was asked
		require.Eventually(t, func() bool { // the change that enabled has ended, also where Temporal lists runs
			before := still
			still, err = s.Pulse(ctx)
			return err == nil && still == before && still.operations == ""
		}, 20*time.Second, time.Second)
		for range 2 {
			_, err = s.Summary(ctx)
			require.NoError(t, err)
			_, err = s.Upkeep(ctx)
			require.NoError(t, err)
			_, err = s.List(ctx, 10)
			require.NoError(t, err)
			require.ErrorIs(t, s.refusedSchedule(ctx), fault.SettingsInvalid)
		}
		now, err = s.Pulse(ctx)
		require.NoError(t, err)
		if now == still {
			break
		}
	}
	require.Equal(t, still, now, "reading moves nothing: else what follows the pulse would follow itself")

	off := schedule.Default()
	off.RetentionDays = 5
	_, err = s.SetSchedule(ctx, off, nil, "anna")
	require.NoError(t, err)
	set := s.moved(still)
	started, err := s.Start(ctx, "anna", 0)
	require.NoError(t, err)
	<-reached
	running := s.moved(set)
	require.Contains(t, running.operations, started.RunID)
	close(gate)
	require.NotContains(t, s.moved(running).operations, started.RunID)

	away, cancel := context.WithCancel(ctx)
	cancel()
	_, err = s.Pulse(away)
	require.Equal(t, fault.Cancelled, fault.CodeOf(err))
}

// refusedSchedule sets a schedule that is none.
func (s *site) refusedSchedule(ctx context.Context) error {
	_, err := s.SetSchedule(ctx, schedule.Setting{}, nil, "anna")
	return err
}
