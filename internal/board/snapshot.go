package board

import (
	"slices"
	"time"

	"infrabackup/internal/alert"
	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/restore/drill"
	"infrabackup/internal/schedule"
	"infrabackup/internal/settings"
	"infrabackup/internal/upkeep"
)

// Snapshot is what is known of an instance at one moment. It is never changed: whoever has
// one may read it for as long as they like.
type Snapshot struct {
	Number int64     // grows with every snapshot
	AsOf   time.Time // when it was read; zero when it never was
	// Fault says why the newest attempt to read failed; what could not be read is then as it
	// was AsOf.
	Fault *fault.Fault

	Instance backup.Instance
	Enabled  bool
	Settings settings.Summary // without secrets, zero unless Enabled
	History  settings.History // of changes
	Schedule schedule.State
	Next     time.Time        // slot of the schedule, also while it is off; zero when it was never switched on
	Backups  []Backup         // newest first, with the runs that failed and the one that runs
	More     bool             // older ones were left out
	Running  *flow.Progress   // of the backup that runs, nil when none does
	RunID    string           // of that backup
	Change   *Change          // of settings that runs, nil when none does
	Capacity Capacity         // of the share
	Upkeep   UpkeepFacts      // what the upkeep remembers
	Unserved []backup.Service // have to be in a backup, and no worker has a source for them
	Alerts   []alert.Alert    // open ones, worst first
	Drills   []drill.Listed   // the newest certificates of drills, newest first, as they were DrillsAt
	DrillsAt time.Time        // when they were read; zero when they never were
	// DrillsFault says why the newest attempt to read them failed.
	DrillsFault *fault.Fault
}

// Backup is one backup with what is known beside its manifest.
type Backup struct {
	backup.Overview
	VerifiedAt time.Time // zero when it never was, or could not be read in full
	VerifyCode string    // of what speaks against the backup itself, empty when nothing does
	Restorable time.Time // until when it can be restored, zero when it cannot; [Forever] when nothing ends that
	Why        string    // what ends that, or why it cannot, in words
	Thumbprint string    // SHA-1 of the certificate that it was encrypted to, upper-case hex, empty when there is none or it is not known
	Scheduled  bool      // begun by the schedule
}

// Good reports whether everything can be restored from it, as far as is known.
func (b Backup) Good() bool { return b.Status == backup.Succeeded && b.VerifyCode == "" }

// judge takes over what its newest verification came to. What was found elsewhere on the share is
// no word against the backup.
func (b *Backup) judge(v flow.Verdict) {
	b.VerifiedAt, b.VerifyCode = time.Time{}, ""
	switch {
	case upkeep.Judge(v) == upkeep.Bad:
		b.VerifiedAt, b.VerifyCode = v.At, v.Code
	case v.Code == "":
		b.VerifiedAt = v.At
	}
}

// finished reports whether it is on the share.
func (b Backup) finished() bool {
	return b.Status == backup.Succeeded || b.Status == backup.PartialSucceeded
}

// Change is a change of settings that runs.
type Change struct {
	ID        string
	StartedAt time.Time
}

// Capacity is the space on the share, in bytes; zero when it is not known.
type Capacity struct{ Free, Total int64 }

// NewestGood returns the newest backup that everything can be restored from; false when
// there is none.
func (s *Snapshot) NewestGood() (Backup, bool) {
	for _, b := range s.Backups {
		if b.Good() {
			return b, true
		}
	}
	return Backup{}, false
}

// NewestDrill returns the newest drill whose certificate can be read; nil when there is none.
func (s *Snapshot) NewestDrill() *drill.Listed {
	for i := range s.Drills {
		if s.Drills[i].Brief != nil {
			return &s.Drills[i]
		}
	}
	return nil
}

// ProvenBy returns the newest drill that has proven that a backup can be restored; nil when none has.
func (s *Snapshot) ProvenBy(id backup.ID) *drill.Listed {
	for i := range s.Drills {
		if d := &s.Drills[i]; d.Proves() && d.Brief.BackupID == id {
			return d
		}
	}
	return nil
}

// Alert returns the open alert with a key; false when there is none.
func (s *Snapshot) Alert(key alert.Key) (alert.Alert, bool) {
	for _, a := range s.Alerts {
		if a.Key() == key {
			return a, true
		}
	}
	return alert.Alert{}, false
}

// clone makes a copy whose own fields and slices can be changed. What is behind the elements of
// slices, such as a backup's services, is shared: it is replaced, and not changed.
func (s *Snapshot) clone() *Snapshot {
	out := *s
	out.Backups, out.Alerts, out.Unserved, out.Drills = slices.Clone(s.Backups), slices.Clone(s.Alerts), slices.Clone(s.Unserved), slices.Clone(s.Drills)
	out.History.Records = slices.Clone(s.History.Records)
	out.Settings.Recipients, out.Settings.Services = slices.Clone(s.Settings.Recipients), slices.Clone(s.Settings.Services)
	if s.Running != nil {
		running := *s.Running
		running.Services = slices.Clone(running.Services)
		out.Running = &running
	}
	if s.Change != nil {
		change := *s.Change
		out.Change = &change
	}
	out.Upkeep = s.Upkeep.clone()
	return &out
}
