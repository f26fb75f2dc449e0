package board

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/alert"
	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/schedule"
	"infrabackup/internal/settings"
)

var now = time.Date(2027, 5, 4, 12, 0, 0, 0, time.UTC)

func ago(d time.Duration) time.Time { return now.Add(-d) }

func hours(n float64) time.Time { return ago(time.Duration(n * float64(time.Hour))) }

// ending is a backup that ended some hours ago.
func ending(id backup.ID, status backup.Status, at float64) Backup {
	return Backup{Overview: backup.Overview{
		BackupID: id, Status: status, StartedAt: hours(at + 0.5), FinishedAt: hours(at), TotalBytes: 100,
		Services: []backup.ServiceResult{{Service: backup.AD, Status: backup.Succeeded}},
	}}
}

// failing is a backup that failed, with a code of its own and one of a service.
func failing(id backup.ID, status backup.Status, at float64, code, service fault.Code) Backup {
	b := ending(id, status, at)
	b.Code = string(code)
	b.Services = []backup.ServiceResult{{Service: backup.CA, Status: backup.Failed, Code: string(service), Message: "why"}}
	return b
}

// enabled is an instance at which nothing is wrong, with some backups.
func enabled(backups ...Backup) *Snapshot {
	verdicts := map[backup.ID]flow.Verdict{}
	for _, b := range backups {
		if b.finished() {
			verdicts[b.BackupID] = flow.Verdict{At: b.FinishedAt}
		}
	}
	plan := schedule.State{Setting: schedule.Setting{Enabled: true, FrequencyHours: 12, RetentionDays: 7, KeepVerified: 2}}
	return &Snapshot{
		Enabled: true, Settings: settings.Summary{ProofDays: 90}, Backups: backups, Schedule: plan,
		Upkeep: UpkeepFacts{Schedule: plan, Ringing: true, Verdicts: verdicts}, Capacity: Capacity{Free: 1000, Total: 2000},
	}
}

