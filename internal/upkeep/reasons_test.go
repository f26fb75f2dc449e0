package upkeep

import (
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/schedule"
)

func TestReasons(t *testing.T) {
	state := flow.UpkeepState{Verdicts: []flow.Verdict{{BackupID: id(1), At: now}, {BackupID: id(2), At: now, Code: "BACKUP_DAMAGED"}, {BackupID: id(3), At: now, Code: "BACKUP_FORGED"}}}
	state.Schedule.Setting = schedule.Setting{Enabled: true, FrequencyHours: 12, RetentionDays: 7, KeepVerified: 2}
	seen := Reasons(state)
	for name, c := range map[string]struct {
		change  func(*flow.UpkeepState)
		refused bool
	}{
		"nothing":               {func(*flow.UpkeepState) {}, false},
		"another order":         {func(s *flow.UpkeepState) { s.Verdicts = []flow.Verdict{s.Verdicts[2], s.Verdicts[1]} }, false},
		"another one is good":   {func(s *flow.UpkeepState) { s.Verdicts = append(s.Verdicts, flow.Verdict{BackupID: id(4), At: now}) }, false},
		"a slot was claimed":    {func(s *flow.UpkeepState) { s.Schedule.Slot, s.Schedule.BackupID = now, id(9) }, false},
		"paused":                {func(s *flow.UpkeepState) { s.Schedule.Enabled = false }, true},
		"kept longer":           {func(s *flow.UpkeepState) { s.Schedule.RetentionDays = 14 }, true},
		"more are kept":         {func(s *flow.UpkeepState) { s.Schedule.KeepVerified = 3 }, true},
		"the ledger is damaged": {func(s *flow.UpkeepState) { s.Verdicts[0].Beside = "LEDGER_DAMAGED" }, true},
		"one that stays is bad": {func(s *flow.UpkeepState) { s.Verdicts[0].Code = "BACKUP_DAMAGED" }, true},
	} {
		t.Run(name, func(t *testing.T) {
			later := state
			later.Verdicts = append([]flow.Verdict{}, state.Verdicts...)
			c.change(&later)
			err := CheckReasons(later, seen, id(1))
			if !c.refused {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, fault.SettingsChanged)
			require.NoError(t, CheckReasons(later, "", id(1)), "an operator decided")
		})
	}
}
