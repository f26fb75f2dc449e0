package board

import (
	"cmp"
	"slices"
	"time"

	"infrabackup/internal/alert"
	"infrabackup/internal/backup"
	"infrabackup/internal/flow"
	"infrabackup/internal/schedule"
	"infrabackup/internal/settings"
	"infrabackup/internal/upkeep"
)

// derive fills in what follows from the rest and from the time. It needs the lock.
func (b *Board) derive(s *Snapshot) {
	now := b.options.Now()
	showRunning(s)
	if s.Schedule.Setting == (schedule.Setting{}) { // it was never set, or nothing is enabled
		s.Schedule.Setting = schedule.Default()
	}
	s.Next = s.Schedule.Next(now)
	judge(s, now, b.options.Complete)
	if !b.known.read {
		return // nothing is known, so nothing is wrong
	}
	s.Alerts = alert.Evaluate(facts(s, b.known, now))
}

// Judge returns backups, of which the newest are given, newest first, with what follows for each from
// what is known beside its manifest.
func Judge(newest []backup.Overview, u UpkeepFacts, active settings.Summary, now time.Time) []Backup {
	s := &Snapshot{Settings: active, Upkeep: u, Schedule: u.Schedule, Backups: make([]Backup, 0, len(newest))}
	for _, overview := range newest {
		s.Backups = append(s.Backups, Backup{Overview: overview})
	}
	judge(s, now, nil)
	return s.Backups
}

// judge fills in what follows for each backup.
func judge(s *Snapshot, now time.Time, complete func(*Backup, *Snapshot)) {
	for i := range s.Backups {
		one := &s.Backups[i]
		one.judge(s.Upkeep.Verdicts[one.BackupID])
		one.Scheduled = one.RequestedBy == scheduler || one.BackupID != "" && one.BackupID == s.Schedule.BackupID
		if complete != nil {
			complete(one, s)
		}
	}
	keep := kept(s)
	for i := range s.Backups {
		one := &s.Backups[i]
		one.Restorable, one.Why = Restorable(*one, keep[one.BackupID], s.Settings, s.Schedule, now)
	}
}

// kept are the backups that the retention does not remove, whatever their age: the newest good one,
// and the newest that were verified.
func kept(s *Snapshot) map[backup.ID]bool {
	out := map[backup.ID]bool{}
	verified := 0
	for _, b := range s.Backups {
		if !b.Good() {
			continue
		}
		if len(out) == 0 {
			out[b.BackupID] = true
		}
		if upkeep.Judge(s.Upkeep.Verdicts[b.BackupID]) == upkeep.Sound && verified < s.Schedule.KeepVerified {
			verified++
			out[b.BackupID] = true
		}
	}
	return out
}

// showRunning puts the backup that runs among the others: a listing may not have it yet, and its
// services are further than they were then.
func showRunning(s *Snapshot) {
	p := s.Running
	if p == nil || p.BackupID == "" {
		return
	}
	row := Backup{Overview: backup.Overview{
		BackupID: p.BackupID, Status: p.Status, StartedAt: p.StartedAt, Services: services(p.Services), Message: p.Step,
	}}
	if row.Status.Final() || row.Status == "" {
		row.Status = backup.Running // until a listing has what came of it
	}
	i := slices.IndexFunc(s.Backups, func(b Backup) bool { return b.BackupID == p.BackupID })
	switch {
	case i < 0:
		at, _ := slices.BinarySearchFunc(s.Backups, p.StartedAt, func(b Backup, t time.Time) int { return t.Compare(b.StartedAt) })
		s.Backups = slices.Insert(s.Backups, at, row)
	case !s.Backups[i].Status.Final():
		row.RequestedBy = s.Backups[i].RequestedBy
		row.StartedAt = cmp.Or(row.StartedAt, s.Backups[i].StartedAt)
		s.Backups[i] = row
	}
}

// services are those of a run as a backup has them.
func services(all []flow.ServiceProgress) []backup.ServiceResult {
	out := make([]backup.ServiceResult, 0, len(all))
	for _, p := range all {
		out = append(out, p.Result())
	}
	return out
}

// same reports whether two snapshots tell the same as far as time goes.
func same(a, b *Snapshot) bool {
	return a.Next.Equal(b.Next) && slices.Equal(a.Alerts, b.Alerts) && slices.EqualFunc(a.Backups, b.Backups, func(x, y Backup) bool {
		return x.BackupID == y.BackupID && x.Restorable.Equal(y.Restorable) && x.Why == y.Why
	})
}