func TestFacts(t *testing.T) {
	good := ending("g", backup.Succeeded, 2)
	all := known{read: true, upkeptAt: hours(0.1), listedAt: hours(0.1), complete: true}
	for name, c := range map[string]struct {
		snapshot *Snapshot
		known    known
		want     []alert.Code
	}{
		"healthy":                {enabled(good), all, nil},
		"nothing known":          {&Snapshot{}, known{}, nil},
		"no backups":             {enabled(), all, []alert.Code{alert.NoGoodBackup}},
		"no backups listed yet":  {enabled(), known{}, nil},
		"older ones left out":    {with(enabled(failing("p", backup.PartialSucceeded, 1, "", fault.SourceTLS)), func(s *Snapshot) { s.More = true }), all, []alert.Code{alert.BackupPartial}},
		"the newest failed":      {enabled(failing("f", backup.Failed, 1, fault.BackupFailed, fault.SourceTLS), good), all, []alert.Code{alert.BackupFailed}},
		"the newest cancelled":   {enabled(failing("f", backup.Failed, 1, fault.Cancelled, fault.Cancelled), good), all, nil},
		"the newest partial":     {enabled(failing("p", backup.PartialSucceeded, 1, "", fault.SourceTLS), good), all, []alert.Code{alert.BackupPartial}},
		"failed, then good":      {enabled(good, failing("f", backup.Failed, 3, fault.ShareReadOnly, fault.ShareReadOnly)), all, nil},
		"failed, one runs":       {enabled(ending("r", backup.Running, 0), failing("f", backup.Failed, 1, fault.BackupFailed, ""), good), all, []alert.Code{alert.BackupFailed}},
		"share away, then there": {enabled(failing("f", backup.Failed, 1, fault.ShareUnreachable, ""), good), all, []alert.Code{alert.BackupFailed}},
		"share away since": {enabled(failing("f", backup.Failed, 1, fault.ShareUnreachable, ""), good), known{upkeptAt: now, listedAt: hours(2)},
			[]alert.Code{alert.ShareConnection, alert.BackupFailed}},
		"read back changed": {enabled(failing("f", backup.Failed, 1, fault.ShareCorrupted, ""), good), all, []alert.Code{alert.ShareFailed, alert.BackupFailed}},
		"read-only":         {enabled(failing("f", backup.Failed, 1, fault.ShareReadOnly, ""), good), all, []alert.Code{alert.ShareAccess, alert.BackupFailed}},
		"full": {with(enabled(failing("f", backup.Failed, 1, fault.ShareFull, ""), good), func(s *Snapshot) { s.Capacity.Free = 99 }), all,
			[]alert.Code{alert.ShareFull, alert.BackupFailed, alert.ShareAlmostFull}},
		"full, and then not":       {enabled(failing("f", backup.Failed, 1, fault.ShareFull, ""), good), all, []alert.Code{alert.BackupFailed}},
		"almost full":              {with(enabled(good), func(s *Snapshot) { s.Capacity.Free = 199 }), all, []alert.Code{alert.ShareAlmostFull}},
		"space unknown":            {with(enabled(good), func(s *Snapshot) { s.Capacity = Capacity{} }), all, nil},
		"a worker's disk":          {enabled(failing("p", backup.PartialSucceeded, 1, "", fault.SpoolFull), good), all, []alert.Code{alert.BackupPartial, alert.WorkerDisk}},
		"the newest is damaged":    {found(enabled(good, ending("h", backup.Succeeded, 5)), "g", fault.BackupDamaged), all, []alert.Code{alert.NewestDamaged}},
		"an older one is damaged":  {found(enabled(good, ending("h", backup.Succeeded, 5)), "h", fault.BackupForged), all, []alert.Code{alert.BackupDamaged}},
		"one is in an older state": {found(enabled(good, ending("h", backup.Succeeded, 5)), "h", fault.BackupRolledBack), all, []alert.Code{alert.ShareSetBack}},
		"the only one is":          {found(enabled(good), "g", fault.BackupRolledBack), all, []alert.Code{alert.NoGoodBackup, alert.ShareSetBack}},
		"of a later version":       {found(enabled(good, ending("h", backup.Succeeded, 5)), "h", "BACKUP_HAUNTED"), all, []alert.Code{alert.BackupDamaged}},
		"the ledger is damaged":    {found(enabled(good), "g", fault.LedgerDamaged), all, []alert.Code{alert.LedgerDamaged}},
		"a part cannot be read":    {found(enabled(good), "g", fault.ShareAccessDenied), all, []alert.Code{alert.ShareAccess}},
		"the ledger, beside it":    {beside(enabled(good), "g", fault.LedgerDamaged), all, []alert.Code{alert.LedgerDamaged}},
		"the keys, beside it":      {beside(enabled(good, ending("h", backup.Succeeded, 5)), "g", fault.BackupForged), all, []alert.Code{alert.BackupDamaged}},
		"one is gone":              {found(enabled(good), "gone", fault.BackupMissing), all, []alert.Code{alert.BackupMissing}},
		"the newest is gone":       {enabled(good), with2(all, func(k *known) { k.expected = "gone" }), []alert.Code{alert.BackupMissing}},
		"the newest is there":      {enabled(good), with2(all, func(k *known) { k.expected = "g" }), nil},
		"one was deleted":          {found(enabled(good), "gone", fault.BackupDamaged), all, nil},
		"the ledger is older":      {found(enabled(good, ending("h", backup.Succeeded, 5)), "h", fault.LedgerRolledBack), all, []alert.Code{alert.ShareSetBack}},
		"the newest is unverified": {with(enabled(ending("g", backup.Succeeded, 2.1)), func(s *Snapshot) { clear(s.Upkeep.Verdicts) }), all, []alert.Code{alert.NewestUnverified}},
		"verdicts unknown":         {with(enabled(ending("g", backup.Succeeded, 20)), func(s *Snapshot) { s.Upkeep.Verdicts = nil }), all, nil},
		"unverified for long": {with(enabled(good, ending("h", backup.Succeeded, 24*31)), func(s *Snapshot) { delete(s.Upkeep.Verdicts, "h") }), all,
			[]alert.Code{alert.VerificationOverdue}},
		"unreadable folder": {enabled(good), with2(all, func(k *known) {
			k.unreadable = []backup.Finding{{Code: string(fault.BackupDamaged), File: "backups/x"}, {Code: string(fault.RewrapUnfinished), File: "backups/y"}}
		}), []alert.Code{alert.BackupDamaged, alert.ReplacementOpen}},
		"too old":           {enabled(ending("g", backup.Succeeded, 24)), all, []alert.Code{alert.BackupTooOld}},
		"schedule off":      {with(enabled(good), func(s *Snapshot) { s.Schedule.Enabled, s.Upkeep.Ringing = false, false }), all, []alert.Code{alert.ScheduleOff}},
		"schedule unknown":  {with(enabled(good), func(s *Snapshot) { s.Schedule = schedule.State{} }), known{listedAt: now}, nil},
		"schedule lost":     {with(enabled(good), func(s *Snapshot) { s.Upkeep.Ringing = false }), all, []alert.Code{alert.ScheduleLost}},
		"late":              {with(enabled(good), func(s *Snapshot) { s.Schedule.Missed = 1 }), all, []alert.Code{alert.ScheduleMissed}},
		"late by now":       {with(enabled(good), func(s *Snapshot) { s.Schedule.Anchor = hours(13.01) }), all, []alert.Code{alert.ScheduleMissed}},
		"late, or not read": {with(enabled(good), func(s *Snapshot) { s.Schedule.Anchor = hours(13.5) }), with2(all, func(k *known) { k.upkeptAt = hours(1) }), nil},
		"set back clock":    {with(enabled(good), func(s *Snapshot) { s.Schedule.Anchor, s.Schedule.Slot = hours(100), now.Add(13*time.Hour) }), all, []alert.Code{alert.ClockMoved}},
		"skipped":           {with(enabled(good), func(s *Snapshot) { s.Schedule.Slot, s.Schedule.Outcome = hours(1), schedule.Skipped }), all, []alert.Code{alert.ScheduleSkipped}},
		"unclear update": {with(enabled(good), func(s *Snapshot) {
			s.Schedule.Slot, s.Schedule.Outcome, s.Schedule.Code = hours(1), schedule.Started, "SOURCE_INVALID"
		}), all, []alert.Code{alert.UpdateUnclear}},
		"plainly started":   {with(enabled(good), func(s *Snapshot) { s.Schedule.Slot, s.Schedule.Outcome = hours(1), schedule.Started }), all, nil},
		"kept for long":     {with(enabled(good), func(s *Snapshot) { s.Schedule.RetentionDays = 8 }), all, []alert.Code{alert.BelowRecommended}},
		"not deleted":       {with(enabled(good), func(s *Snapshot) { s.Upkeep.Undeleted = []string{"x"} }), all, []alert.Code{alert.DeletionFailed}},
		"held for a day":    {with(enabled(good), func(s *Snapshot) { s.Upkeep.Hold = "why" }), with2(all, func(k *known) { k.heldSince = hours(24.1) }), []alert.Code{alert.RetentionHolds}},
		"held for hours":    {with(enabled(good), func(s *Snapshot) { s.Upkeep.Hold = "why" }), with2(all, func(k *known) { k.heldSince = hours(23) }), nil},
		"service unserved":  {with(enabled(good), func(s *Snapshot) { s.Unserved = []backup.Service{backup.CA} }), all, []alert.Code{alert.ServiceWithoutWorker}},
		"settings set back": {enabled(good), with2(all, func(k *known) { k.standing = fault.Newf(fault.SettingsReset, "x") }), []alert.Code{alert.SettingsSetBack}},
		"no settings":       {&Snapshot{}, known{notEnabled: true}, []alert.Code{alert.NotEnabled}},
		"keys": {with(enabled(good), func(s *Snapshot) {
			s.Settings.Recipients = []settings.RecipientSummary{{Since: ago(100 * day), Expires: ago(day)}, {Since: now, Expires: now.Add(day)}}
			s.Settings.Recipients[0].Fingerprint, s.Settings.Recipients[1].Fingerprint = "a", "b"
		}), all, []alert.Code{alert.CertificateExpired, alert.KeyUnproven, alert.CertificateExpires}},
		"a change was refused": {with(enabled(good), func(s *Snapshot) {
			s.History.Records = []settings.Record{{Outcome: settings.Applied, At: hours(3)}, {Outcome: settings.Refused, At: hours(2)}, {Outcome: settings.Pending, At: hours(0)}}
		}), all, []alert.Code{alert.ChangeRefused}},
		"a change was applied": {with(enabled(good), func(s *Snapshot) {
			s.History.Records = []settings.Record{{Outcome: settings.Refused, At: hours(2)}, {Outcome: settings.Applied, At: hours(1)}}
		}), all, nil},
	} {
		t.Run(name, func(t *testing.T) {
			for i := range c.snapshot.Backups {
				b := &c.snapshot.Backups[i]
				b.judge(c.snapshot.Upkeep.Verdicts[b.BackupID])
			}
			var got []alert.Code
			for _, a := range alert.Evaluate(facts(c.snapshot, c.known, now)) {
				got = append(got, a.Code)
			}
			require.Equal(t, c.want, got)
		})
	}
}

