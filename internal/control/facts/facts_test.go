package facts

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/alert"
	"infrabackup/internal/backup"
	"infrabackup/internal/board"
	"infrabackup/internal/control"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/flow/drills"
	"infrabackup/internal/restore/drill"
	"infrabackup/internal/schedule"
	"infrabackup/internal/settings"
)

// enabled is the controller of an instance without backups.
type enabled struct {
	Controller
	state  flow.UpkeepState
	status control.ScheduleStatus
	last   *flow.UpkeepOutput
	listed flow.ListOutput
	hang   bool // until the caller gives up
}

func (e enabled) Summary(ctx context.Context) (settings.Summary, error) {
	if e.hang {
		<-ctx.Done()
		return settings.Summary{}, ctx.Err()
	}
	return settings.Summary{Revision: 1}, nil
}

func (e enabled) History(context.Context) (settings.History, error) { return settings.History{}, nil }

func (e enabled) ListExpected(context.Context, int) (flow.ListOutput, error) { return e.listed, nil }

func (e enabled) Running(context.Context) (string, error) {
	return "", fault.Newf(fault.BackupNotFound, "none")
}

func (e enabled) Changing(context.Context) (string, time.Time, error) { return "", time.Time{}, nil }

func (e enabled) Upkeep(context.Context) (flow.UpkeepState, error) { return e.state, nil }

func (e enabled) UpkeepStatus(context.Context) (control.UpkeepStatus, error) {
	return control.UpkeepStatus{State: e.state, Schedule: e.status, Last: e.last}, nil
}

func (e enabled) Missing(context.Context) ([]backup.Service, error) { return nil, nil }

func (e enabled) Drills(_ context.Context, in drills.Input) (drills.Output, error) {
	return drills.Output{Drills: []drill.Listed{{File: fmt.Sprint(in.Count)}}}, nil
}

func (e enabled) Standing(context.Context) error { return nil }

// TestSource: what a board gets is all that a controller tells.
func TestSource(t *testing.T) {
	at := time.Date(2027, 5, 4, 12, 0, 0, 0, time.UTC)
	ahead := schedule.State{}.With(schedule.Setting{Enabled: true, FrequencyHours: 4, RetentionDays: 7, KeepVerified: 2}, time.Now().Add(100*time.Hour), "anna")
	e := enabled{
		state: flow.UpkeepState{
			Schedule: ahead, Verdicts: []flow.Verdict{{BackupID: "a", At: at, Code: "BACKUP_DAMAGED"}},
			Acknowledged: []flow.Acknowledgement{{Code: "SHARE_FULL", Object: "o", By: "anna", At: at, Note: "ordered"}},
		},
		status: control.ScheduleStatus{State: ahead, Next: at, Late: 3, Warnings: []string{"w"}, Problem: "paused"},
		listed: flow.ListOutput{FreeBytes: 5, TotalBytes: 7, Expected: "a"},
	}
	got, err := Source{e}.Upkeep(t.Context())
	require.NoError(t, err)
	require.Equal(t, board.UpkeepFacts{
		Schedule: ahead, Verdicts: map[backup.ID]flow.Verdict{"a": {BackupID: "a", At: at, Code: "BACKUP_DAMAGED"}},
		Acknowledged: []alert.Acknowledgement{{Code: "SHARE_FULL", Object: "o", By: "anna", At: at, Note: "ordered"}},
	}, got)
	listed, err := Source{e}.List(t.Context(), 3)
	require.NoError(t, err)
	require.Equal(t, board.Listing{ListOutput: e.listed, Capacity: board.Capacity{Free: 5, Total: 7}}, listed)
	drills, err := Source{e}.Drills(t.Context())
	require.NoError(t, err)
	require.Equal(t, []drill.Listed{{File: "30"}}, drills)
	change, err := Source{e}.Changing(t.Context())
	require.NoError(t, err)
	require.Nil(t, change)
}

const someBackup backup.ID = "0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11"

// TestWhatUpkeepDidLastIsKnown: why nothing was removed, and what could not be, while anything is
// removed by itself.
func TestWhatUpkeepDidLastIsKnown(t *testing.T) {
	did := flow.UpkeepOutput{Hold: "the clocks differ", Failed: []flow.FailedStep{
		{Step: "verify", BackupID: someBackup, Code: string(fault.ShareBusy), Message: "busy"},
		{Step: "delete", BackupID: someBackup, Code: string(fault.ShareAccessDenied), Message: "the account may not delete"},
		{Step: "delete", BackupID: someBackup, Code: string(fault.SettingsChanged), Message: "kept longer now"},
	}}
	on := schedule.State{Setting: schedule.Setting{Enabled: true, FrequencyHours: 12, RetentionDays: 7, KeepVerified: 2}}
	off := schedule.State{Setting: schedule.Default()}
	undeleted := []string{string(someBackup) + " (SHARE_ACCESS_DENIED, the account may not delete)"}
	for name, tc := range map[string]struct {
		plan      schedule.State
		last      *flow.UpkeepOutput
		hold      string
		undeleted []string
	}{
		"known":        {on, &did, "the clocks differ", undeleted},
		"nothing held": {on, &flow.UpkeepOutput{}, "", nil},
		"not known":    {on, nil, "", nil},
		"switched off": {off, &did, "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Source{enabled{status: control.ScheduleStatus{State: tc.plan}, last: tc.last}}.Upkeep(t.Context())
			require.NoError(t, err)
			require.Equal(t, tc.hold, got.Hold)
			require.Equal(t, tc.undeleted, got.Undeleted)
			require.Equal(t, tc.plan, got.Schedule)
			require.True(t, got.Ringing)
			require.NotNil(t, got.Verdicts, "none is known of any backup, which is another thing than not to know")
		})
	}
}

// TestACallerThatGivesUp is told so, and not that nothing is wrong.
func TestACallerThatGivesUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	got, err := Read(ctx, enabled{hang: true})
	require.Equal(t, fault.Cancelled, fault.CodeOf(err))
	require.Nil(t, got)
	got, err = Read(t.Context(), enabled{})
	require.NoError(t, err)
	require.Nil(t, got.Fault)
	_, open := got.Alert(alert.Key{Code: alert.NoGoodBackup})
	require.True(t, open)
}
