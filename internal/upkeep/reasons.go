package upkeep

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
)

// Reasons is a digest of what a removal by retention is decided by and what can change while
// it goes on: the schedule's setting, and what verifications have found. A verification that
// finds nothing speaks for no backup that is to go, so it is not part of it.
func Reasons(state flow.UpkeepState) string {
	var found []string
	for _, v := range state.Verdicts {
		if Judge(v) > Sound {
			found = append(found, fmt.Sprintf("%q %q %q", string(v.BackupID), v.Code, v.Beside))
		}
	}
	slices.Sort(found)
	sum := sha256.Sum256(fmt.Appendf(nil, "%+v %q", state.Schedule.Setting, found))
	return hex.EncodeToString(sum[:])
}

// CheckReasons refuses a removal with SETTINGS_CHANGED when what it was decided by is not so
// any more: backups do not start by themselves now, are kept longer, or one that was to be
// kept is damaged. Seen is empty for what was not decided by retention.
func CheckReasons(state flow.UpkeepState, seen string, id backup.ID) error {
	if seen == "" || seen == Reasons(state) {
		return nil
	}
	return fault.Newf(fault.SettingsChanged, "the schedule, or what was found out about backups, was changed after the removal of backup %s was decided", id)
}
