package alert

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
)

const (
	maxListed  = 8   // names in one message
	maxMessage = 500 // bytes
)

func one(since time.Time, format string, args ...any) []instance {
	return []instance{{message: fmt.Sprintf(format, args...), since: since}}
}

// instant is a time as messages have it.
func instant(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// because appends the code and the words of a cause.
func because(text, code, message string) string {
	switch {
	case code == "" && message == "":
		return text
	case code == "":
		return text + ": " + message
	case message == "":
		return text + ": " + code
	}
	return text + ": " + code + ", " + message
}

// list joins names, and counts those that are too many.
func list(names []string) string {
	if len(names) <= maxListed {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:maxListed], ", "), len(names)-maxListed)
}

func notEnabled(f *Facts) []instance {
	if f.NotEnabled || slices.ContainsFunc(f.Failures, func(x Failure) bool { return x.Code == fault.NotEnabled }) {
		return one(time.Time{}, "nothing is backed up")
	}
	return nil
}

func noGoodBackup(f *Facts) []instance {
	if !f.NoGood {
		return nil
	}
	return one(time.Time{}, "no backup is good")
}

func backupTooOld(f *Facts) []instance {
	limit := f.Schedule.oldAfter()
	if !f.past(f.Good.StartedAt, limit) {
		return nil
	}
	return one(f.Good.StartedAt.Add(limit), "the newest good backup %s is of %s, more than %.0f hours ago", f.Good.BackupID, instant(f.Good.StartedAt), limit.Hours())
}

func backupFailed(f *Facts) []instance {
	if f.Newest.Status != backup.Failed {
		return nil
	}
	return one(f.Newest.Since, "%s", because(fmt.Sprintf("backup %s of %s failed", f.Newest.BackupID, instant(f.Newest.StartedAt)), f.Newest.Code, f.Newest.Message))
}

func backupPartial(f *Facts) []instance {
	if f.Newest.Status != backup.PartialSucceeded {
		return nil
	}
	var lost []string
	for _, s := range f.Newest.Services {
		lost = append(lost, strings.TrimSpace(string(s.Service)+" "+s.Code))
	}
	text := fmt.Sprintf("backup %s of %s is partial", f.Newest.BackupID, instant(f.Newest.StartedAt))
	if len(lost) > 0 {
		text += "; not whole: " + list(lost)
	}
	return one(f.Newest.Since, "%s", text)
}

func backupStalled(f *Facts) []instance {
	if f.Running.BackupID == "" || !f.past(f.Running.SeenAt, StalledAfter) {
		return nil
	}
	return one(f.Running.SeenAt.Add(StalledAfter), "%s",
		because(fmt.Sprintf("backup %s has made no progress since %s", f.Running.BackupID, instant(f.Running.SeenAt)), "", f.Running.Step))
}

func backupMissing(f *Facts) []instance {
	var all []instance
	for _, g := range f.Gone {
		all = append(all, instance{string(g.BackupID), fmt.Sprintf("backup %s is in the ledger and not on the share", g.BackupID), g.SeenAt})
	}
	return all
}

func damaged(f *Facts, newest bool, what string) []instance {
	var all []instance
	for _, c := range f.Checks {
		if c.Code == "" || c.Newest != newest {
			continue
		}
		text := what + " " + c.Object + " is damaged"
		if c.Beside {
			text = "what lies beside the backups is not what was written"
		}
		all = append(all, instance{c.Object, because(text, c.Code, c.Message), c.VerifiedAt})
	}
	return all
}

func backupDamaged(f *Facts) []instance { return damaged(f, false, "backup") }

func newestDamaged(f *Facts) []instance { return damaged(f, true, "the newest backup") }

func newestUnverified(f *Facts) []instance {
	for _, c := range f.Checks {
		if c.Newest && c.VerifiedAt.IsZero() && f.past(c.EndedAt, VerifyWithin) {
			return one(c.EndedAt.Add(VerifyWithin), "backup %s ended at %s and was not verified yet", c.Object, instant(c.EndedAt))
		}
	}
	return nil
}

func verificationOverdue(f *Facts) []instance {
	var names []string
	var first time.Time
	for _, c := range f.Checks {
		last := c.EndedAt
		if c.VerifiedAt.After(last) {
			last = c.VerifiedAt
		}
		if !f.past(last, VerifyEvery) {
			continue
		}
		names = append(names, c.Object)
		if first.IsZero() || last.Before(first) {
			first = last
		}
	}
	if len(names) == 0 {
		return nil
	}
	return one(first.Add(VerifyEvery), "%d backups, the first since %s: %s", len(names), instant(first), list(names))
}

func scheduleOff(f *Facts) []instance {
	if !f.Schedule.Known || f.Schedule.Enabled {
		return nil
	}
	return one(f.Schedule.ChangedAt, "the schedule is off")
}

func scheduleLost(f *Facts) []instance {
	if !f.Schedule.Lost {
		return nil
	}
	return one(time.Time{}, "the schedule is on, and Temporal does not start backups by it")
}

