package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/schedule"
	"infrabackup/internal/ui/table"
)

// TestUntilWhenABackupCanBeRestored: list and show tell it, with what ends it.
func TestUntilWhenABackupCanBeRestored(t *testing.T) {
	a := without()
	setting := schedule.Setting{Enabled: true, FrequencyHours: 12, RetentionDays: 7, KeepVerified: 1}
	a.upkeep.Schedule = schedule.State{}.With(setting, time.Now(), "anna")
	newest := a.backups[0]
	older, partial := newest, newest
	older.BackupID, older.StartedAt, older.FinishedAt = backup.ID(otherBackup[:35]+"2"), newest.StartedAt.Add(-24*time.Hour), newest.FinishedAt.Add(-24*time.Hour)
	partial.BackupID, partial.Status, partial.StartedAt = backup.ID(otherBackup[:35]+"3"), backup.PartialSucceeded, newest.StartedAt.Add(-30*time.Hour)
	a.backups = []backup.Overview{newest, older, partial}

	out := a.call("backup", "list", "-o", "json")
	require.Zero(t, out.code, out.stderr)
	var rows []table.ListedBackup
	require.NoError(t, json.Unmarshal([]byte(out.stdout), &rows))
	until := newest.StartedAt.AddDate(0, 0, 60)
	require.WithinDuration(t, until, rows[0].RestorableUntil, time.Hour, "the newest good one is kept")
	require.Contains(t, rows[0].Why, "Active Directory")
	require.True(t, older.FinishedAt.AddDate(0, 0, 7).Equal(rows[1].RestorableUntil))
	require.Contains(t, rows[1].Why, "the retention removes it after 7 days")
	require.Zero(t, rows[2].RestorableUntil)
	require.NotContains(t, out.stdout, `"restorableUntil": "0001`, "an optional field")
	require.Equal(t, 2, strings.Count(out.stdout, `"restorableUntil"`))
	require.Equal(t, 3, strings.Count(out.stdout, `"why"`))
	out = a.call("backup", "list")
	require.Contains(t, out.stdout, "RESTORABLE UNTIL")
	require.Regexp(t, `(?m)^0b1f\S+2 +Succeeded .*`+older.FinishedAt.AddDate(0, 0, 7).UTC().Format("2006-01-02 15:04:05Z")+` +AD$`, out.stdout)
	require.Regexp(t, `(?m)^0b1f\S+3 +PartialSucceeded .* no +AD$`, out.stdout)

	a.backups = a.backups[:2] // the last is shown
	out = a.call("backup", "show", otherBackup[:35]+"2")
	require.Zero(t, out.code, out.stderr)
	require.Regexp(t, `(?m)^Restorable: +until `+older.FinishedAt.AddDate(0, 0, 7).UTC().Format("2006-01-02 15:04:05Z")+`: the retention removes it after 7 days$`, out.stdout)
	require.Regexp(t, `(?m)^Verified: +never$`, out.stdout)
	a.backups = a.backups[:1]
	require.Regexp(t, `(?m)^Restorable: +until .*Active Directory`, a.call("backup", "show").stdout, "nothing newer is good")

	a.upkeepErr = fault.Newf(fault.NoWorker, "none")
	for _, command := range []string{"list", "show"} {
		out = a.call("backup", command)
		require.Zero(t, out.code)
		require.Contains(t, out.stderr, "unknown", "a backup is shown all the same")
		require.NotContains(t, out.stdout, "never")
		out = a.call("backup", command, "-o", "json")
		require.NotContains(t, out.stdout, "restorableUntil")
		require.NotContains(t, out.stdout, `"why"`)
	}
}
