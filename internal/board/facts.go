package board

import (
	"time"

	"infrabackup/internal/alert"
	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/schedule"
	"infrabackup/internal/settings"
	"infrabackup/internal/upkeep"
)

// scheduler is who has requested the backups that the schedule starts.
const scheduler = "schedule"

// compared is how many of the newest finished backups say how much space the next one needs.
const compared = 3

// known is what is known beside a snapshot.
type known struct {
	listedAt   time.Time        // when the share was last listed
	upkeptAt   time.Time        // when the upkeep was last read
	heldSince  time.Time        // since when all readings found that the retention is held back, zero when it is not
	notEnabled bool             // there are no settings
	unreadable []backup.Finding // of the newest listing
	expected   backup.ID        // that the newest listing should have had as its newest, empty when that is not known
	failures   []alert.Failure  // of the newest reading
	standing   *fault.Fault     // what the newest look at settings and ledger found
	stoodAt    time.Time        // when that was
	progressAt time.Time        // when the running backup last made progress
	read       bool             // something was tried to be read
	complete   bool             // everything was read once
}

// facts makes plain facts of a snapshot.
func facts(s *Snapshot, k known, now time.Time) alert.Facts {
	f := alert.Facts{
		Now: now, NotEnabled: k.notEnabled, Failures: append([]alert.Failure{}, k.failures...), Refused: refused(s.History),
		Unserved: s.Unserved, Acknowledged: s.Upkeep.Acknowledged, ProofDays: s.Settings.ProofDays,
	}
	if k.standing != nil {
		f.Failures = append(f.Failures, alert.Failure{Code: k.standing.Code, Message: k.standing.Message()})
	}
	if k.complete {
		f.Open = s.Alerts
	}
	if !s.Enabled {
		return f
	}
	for _, r := range s.Settings.Recipients {
		f.Keys = append(f.Keys, alert.PublicKey{Fingerprint: r.Fingerprint, Since: r.Since, Expires: r.Expires, ProvenAt: r.ProvenAt})
	}
	f.Space = alert.Space{Free: s.Capacity.Free, Total: s.Capacity.Total, Needed: needed(s.Backups)}
	good, ok := s.NewestGood()
	if ok {
		f.Good = runOf(good)
	}
	f.NoGood = !ok && !k.listedAt.IsZero() && !s.More
	f.Newest = newest(s.Backups)
	f.Failures = append(f.Failures, left(s, k, f.Space)...)
	if s.Running != nil {
		f.Running = alert.Running{BackupID: s.Running.BackupID, StartedAt: s.Running.StartedAt, SeenAt: k.progressAt, Step: s.Running.Step}
	}
	verifications(&f, s, k)
	if !k.upkeptAt.IsZero() {
		f.Schedule = scheduled(s, k, now)
		f.Hold, f.Undeleted = alert.Hold{Reason: s.Upkeep.Hold, Since: k.heldSince}, s.Upkeep.Undeleted
		if s.Schedule.ClockMoved(now) {
			f.ClockMoved = "by the host's clock, what was recorded of the schedule lies in the future"
		}
	}
	return f
}

// scheduled tells what came of the schedule. Backups become late by the time that passes, but
// only as far as is known that none was started: a reading that fails does not make them so.
func scheduled(s *Snapshot, k known, now time.Time) alert.Schedule {
	plan := s.Schedule
	until := k.upkeptAt.Add(ReadUnseen + readTimeout)
	if now.Before(until) {
		until = now
	}
	out := alert.Schedule{
		Known: true, Enabled: plan.Enabled, FrequencyHours: plan.FrequencyHours, RetentionDays: plan.RetentionDays,
		ChangedAt: plan.ChangedAt, Lost: plan.Enabled && !s.Upkeep.Ringing, Late: plan.Late(until),
	}
	if plan.Enabled && plan.Outcome == schedule.Skipped {
		out.Skipped = alert.Skip{Slot: plan.Slot, Code: plan.Code, Message: plan.Message}
	}
	if plan.Enabled && plan.Outcome == schedule.Started && plan.Code != "" {
		out.Unclear = alert.Skip{Slot: plan.Slot, Code: plan.Code, Message: plan.Message}
	}
	return out
}

// runOf is a backup as alerts see it.
func runOf(b Backup) alert.Run {
	out := alert.Run{BackupID: b.BackupID, Status: b.Status, StartedAt: b.StartedAt, EndedAt: b.FinishedAt, Since: b.FinishedAt, Code: b.Code, Message: b.Message}
	for _, s := range b.Services {
		if s.Status != backup.Succeeded {
			out.Services = append(out.Services, alert.LostService{Service: s.Service, Code: s.Code, Message: s.Message})
		}
	}
	return out
}

// ended reports whether a backup has come to an end by itself: one that an operator cancelled says
// nothing about the instance.
func ended(b Backup) bool {
	return b.Status.Final() && b.Status != backup.Deleted && fault.Code(b.Code) != fault.Cancelled
}