func scheduleMissed(f *Facts) []instance {
	if f.Schedule.Late <= 0 {
		return nil
	}
	text := fmt.Sprintf("%d scheduled backups were not started", f.Schedule.Late)
	if f.Schedule.Late == 1 {
		text = "a scheduled backup was not started"
	}
	return one(time.Time{}, "%s", text)
}

func scheduleSkipped(f *Facts) []instance {
	s := f.Schedule.Skipped
	if s.Slot.IsZero() {
		return nil
	}
	return one(s.Slot, "%s", because("the backup of "+instant(s.Slot)+" was skipped", s.Code, s.Message))
}

// updateUnclear has no time of its own: it is the same alert from one backup to the next.
func updateUnclear(f *Facts) []instance {
	s := f.Schedule.Unclear
	if s.Slot.IsZero() {
		return nil
	}
	return one(time.Time{}, "%s", because("the backup of "+instant(s.Slot)+" began all the same", s.Code, s.Message))
}

func belowRecommended(f *Facts) []instance {
	var all []string
	if f.Schedule.FrequencyHours > RecommendedHours {
		all = append(all, fmt.Sprintf("a backup every %d hours", f.Schedule.FrequencyHours))
	}
	if f.Schedule.RetentionDays > RecommendedDays {
		all = append(all, fmt.Sprintf("kept for %d days", f.Schedule.RetentionDays))
	}
	if len(all) == 0 {
		return nil
	}
	return one(f.Schedule.ChangedAt, "%s", strings.Join(all, ", "))
}

func shareAlmostFull(f *Facts) []instance {
	s := f.Space
	if s.Total <= 0 || s.Needed <= 0 || s.Free/2 >= s.Needed {
		return nil
	}
	return one(time.Time{}, "%s of %s are free, and a backup needs %s", size(s.Free), size(s.Total), size(s.Needed))
}

// size is a number of bytes for people.
func size(n int64) string {
	value, unit := float64(n), "bytes"
	for _, next := range []string{"KiB", "MiB", "GiB", "TiB", "PiB"} {
		if value < 1024 {
			break
		}
		value, unit = value/1024, next
	}
	if unit == "bytes" {
		return fmt.Sprintf("%d bytes", n)
	}
	return fmt.Sprintf("%.1f %s", value, unit)
}

func retentionHolds(f *Facts) []instance {
	if f.Hold.Reason == "" || !f.past(f.Hold.Since, HoldWithin) {
		return nil
	}
	return one(f.Hold.Since, "since %s: %s", instant(f.Hold.Since), f.Hold.Reason)
}

func deletionFailed(f *Facts) []instance {
	if len(f.Undeleted) == 0 {
		return nil
	}
	return one(time.Time{}, "not deleted: %s", list(f.Undeleted))
}

func clockMoved(f *Facts) []instance {
	if f.ClockMoved == "" {
		return nil
	}
	return one(time.Time{}, "%s", f.ClockMoved)
}

func serviceWithoutWorker(f *Facts) []instance {
	var all []instance
	for _, s := range f.Unserved {
		all = append(all, instance{object: string(s), message: "no worker has a source for " + string(s)})
	}
	return all
}

func certificateExpires(f *Facts) []instance {
	var all []instance
	for _, k := range f.Keys {
		if f.past(k.Expires, -ExpiryNotice) && !f.past(k.Expires, 0) {
			all = append(all, instance{k.Fingerprint, fmt.Sprintf("the certificate of key %s expires on %s", k.Fingerprint, k.Expires.UTC().Format(time.DateOnly)), k.Expires.Add(-ExpiryNotice)})
		}
	}
	return all
}

func certificateExpired(f *Facts) []instance {
	var all []instance
	for _, k := range f.Keys {
		if f.past(k.Expires, 0) {
			all = append(all, instance{k.Fingerprint, fmt.Sprintf("the certificate of key %s expired on %s", k.Fingerprint, k.Expires.UTC().Format(time.DateOnly)), k.Expires})
		}
	}
	return all
}

func keyUnproven(f *Facts) []instance {
	limit := time.Duration(f.ProofDays) * day
	var all []instance
	for _, k := range f.Keys {
		last, text := k.ProvenAt, fmt.Sprintf("key %s was last proven on %s", k.Fingerprint, k.ProvenAt.UTC().Format(time.DateOnly))
		if last.IsZero() {
			last, text = k.Since, fmt.Sprintf("key %s was set on %s and never proven", k.Fingerprint, k.Since.UTC().Format(time.DateOnly))
		}
		if limit > 0 && f.past(last, limit) {
			all = append(all, instance{k.Fingerprint, text, last.Add(limit)})
		}
	}
	return all
}

func changeRefused(f *Facts) []instance {
	r := f.Refused
	if r.At.IsZero() || f.Now.IsZero() || f.past(r.At, RefusalShown) {
		return nil
	}
	return one(r.At, "%s", because(fmt.Sprintf("the change that %s made at %s was refused", cmp.Or(r.By, "an operator"), instant(r.At)), r.Code, r.Message))
}
