package activities

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	sdk "go.temporal.io/sdk/temporal"

	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/schedule"
)

// bell is the schedules of a Temporal server.
type bell struct {
	client.ScheduleClient
	t     *testing.T
	there bool // the schedule
	away  error
	rings []time.Duration // the offset of each time that it was set
}

// Create implements client.ScheduleClient.
func (b *bell) Create(_ context.Context, o client.ScheduleOptions) (client.ScheduleHandle, error) {
	if b.away != nil {
		return nil, b.away
	}
	if b.there {
		return nil, sdk.ErrScheduleAlreadyRunning
	}
	b.there = true
	b.set(o.Spec, o.Action)
	return nil, nil
}

func (b *bell) set(spec client.ScheduleSpec, action client.ScheduleAction) {
	require.Equal(b.t, flow.UpkeepInterval, spec.Intervals[0].Every)
	require.Equal(b.t, flow.Upkeep.Name, action.(*client.ScheduleWorkflowAction).Workflow)
	b.rings = append(b.rings, spec.Intervals[0].Offset)
}

// GetHandle implements client.ScheduleClient.
func (b *bell) GetHandle(context.Context, string) client.ScheduleHandle { return bellHandle{b: b} }

type bellHandle struct {
	client.ScheduleHandle
	b *bell
}

// Update implements client.ScheduleHandle.
func (h bellHandle) Update(_ context.Context, o client.ScheduleUpdateOptions) error {
	out, err := o.DoUpdate(client.ScheduleUpdateInput{})
	if err == nil {
		h.b.set(*out.Schedule.Spec, out.Schedule.Action)
	}
	return err
}

// ringer is a bell as the activities see it.
type ringer struct {
	*keeping
	b *bell
}

// ScheduleClient implements client.Client.
func (r ringer) ScheduleClient() client.ScheduleClient { return r.b }

// TestTheRingFollowsTheChange: Temporal rings by the slots that came with a change, once it is
// active, and not for one that is refused.
func TestTheRingFollowsTheChange(t *testing.T) {
	on := schedule.Setting{Enabled: true, FrequencyHours: 6, RetentionDays: 7, KeepVerified: 2}
	for name, c := range map[string]struct {
		before schedule.State
		there  bool
	}{
		"the first schedule": {},
		"another grid":       {schedule.State{}.With(schedule.Setting{Enabled: true, FrequencyHours: 12, RetentionDays: 7, KeepVerified: 2}, time.Now().Add(-7*time.Minute-5*time.Hour), "anna"), true},
	} {
		t.Run(name, func(t *testing.T) {
			x := newShelf(t)
			b := &bell{t: t, there: c.there}
			x.a.Client = ringer{x.entity, b}
			x.entity.upkeep.Schedule = c.before
			copying, settle := x.moving(2)
			copied, err := run(t, x.a.CopyBackups, copying)
			require.NoError(t, err)
			settle.Copied, settle.Schedule = copied.Head, &on

			refused := settle
			refused.Probe = nil
			_, err = run(t, x.a.SettleChange, refused)
			require.Equal(t, fault.SettingsUnprobed, fault.CodeOf(err))
			require.Empty(t, b.rings)

			b.away = errors.New("away")
			_, err = run(t, x.a.SettleChange, settle)
			require.True(t, fault.CodeOf(err).Retryable(), "%v", err)
			require.EqualValues(t, 2, x.entity.active)
			b.away = nil
			for range 2 { // and a repeated attempt
				_, err = run(t, x.a.SettleChange, settle)
				require.NoError(t, err)
			}
			offset := time.Duration(x.entity.upkeep.Schedule.Anchor.Unix()) * time.Second % flow.UpkeepInterval
			require.Equal(t, []time.Duration{offset, offset}, b.rings)
			require.NotEqual(t, c.before.Anchor, x.entity.upkeep.Schedule.Anchor)
		})
	}
}
