package portaltest

import (
	"fmt"
	"time"

	"infrabackup/internal/alert"
	"infrabackup/internal/backup"
	"infrabackup/internal/board"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/restore/drill"
	"infrabackup/internal/schedule"
	"infrabackup/internal/settings"
)

// Now is when all snapshots were taken.
var Now = time.Date(2026, time.November, 28, 14, 5, 0, 0, time.UTC)

// States are the names of the snapshots.
var States = []string{"none", "empty", "healthy", "unproven", "unverified", "partial", "damaged", "failed", "running", "away", "hostile"}

// Hostile is what an attacker would like a browser to run.
const Hostile = `"><script>alert(1)</script><img src=x onerror=alert(2)>' onmouseover='alert(3)` + "\u202e{{.}}"

// ID is the ID of the nth newest backup.
func ID(n int) backup.ID {
	return backup.ID(fmt.Sprintf("%02x7d1c3e-5a59-4b0e-9a43-5f0f0f7f6a11", 0xb4-n*7&0xff))
}

// Snapshot returns the snapshot of a state.
func Snapshot(state string) *board.Snapshot {
	s := healthy()
	switch state {
	case "none":
		return &board.Snapshot{Number: 1, AsOf: Now, Instance: s.Instance}
	case "empty":
		s.Backups, s.Alerts = nil, nil
		s.Settings.Recipients[0].ProvenAt = time.Time{}
	case "unproven":
		s.Settings.Recipients[0].ProvenAt = time.Time{}
	case "unverified":
		for i := range s.Backups {
			s.Backups[i].VerifiedAt = time.Time{}
		}
	case "partial":
		partial(s)
	case "damaged":
		damaged(s)
	case "failed":
		failed(s)
	case "running":
		running(s)
	case "away":
		s.AsOf = Now.Add(-17 * time.Minute)
		s.Fault = fault.Newf(fault.TemporalUnreachable, "temporal.corp.example.com:7233 does not answer")
	case "hostile":
		hostile(s)
	}
	return s
}

