package alert

import (
	"time"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
)

// Limits of what is taken for usual.
const (
	// VerifyWithin is how long after its end the newest backup may be unverified.
	VerifyWithin = 2 * time.Hour
	// VerifyEvery is how long any backup may go without a verification.
	VerifyEvery = 30 * day
	// OldWithoutSchedule is how old the newest good backup may be when there is no schedule.
	// With one it is two of its frequencies.
	OldWithoutSchedule = 25 * time.Hour
	// StalledAfter is how long a running backup may give no sign of progress.
	StalledAfter = 15 * time.Minute
	// ExpiryNotice is how long before its end a certificate is warned of.
	ExpiryNotice = 30 * day
	// RefusalShown is how long a refused change of the settings is worth an alert.
	RefusalShown = 7 * day
	// HoldWithin is how long the retention may be held back: what keeps it for an hour, such as
	// a clock that is being set, passes by itself.
	HoldWithin = day
	// RecommendedHours and RecommendedDays bound frequency and retention as recommended.
	RecommendedHours = 12
	RecommendedDays  = 7

	day = 24 * time.Hour
)

// Facts is what is known of an instance. What is zero is not known, and raises nothing.
type Facts struct {
	Now time.Time // without it nothing is too old

	// Failures are what stands in the way now, such as of reading the instance's state, or of its
	// newest backup. Those that concern only their caller are left out, and so are those whose
	// cause has facts of its own here, with the exception of NOT_ENABLED.
	Failures   []Failure
	NotEnabled bool
	Refused    Refusal // newest change of settings, when it was refused

	Space Space

	NoGood  bool    // the backups were read, and none of them is good
	Good    Run     // newest good backup
	Newest  Run     // newest backup that has ended, with those that left nothing on the share
	Running Running // backup that runs
	Checks  []Check // finished backups and what their verification found; nil when that is not known
	Gone    []Gone  // backups that the ledger records and the share lacks

	Schedule   Schedule
	ClockMoved string // by how much which clock differs, in words
	Hold       Hold
	Undeleted  []string // what could not be deleted

	Keys      []PublicKey
	ProofDays int // after which a key is to be proven again

	Unserved []backup.Service // have to be in a backup, and no worker has a source for them

	Acknowledged []Acknowledgement
	// Open are the alerts of the evaluation before, nil for the first one: what has no time of
	// its own keeps that of its opening.
	Open []Alert
}

// Failure is something that has failed and was not mended since.
type Failure struct {
	Code    fault.Code
	Message string
	Since   time.Time
}

// Refusal is a change of settings that was refused.
type Refusal struct {
	At      time.Time
	By      string
	Code    string
	Message string
}

// Space is that of the share, in bytes.
type Space struct {
	Free, Total int64
	Needed      int64 // by one backup
}

// Run is a backup that has ended.
type Run struct {
	BackupID           backup.ID
	Status             backup.Status
	StartedAt, EndedAt time.Time
	Since              time.Time // since when all backups ended so
	Code, Message      string
	Services           []LostService // that are not whole
}

// LostService is a service that is missing in a backup, wholly or in part.
type LostService struct {
	Service       backup.Service
	Code, Message string
}

// Running is a backup that runs.
type Running struct {
	BackupID  backup.ID
	StartedAt time.Time
	SeenAt    time.Time // when it last made progress
	Step      string
}

// Check is a finished backup and what its newest verification found.
type Check struct {
	Object     string // its ID, or the folder when that has none
	Newest     bool
	Beside     bool // it is no backup, but what lies beside the backups on the share
	EndedAt    time.Time
	VerifiedAt time.Time // zero when it never was
	Code       string    // of the first finding, empty when there was none
	Message    string
}

// Gone is a backup that the share lacks.
type Gone struct {
	BackupID backup.ID
	SeenAt   time.Time
}

// Schedule is what was set, and what came of it.
type Schedule struct {
	Known          bool
	Enabled        bool
	FrequencyHours int // 0 when it was never set
	RetentionDays  int
	ChangedAt      time.Time
	Lost           bool  // Temporal has no schedule that starts backups, although it is enabled
	Late           int64 // backups that were due and not started
	Skipped        Skip  // the newest that was due
	Unclear        Skip  // the newest that was due began, without knowing whether the stamp is being updated
}

// Hold is what keeps the retention from removing anything.
type Hold struct {
	Reason string // in words, empty when nothing does
	Since  time.Time
}

// Skip is a scheduled backup that was not started on purpose, or was in spite of something.
type Skip struct {
	Slot          time.Time
	Code, Message string
}

// PublicKey is a key that backups are encrypted to.
type PublicKey struct {
	Fingerprint string
	Since       time.Time // when it was set
	Expires     time.Time // of its certificate, zero when there is none
	ProvenAt    time.Time // when its holder last answered a challenge
}

// past reports whether more than d has passed since t, as far as both are known.
func (f *Facts) past(t time.Time, d time.Duration) bool {
	return !f.Now.IsZero() && !t.IsZero() && f.Now.After(t.Add(d))
}

// oldAfter is how old the newest good backup may be.
func (s Schedule) oldAfter() time.Duration {
	if s.Enabled && s.FrequencyHours > 0 {
		return 2 * time.Duration(s.FrequencyHours) * time.Hour
	}
	return OldWithoutSchedule
}
