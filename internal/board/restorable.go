package board

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"infrabackup/internal/backup"
	"infrabackup/internal/schedule"
	"infrabackup/internal/settings"
)

const day = 24 * time.Hour

// TombstoneLifetime is how long Active Directory remembers a deletion where the forest does not
// set it (MS-ADTS 3.1.1.1.15), and what is assumed of a backup that does not record it. A directory
// that is restored from an older backup brings back what was deleted.
const TombstoneLifetime = 60 * day

// Forever is the time until which a backup can be restored when nothing ends that.
var Forever = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)

// Restorable says until when everything can be restored from a backup, and what ends that; the
// zero time and the reason when it cannot. Kept says that the retention does not remove it, whatever
// its age. A backup that the retention is to remove has a time that has passed, for as long as it
// is there. The end of a certificate ends nothing, because its private key still opens the backup;
// it is a note.
func Restorable(b Backup, kept bool, s settings.Summary, plan schedule.State, now time.Time) (time.Time, string) {
	if why := unrestorable(b); why != "" {
		return time.Time{}, why
	}
	until, why := Forever, "nothing ends it"
	if i := slices.IndexFunc(b.Services, func(r backup.ServiceResult) bool { return r.Service == backup.AD }); i >= 0 {
		days, assumed := tombstoneDays(b.Services[i].Cursor)
		until, why = b.StartedAt.Add(time.Duration(days)*day), fmt.Sprintf("Active Directory remembers deletions for %d days%s", days, assumed)
		if !until.After(now) {
			return time.Time{}, fmt.Sprintf("the tombstone lifetime of Active Directory, %d days%s, ended on %s: what was deleted since would come back",
				days, assumed, until.UTC().Format(time.DateOnly))
		}
	}
	if plan.Enabled && plan.RetentionDays > 0 && !kept {
		if end := b.FinishedAt.Add(time.Duration(plan.RetentionDays) * day); end.Before(until) {
			until, why = end, fmt.Sprintf("the retention removes it after %d days", plan.RetentionDays)
			if !end.After(now) {
				why += ", which have passed"
			}
		}
	}
	return until, why + note(b, s, until)
}

const (
	minTombstoneDays = 2      // less counts as this (MS-ADTS 3.1.1.1.15)
	maxTombstoneDays = 36_500 // a century, which is as good as for ever
)

// tombstoneDays is for how many days a directory remembers deletions, by what its capture recorded:
// the lesser of the lifetimes of what was deleted and of what is left of it, which differ where the
// recycle bin is switched on. Assumed says that the capture recorded nothing that can be one.
func tombstoneDays(recorded map[string]string) (days int64, assumed string) {
	days, err := strconv.ParseInt(recorded[backup.TombstoneLifetime], 10, 64)
	if err != nil {
		days, assumed = int64(TombstoneLifetime/day), ", which is assumed"
	}
	if deleted, err := strconv.ParseInt(recorded[backup.DeletedObjectLifetime], 10, 64); err == nil {
		days = min(days, deleted)
	}
	return min(max(days, minTombstoneDays), maxTombstoneDays), assumed
}

// unrestorable says why a backup is not good, empty when it is.
func unrestorable(b Backup) string {
	switch {
	case b.Good():
		return ""
	case !b.Status.Final():
		return "it is not finished"
	case b.Status == backup.PartialSucceeded:
		var lost []string
		for _, s := range b.Services {
			if s.Status != backup.Succeeded {
				lost = append(lost, string(s.Service))
			}
		}
		return strings.TrimSuffix("not everything is in it; not whole: "+strings.Join(lost, ", "), "; not whole: ")
	case b.Status == backup.Succeeded:
		return "its verification found " + b.VerifyCode
	case b.Status == backup.Deleted:
		return "it was deleted"
	}
	return "it failed with " + cmp.Or(b.Code, "an unknown cause")
}

// note tells of certificates of the backup's keys that end before it does.
func note(b Backup, s settings.Summary, until time.Time) string {
	var all []string
	for _, key := range s.Recipients {
		if key.Expires.IsZero() || !key.Expires.Before(until) || !slices.ContainsFunc(b.Recipients, func(r backup.Recipient) bool { return r.Fingerprint == key.Fingerprint }) {
			continue
		}
		all = append(all, fmt.Sprintf("; the certificate of key %s ends on %s, and its private key opens the backup still", key.Fingerprint, key.Expires.UTC().Format(time.DateOnly)))
	}
	return strings.Join(all, "")
}
