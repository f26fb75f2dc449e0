package control

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/schedule"
	"infrabackup/internal/settings"
)

// scheduled is a Temporal with an instance whose schedule is set as the settings' entity sets it.
// Meanwhile is what another caller does between a read of the schedule and a write.
func scheduled(t *testing.T, set schedule.Setting, meanwhile func(now *schedule.Setting)) (*fake, *schedule.Setting) {
	t.Helper()
	f, now := newFake(), &set
	f.known[flow.SettingsWorkflowID("north")] = goingOn(flow.SettingsWorkflowID("north"), flow.Settings.Name, flow.Queue("north"))
	f.answers[flow.SummarySettings.Name] = settings.Summary{Revision: 1, Instance: backup.Instance{Name: "north"}}
	f.answers[flow.GetUpkeep.Name] = flow.UpkeepState{Schedule: schedule.State{Setting: set}}
	f.updates[flow.SetSchedule.Name] = func(args json.RawMessage) (any, error) {
		var in flow.ScheduleChange
		require.NoError(t, json.Unmarshal(args, &in))
		require.NotNil(t, in.Over, "it would replace any")
		meanwhile(now)
		f.answers[flow.GetUpkeep.Name] = flow.UpkeepState{Schedule: schedule.State{Setting: *now}}
		if *in.Over != *now {
			return nil, fault.Newf(fault.SettingsChanged, "the schedule was changed meanwhile")
		}
		*now = in.Setting
		return schedule.State{Setting: *now}, nil
	}
	return f, now
}

// TestPatchesAtTheSameMomentAreMerged: each changes the members that it names, and nothing of the
// other is lost.
func TestPatchesAtTheSameMomentAreMerged(t *testing.T) {
	others := 0
	f, now := scheduled(t, schedule.Setting{FrequencyHours: 12, RetentionDays: 7, KeepVerified: 2}, func(now *schedule.Setting) {
		if others++; others <= 3 { // three others come first
			now.RetentionDays, now.Enabled = 7+others, true
		}
	})
	hours := 4
	begun, err := New(f, nil, "default", "north").BeginChange(t.Context(), Wanted{SchedulePatch: schedule.Patch{FrequencyHours: &hours}, RequestedBy: "op"})
	require.NoError(t, err)
	want := schedule.Setting{Enabled: true, FrequencyHours: 4, RetentionDays: 10, KeepVerified: 2}
	require.Equal(t, want, *now)
	require.Equal(t, Begun{Schedule: &want}, begun)
	require.Equal(t, 4, f.asked[flow.SetSchedule.Name])
}

// TestAPatchThatAlwaysComesLateIsRefused: the tries have an end. One whose work another has done
// meanwhile has nothing left to do.
func TestAPatchThatAlwaysComesLateIsRefused(t *testing.T) {
	hours, days := 4, 9
	f, now := scheduled(t, schedule.Default(), func(now *schedule.Setting) { now.KeepVerified++ })
	_, err := New(f, nil, "default", "north").BeginChange(t.Context(), Wanted{SchedulePatch: schedule.Patch{FrequencyHours: &hours}, RequestedBy: "op"})
	require.ErrorIs(t, err, fault.SettingsChanged)
	require.Equal(t, maxMerges, f.asked[flow.SetSchedule.Name])
	require.Equal(t, 12, now.FrequencyHours)

	f, _ = scheduled(t, schedule.Default(), func(now *schedule.Setting) { now.RetentionDays = days })
	begun, err := New(f, nil, "default", "north").BeginChange(t.Context(), Wanted{SchedulePatch: schedule.Patch{RetentionDays: &days}, RequestedBy: "op"})
	require.NoError(t, err)
	require.True(t, begun.Unchanged)
	require.Equal(t, days, begun.Schedule.RetentionDays)
}

// TestAWholeScheduleIsSetOverWhatWasSeen: it is refused when another one is set by now.
func TestAWholeScheduleIsSetOverWhatWasSeen(t *testing.T) {
	seen := schedule.Default()
	next := seen
	next.RetentionDays = 5
	f, now := scheduled(t, seen, func(now *schedule.Setting) { now.Enabled = true })
	_, err := New(f, nil, "default", "north").SetSchedule(t.Context(), next, &seen, "op")
	require.ErrorIs(t, err, fault.SettingsChanged)
	require.Equal(t, 7, now.RetentionDays)
	require.Zero(t, f.asked["bell"], "nothing was set")
}
