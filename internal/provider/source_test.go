package provider

import (
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
)

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
			got := upkeepFacts(control.UpkeepStatus{Schedule: control.ScheduleStatus{State: tc.plan}, Last: tc.last})
			require.Equal(t, tc.hold, got.Hold)
			require.Equal(t, tc.undeleted, got.Undeleted)
			require.Equal(t, tc.plan, got.Schedule)
			require.True(t, got.Ringing)
			require.NotNil(t, got.Verdicts, "none is known of any backup, which is another thing than not to know")
		})
	}
	got := upkeepFacts(control.UpkeepStatus{
		Schedule: control.ScheduleStatus{Problem: "it was paused"},
		State:    flow.UpkeepState{Verdicts: []flow.Verdict{{BackupID: someBackup, Code: "BACKUP_DAMAGED"}}, Acknowledged: []flow.Acknowledgement{{Code: "SHARE_FULL", By: "anna"}}},
	})
	require.False(t, got.Ringing)
	require.Equal(t, "BACKUP_DAMAGED", got.Verdicts[someBackup].Code)
	require.Equal(t, []alert.Acknowledgement{{Code: alert.ShareFull, By: "anna"}}, got.Acknowledged)
}

func TestWhenAnAlertOpened(t *testing.T) {
	at := time.Unix(1_800_000_000, 0)
	s := &board.Snapshot{Alerts: []alert.Alert{{Cause: alert.Cause{Code: alert.KeyUnproven}, Object: "a", Since: at.Add(1)}, {Cause: alert.Cause{Code: alert.KeyUnproven}, Object: "b", Since: at}}}
	require.Equal(t, at, openedAt(s, "KEY_UNPROVEN", "b"))
	require.Zero(t, openedAt(s, "KEY_UNPROVEN", ""))
	require.Zero(t, openedAt(s, "SHARE_FULL", "b"))
}
