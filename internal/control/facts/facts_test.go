package facts

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/alert"
	"infrabackup/internal/backup"
	"infrabackup/internal/board"
	"infrabackup/internal/control"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/schedule"
	"infrabackup/internal/settings"
)

// enabled is the controller of an instance without backups.
type enabled struct {
	Controller
	state  flow.UpkeepState
	status control.ScheduleStatus
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

func (e enabled) Schedule(context.Context) (control.ScheduleStatus, error) { return e.status, nil }

func (e enabled) Missing(context.Context) ([]backup.Service, error) { return nil, nil }

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
	require.Contains(t, got.ClockMoved, "future")
	got.ClockMoved = ""
	require.Equal(t, board.UpkeepFacts{
		Schedule: ahead, Next: at, Late: 3, Warnings: []string{"w"}, Verdicts: map[backup.ID]flow.Verdict{"a": {BackupID: "a", At: at, Code: "BACKUP_DAMAGED"}},
		Acknowledged: []alert.Acknowledgement{{Code: "SHARE_FULL", Object: "o", By: "anna", At: at, Note: "ordered"}},
	}, got)
	listed, err := Source{e}.List(t.Context(), 3)
	require.NoError(t, err)
	require.Equal(t, board.Listing{ListOutput: e.listed, Capacity: board.Capacity{Free: 5, Total: 7}}, listed)
	change, err := Source{e}.Changing(t.Context())
	require.NoError(t, err)
	require.Nil(t, change)
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