func healthy() *board.Snapshot {
	instance := backup.Instance{Name: "north", FQDN: "north.azurestack.example.com", Region: "north", DeploymentID: "11f0cbd5-0000-4000-8000-2f4b8bb0a771"}
	key := backup.Recipient{Kind: "x25519", Fingerprint: "SHA256:rF7mUOGo5dSa3sC8Yc1JXWq0bG3nQ2l5Hq3ZpVYt6kE"}
	s := &board.Snapshot{
		Drills: []drill.Listed{Listed(0), Listed(1), Listed(2)},
		Number: 42, AsOf: Now, Instance: instance, Enabled: true,
		Settings: settings.Summary{
			Revision: 4, Instance: instance, Share: settings.Share{Path: `\\fs1.corp.example.com\AzSBackups`, Transport: "encrypted"}, Username: `CORP\azs-backup`,
			Recipients: []settings.RecipientSummary{{Recipient: key, Since: Now.AddDate(0, -2, 0), ProvenAt: Now.AddDate(0, 0, -12), ProvenBy: "mika"}},
			Services:   backup.Services(), ProofDays: 90, ChangedAt: Now.AddDate(0, 0, -30), ChangedBy: "mika",
		},
		History: settings.History{Records: []settings.Record{
			{At: Now.AddDate(0, -2, 0), Kind: settings.KindEnable, By: "mika", What: `share: \\fs1.corp.example.com\AzSBackups; account: CORP\azs-backup`, Revision: 1, Outcome: settings.Applied},
			{At: Now.AddDate(0, 0, -31), Kind: settings.KindShare, By: "noor", What: `share: \\fs1.corp.example.com\AzSBackups -> \\fs2.corp.example.com\AzSBackups`, Outcome: settings.Refused,
				Code: string(fault.ShareAccessDenied), Message: `CORP\azs-backup may not write to \\fs2.corp.example.com\AzSBackups`},
			{At: Now.AddDate(0, 0, -30), Kind: settings.KindCredentials, By: "noor", What: "password: changed", Revision: 4, Outcome: settings.Applied},
			{At: Now.AddDate(0, 0, -12), Kind: settings.KindProof, By: "mika", What: "key proven: " + key.Fingerprint, Outcome: settings.Applied},
		}},
		Schedule: schedule.State{Setting: schedule.Setting{Enabled: true, FrequencyHours: 12, RetentionDays: 7, KeepVerified: 2}, ChangedAt: Now.AddDate(0, 0, -30), ChangedBy: "noor"},
		Next:     Now.Add(8*time.Hour + 55*time.Minute), Capacity: board.Capacity{Free: 812 << 30, Total: 2 << 40}, Alerts: []alert.Alert{},
	}
	for n := range 14 {
		begun := Now.Add(-3*time.Hour - 5*time.Minute - time.Duration(n)*12*time.Hour)
		size := int64(41<<30) - int64(n)*180<<20 + int64(n%3)*700<<20
		took := 22*time.Minute + time.Duration((n*37)%11)*49*time.Second
		b := board.Backup{
			Overview: backup.Overview{
				BackupID: ID(n), Status: backup.Succeeded, StartedAt: begun, FinishedAt: begun.Add(took), TotalBytes: size, RequestedBy: "schedule",
				Path: "north/backups/" + begun.Format("20060102T150405Z"), Recipients: []backup.Recipient{key},
				Consistency: &backup.Consistency{Skew: backup.Skew{Start: begun, End: begun.Add(took), SpreadMS: took.Milliseconds(), ApartMS: 4200, First: backup.CA, Last: backup.RBAC},
					Relations: []backup.RelationCount{{Relation: "disk.image", Checked: 412}, {Relation: "vm.nic", Checked: 1830, Dangling: 2, Unchecked: 4}},
					Dangling:  []backup.DanglingReference{{Service: backup.CRP, ID: "/vm/7", Name: "build-agent-7", Relation: "vm.nic", TargetService: backup.NRP, Target: "/nic/77"}}},
			},
			VerifiedAt: begun.Add(took + 31*time.Minute), Restorable: begun.Add(7 * 24 * time.Hour), Why: "the retention removes it then", Scheduled: true,
		}
		for i, service := range backup.Services() {
			b.Services = append(b.Services, backup.ServiceResult{Service: service, Status: backup.Succeeded, Items: int64(1200 + i*3517), Bytes: size / 8, WindowStart: begun.Add(time.Duration(i) * time.Minute),
				WindowEnd: begun.Add(time.Duration(i)*time.Minute + 90*time.Second), Gaps: []backup.Gap{}})
		}
		b.Services[6].Gaps = []backup.Gap{{Code: "KEY_NOT_EXPORTABLE", Object: "vault fabric, key root-signing", Reason: "the key's policy forbids to export it"}}
		s.Backups = append(s.Backups, b)
	}
	return s
}

func partial(s *board.Snapshot) {
	s.Backups = s.Backups[:2]
	for i := range s.Backups {
		b := &s.Backups[i]
		b.Status, b.Message, b.Code = backup.PartialSucceeded, "NRP is missing", string(fault.BackupIncomplete)
		b.Services[5].Status, b.Services[5].Code = backup.Failed, string(fault.SourceUnreachable)
		b.Services[5].Message = "https://nrp.north.example.com does not answer"
		b.Services[5].Items, b.Services[5].Bytes, b.Services[5].WindowStart = 0, 0, time.Time{}
	}
	s.Alerts = []alert.Alert{{
		Cause: alert.Cause{Code: "NO_GOOD_BACKUP", Severity: alert.Critical, Title: "No complete backup can be restored",
			Description: "Every backup on the share lacks a service. What it lacks would be lost in a restore.", Remedy: "Mend what keeps the service from being read, then start a backup."},
		Message: "The newest 2 backups lack NRP: https://nrp.north.example.com does not answer", Object: "NRP", Since: Now.Add(-15 * time.Hour),
	}}
}

func damaged(s *board.Snapshot) {
	s.Backups = s.Backups[:1]
	s.Backups[0].VerifyCode, s.Backups[0].Restorable, s.Backups[0].Why = string(fault.BackupDamaged), time.Time{}, "parts of it were changed on the share"
	s.Alerts = []alert.Alert{{
		Cause: alert.Cause{Code: "NEWEST_DAMAGED", Severity: alert.Critical, Title: "The newest backup is damaged",
			Description: "Files on the share are not as they were written.", Remedy: "Start a new backup now, then find out what changed the share."},
		Message: "The digest of crp.tar.zst.age differs", Object: string(ID(0)), Since: Now.Add(-40 * time.Minute), AcknowledgedBy: "noor", AcknowledgedAt: Now.Add(-10 * time.Minute),
	}}
}