func with(s *Snapshot, change func(*Snapshot)) *Snapshot {
	change(s)
	return s
}

func with2(k known, change func(*known)) known {
	change(&k)
	return k
}

func found(s *Snapshot, id backup.ID, code fault.Code) *Snapshot {
	s.Upkeep.Verdicts[id] = flow.Verdict{At: hours(1), Code: string(code)}
	return s
}

func beside(s *Snapshot, id backup.ID, code fault.Code) *Snapshot {
	s.Upkeep.Verdicts[id] = flow.Verdict{At: hours(1), Beside: string(code)}
	return s
}

// TestFailuresInARowAreOneOpening: what was acknowledged at the first of them stays so.
func TestFailuresInARowAreOneOpening(t *testing.T) {
	all := []Backup{
		ending("r", backup.Running, 0), failing("c", backup.Failed, 1, fault.BackupFailed, ""), failing("x", backup.Failed, 2, fault.Cancelled, ""),
		failing("b", backup.Failed, 3, fault.ShareFull, ""), ending("a", backup.Succeeded, 4), failing("z", backup.Failed, 5, fault.ShareFull, ""),
	}
	got := newest(all)
	require.Equal(t, backup.ID("c"), got.BackupID)
	require.Equal(t, hours(3), got.Since)
	require.Zero(t, newest(nil))
}

