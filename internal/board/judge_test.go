package board

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/schedule"
)

// TestJudgeTellsWhatABoardTells: whoever reads once gets of each backup what a board that goes on
// reading publishes.
func TestJudgeTellsWhatABoardTells(t *testing.T) {
	source := newSource()
	source.list.Backups = []backup.Overview{
		ending("a", backup.Succeeded, 1).Overview, failing("p", backup.PartialSucceeded, 2, "", fault.SourceTLS).Overview,
		ending("b", backup.Succeeded, 24).Overview, ending("c", backup.Succeeded, 48).Overview, ending("d", backup.Succeeded, 24*9).Overview,
	}
	source.upkeep.Schedule = schedule.State{Setting: schedule.Setting{Enabled: true, FrequencyHours: 12, RetentionDays: 7, KeepVerified: 1}}
	source.upkeep.Verdicts = map[backup.ID]flow.Verdict{"b": {At: now}, "c": {At: now, Code: "BACKUP_DAMAGED"}}
	got := Read(t.Context(), source, Options{Now: func() time.Time { return now }})
	require.Nil(t, got.Fault)
	judged := Judge(source.list.Backups, source.upkeep, source.summary, now)
	require.Equal(t, got.Backups, judged)
	require.Contains(t, judged[0].Why, "Active Directory", "the newest good one is kept")
	require.Contains(t, judged[2].Why, "Active Directory", "one that was verified is kept")
	require.Zero(t, judged[3].Restorable)
	require.Contains(t, judged[4].Why, "the retention", "others go")
}