// newest is the newest backup that has ended, and since when all of them ended so.
func newest(all []Backup) alert.Run {
	var out alert.Run
	for _, b := range all {
		switch {
		case !ended(b):
		case out.BackupID == "":
			out = runOf(b)
		case b.Status != out.Status:
			return out
		default:
			out.Since = b.FinishedAt
		}
	}
	return out
}

// needed is how much space the next backup needs, as far as the newest ones tell.
func needed(all []Backup) int64 {
	var most int64
	seen := 0
	for _, b := range all {
		if b.finished() && seen < compared {
			most = max(most, b.TotalBytes)
			seen++
		}
	}
	return most
}

// left are the failures of the newest backup that nothing has shown to be mended since.
func left(s *Snapshot, k known, space alert.Space) []alert.Failure {
	n := newest(s.Backups)
	if n.Status == backup.Succeeded {
		return nil
	}
	var out []alert.Failure
	note := func(code, message string) {
		if code != "" && !mended(fault.Code(code), n.EndedAt, k, space) {
			out = append(out, alert.Failure{Code: fault.Code(code), Message: message, Since: n.EndedAt})
		}
	}
	note(n.Code, n.Message)
	for _, service := range n.Services {
		note(service.Code, string(service.Service)+": "+service.Message)
	}
	return out
}

// mended reports whether the cause of a backup's failure is known to be gone.
func mended(code fault.Code, at time.Time, k known, space alert.Space) bool {
	if code == fault.ShareCorrupted {
		return false // only another backup shows it
	}
	switch cause, _ := alert.OfFault(code); cause {
	case alert.ShareConnection, alert.SharePath, alert.ShareAccount, alert.ShareFailed, alert.NoWorker, alert.TemporalUnreachable, alert.ReadFailed:
		return k.listedAt.After(at)
	case alert.ShareFull:
		return space.Total > 0 && space.Free >= max(space.Needed, 1) && k.listedAt.After(at)
	}
	return false
}

// verifications adds what is known of the state of each backup.
func verifications(f *alert.Facts, s *Snapshot, k known) {
	listed := map[backup.ID]bool{}
	first := true
	for _, b := range s.Backups {
		if !b.finished() {
			continue
		}
		listed[b.BackupID] = true
		check := alert.Check{Object: string(b.BackupID), Newest: first, EndedAt: b.FinishedAt, VerifiedAt: b.VerifiedAt}
		first = false
		verdict := s.Upkeep.Verdicts[b.BackupID]
		check.Code = find(f, backup.Finding{Code: verdict.Code, Message: "found in backup " + string(b.BackupID)}, verdict.At)
		if s.Upkeep.Verdicts != nil {
			f.Checks = append(f.Checks, check)
		}
		if code := find(f, backup.Finding{Code: verdict.Beside, Message: "found beside backup " + string(b.BackupID)}, verdict.At); code != "" {
			f.Checks = append(f.Checks, alert.Check{
				Object: "beside the backups", Beside: true, Code: code, Message: "found with backup " + string(b.BackupID),
			})
		}
	}
	for id, v := range s.Upkeep.Verdicts {
		if !listed[id] && fault.Code(v.Code) == fault.BackupMissing && !k.listedAt.IsZero() {
			f.Gone = append(f.Gone, alert.Gone{BackupID: id, SeenAt: v.At})
		}
	}
	if k.expected != "" && !listed[k.expected] && !s.More {
		f.Gone = append(f.Gone, alert.Gone{BackupID: k.expected})
	}
	for _, u := range k.unreadable {
		if code := find(f, u, time.Time{}); code != "" {
			f.Checks = append(f.Checks, alert.Check{Object: u.File, Code: code, Message: u.Message})
		}
	}
}

// find returns the code of a finding that means damage. Others say something about the share as
// a whole, and become failures; so do those by which it shows an older state.
func find(f *alert.Facts, finding backup.Finding, at time.Time) string {
	code := fault.Code(finding.Code)
	cause, _ := alert.OfFault(code)
	switch {
	case code == "":
		return ""
	case upkeep.BadCode(finding.Code) && cause != alert.ShareSetBack:
		return finding.Code
	}
	f.Failures = append(f.Failures, alert.Failure{Code: code, Message: finding.Message, Since: at})
	return ""
}

// refused is the newest change that has come to an end, when it was refused.
func refused(h settings.History) alert.Refusal {
	for i := len(h.Records) - 1; i >= 0; i-- {
		r := h.Records[i]
		if r.Outcome == settings.Pending {
			continue
		}
		if r.Outcome != settings.Refused {
			break
		}
		at := r.SettleAt
		if at.IsZero() {
			at = r.At
		}
		return alert.Refusal{At: at, By: r.By, Code: r.Code, Message: r.Message}
	}
	return alert.Refusal{}
}
