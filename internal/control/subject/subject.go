package subject

import (
	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
)

// About makes sure that an answer is about the backup that was asked for.
func About(asked, answered backup.ID) error {
	if asked == answered {
		return nil
	}
	return fault.Newf(fault.AnswerRefused, "backup %s was requested, and the answer is about %.100q", asked, string(answered))
}

// Named makes sure that an answer names a backup.
func Named(id backup.ID) error {
	if _, err := backup.ParseID(string(id)); err != nil {
		return fault.New(fault.AnswerRefused, "the answer names no backup", err)
	}
	return nil
}

// AboutEach makes sure that each answer is about one of the backups whose keys were sent,
// and none twice.
func AboutEach(asked []flow.WrappedKey, answered []flow.ReplacedBackup) error {
	open := map[backup.ID]bool{}
	for _, key := range asked {
		open[key.BackupID] = true
	}
	for _, b := range answered {
		if !open[b.BackupID] {
			return fault.Newf(fault.AnswerRefused, "another key of %.100q was not requested", string(b.BackupID))
		}
		delete(open, b.BackupID)
	}
	return nil
}