func TestNeeded(t *testing.T) {
	var all []Backup
	for _, size := range []int64{10, 30, 20, 1000} {
		b := ending("b", backup.Succeeded, 1)
		b.TotalBytes = size
		all = append(all, failing("f", backup.Failed, 1, "", ""), b)
	}
	require.EqualValues(t, 30, needed(all), "of the newest three")
	require.Zero(t, needed(nil))
}

func TestRestorable(t *testing.T) {
	plan := schedule.State{Setting: schedule.Setting{Enabled: true, RetentionDays: 7}}
	without := ending("w", backup.Succeeded, 24)
	without.Services[0].Service = backup.CA
	damaged := ending("d", backup.Succeeded, 24)
	damaged.VerifyCode = "BACKUP_DAMAGED"
	partial := failing("p", backup.PartialSucceeded, 1, "", fault.SourceTLS)
	keyed := ending("k", backup.Succeeded, 24)
	keyed.Recipients = []backup.Recipient{{Fingerprint: "a"}, {Fingerprint: "c"}}
	old := ending("o", backup.Succeeded, 24*8)
	ancient := ending("a", backup.Succeeded, 24*60)
	tombstone := func(b Backup) time.Time { return b.StartedAt.Add(60 * day) }
	for name, c := range map[string]struct {
		b     Backup
		kept  bool
		plan  schedule.State
		until time.Time
		why   string
	}{
		"by retention":        {ending("g", backup.Succeeded, 24), false, plan, hours(24).Add(7 * day), "the retention removes it after 7 days"},
		"the newest good":     {ending("g", backup.Succeeded, 24), true, plan, tombstone(ending("g", backup.Succeeded, 24)), "Active Directory remembers deletions for 60 days"},
		"schedule off":        {ending("g", backup.Succeeded, 24), false, schedule.State{}, tombstone(ending("g", backup.Succeeded, 24)), "Active Directory remembers deletions for 60 days"},
		"tombstone is nearer": {ending("g", backup.Succeeded, 24*58), false, schedule.State{Setting: schedule.Setting{Enabled: true, RetentionDays: 90}}, tombstone(ending("g", backup.Succeeded, 24*58)), "Active Directory"},
		"to be removed":       {old, false, plan, old.FinishedAt.Add(7 * day), "after 7 days, which have passed"},
		"too old for AD":      {ancient, true, plan, time.Time{}, "ended on 2027-05-04: what was deleted since would come back"},
		"no AD":               {without, true, plan, Forever, "nothing ends it"},
		"no AD, retention":    {without, false, plan, hours(24).Add(7 * day), "the retention"},
		"damaged":             {damaged, true, plan, time.Time{}, "its verification found BACKUP_DAMAGED"},
		"partial":             {partial, true, plan, time.Time{}, "not everything is in it; not whole: CA"},
		"failed":              {failing("f", backup.Failed, 1, fault.ShareFull, ""), true, plan, time.Time{}, "it failed with SHARE_FULL"},
		"failed, unknown":     {failing("f", backup.Failed, 1, "", ""), true, plan, time.Time{}, "an unknown cause"},
		"running":             {ending("r", backup.Running, 1), true, plan, time.Time{}, "it is not finished"},
		"deleted":             {ending("x", backup.Deleted, 1), true, plan, time.Time{}, "it was deleted"},
		"a certificate ends": {keyed, false, plan, hours(24).Add(7 * day),
			"the retention removes it after 7 days; the certificate of key a ends on 2027-05-05, and its private key opens the backup still"},
	} {
		t.Run(name, func(t *testing.T) {
			s := settings.Summary{Recipients: []settings.RecipientSummary{
				{Recipient: backup.Recipient{Fingerprint: "a"}, Expires: now.Add(day)}, {Recipient: backup.Recipient{Fingerprint: "b"}, Expires: now.Add(day)},
				{Recipient: backup.Recipient{Fingerprint: "c"}, Expires: now.Add(30 * day)},
			}}
			until, why := Restorable(c.b, c.kept, s, c.plan, now)
			require.Equal(t, c.until, until)
			require.Contains(t, why, c.why)
		})
	}
	require.Contains(t, func() string { _, why := Restorable(ancient, true, settings.Summary{}, plan, now); return why }(), "60 days")
}

func TestKept(t *testing.T) {
	s := enabled(failing("p", backup.PartialSucceeded, 1, "", ""), ending("a", backup.Succeeded, 2), ending("b", backup.Succeeded, 3), ending("c", backup.Succeeded, 4), ending("d", backup.Succeeded, 5))
	delete(s.Upkeep.Verdicts, "a")
	require.Equal(t, map[backup.ID]bool{"a": true, "b": true, "c": true}, kept(s), "the newest good one, and two that were verified")
}