func failed(s *board.Snapshot) {
	for i := range 3 {
		b := &s.Backups[i]
		b.Status, b.Code, b.Message = backup.Failed, string(fault.ShareFull), `\\fs1.corp.example.com\AzSBackups has 3.1 GiB free, and a backup needs 41.2 GiB`
		b.Path, b.VerifiedAt, b.Restorable, b.Why, b.TotalBytes, b.Consistency = "", time.Time{}, time.Time{}, "", 0, nil
	}
	s.Capacity.Free = 31 << 30 / 10
	s.Alerts = []alert.Alert{
		{Cause: alert.Cause{Code: "BACKUP_FAILED", Severity: alert.Critical, Title: "The last 3 backups failed", Description: "Changes since the newest good backup would be lost in a restore.",
			Remedy: "Mend the cause that the newest one names, then start a backup."}, Message: "SHARE_FULL: the share has 3.1 GiB free, and a backup needs 41.2 GiB", Since: Now.Add(-27 * time.Hour)},
		{Cause: alert.Cause{Code: "CERTIFICATE_EXPIRES", Severity: alert.Warning, Title: "The certificate of a key expires soon", Description: "New backups are no longer made with an expired certificate.",
			Remedy: "Give a new certificate."}, Message: "The certificate of key SHA256:rF7m… expires in 11 days", Since: Now.Add(-48 * time.Hour)},
	}
}

func running(s *board.Snapshot) {
	begun := Now.Add(-9*time.Minute - 20*time.Second)
	id := backup.ID("c07d1c3e-5a59-4b0e-9a43-5f0f0f7f6a11")
	s.RunID = "0197b2c4-6f0e-7c31-8d55-1f2a3b4c5d6e"
	s.Running = &flow.Progress{BackupID: id, Status: backup.Running, Step: "capturing and uploading services", StartedAt: begun}
	phases := []flow.Phase{flow.PhaseDone, flow.PhaseDone, flow.PhaseReadBack, flow.PhaseUpload, flow.PhaseUpload, flow.PhaseCapture, flow.PhaseQueued, flow.PhaseQueued}
	for i, service := range backup.Services() {
		p := flow.ServiceProgress{Service: service, Phase: phases[i], Items: int64(4100 * (8 - i)), TotalBytes: 5 << 30, Bytes: int64(8-i) * 5 << 30 / 8}
		switch phases[i] {
		case flow.PhaseQueued:
			p.Items, p.Bytes, p.TotalBytes = 0, 0, 0
		case flow.PhaseCapture:
			p.TotalBytes = 0
		case flow.PhaseDone:
			p.Bytes = p.TotalBytes
		}
		s.Running.Services = append(s.Running.Services, p)
	}
	s.Backups = append([]board.Backup{{Overview: backup.Overview{BackupID: id, Status: backup.Running, StartedAt: begun, RequestedBy: "noor", Message: s.Running.Step, Services: []backup.ServiceResult{}}}}, s.Backups...)
}

func hostile(s *board.Snapshot) {
	running(s)
	s.Running.Step, s.Running.Services[0].Message, s.Running.Services[0].Code = Hostile, Hostile, Hostile
	s.Settings.Share.Path, s.Settings.Username, s.Settings.Recipients[0].ProvenBy = `\\h\`+Hostile, Hostile, Hostile
	s.Settings.ChangedBy, s.Schedule.ChangedBy, s.Schedule.Message, s.Schedule.Slot = Hostile, Hostile, Hostile, Now
	s.History.Records[1].What, s.History.Records[1].By, s.History.Records[1].Message = Hostile, Hostile, Hostile
	b := &s.Backups[1]
	b.RequestedBy, b.Message, b.Why, b.Path, b.Scheduled = Hostile, Hostile, Hostile, Hostile, false
	b.Services[0].Gaps = []backup.Gap{{Code: "X", Object: Hostile, Reason: Hostile}}
	b.Services[0].Message = Hostile
	b.Consistency.Dangling[0].Name, b.Consistency.Dangling[0].Target = Hostile, Hostile
	b.Foreign.Add(Hostile)
	s.Alerts = []alert.Alert{{Cause: alert.Cause{Code: "X", Severity: alert.Warning, Title: "A title", Description: "A description", Remedy: "A remedy"}, Message: Hostile, Object: Hostile, Since: Now}}
	s.Fault = fault.Newf(fault.ShareIO, "%s", Hostile)
	s.Drills[0].Brief.Target, s.Drills[0].Brief.BackupID = Hostile, b.BackupID
}
