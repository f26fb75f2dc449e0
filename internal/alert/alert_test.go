package alert

import (
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
)

var now = time.Date(2027, 5, 4, 12, 0, 0, 0, time.UTC)

func ago(d time.Duration) time.Time { return now.Add(-d) }

// cause is what makes one alert, beside the time. Those of a group exclude each other.
type cause struct {
	code   Code
	object string
	group  string
	set    func(*Facts)
}

func failure(code fault.Code) func(*Facts) {
	return func(f *Facts) {
		f.Failures = append(f.Failures, Failure{code, "why", ago(time.Hour)})
	}
}

var causes = []cause{
	{NoGoodBackup, "", "good", func(f *Facts) { f.NoGood = true }},
	{NotEnabled, "", "enabled", func(f *Facts) { f.NotEnabled = true }},
	{NotEnabled, "", "enabled", failure(fault.NotEnabled)},
	{NewestDamaged, "n", "newest", func(f *Facts) {
		f.Checks = append(f.Checks, Check{Object: "n", Newest: true, EndedAt: ago(time.Hour), VerifiedAt: ago(time.Minute), Code: "BACKUP_DAMAGED"})
	}},
	{BackupTooOld, "", "good", func(f *Facts) { f.Good = Run{BackupID: "g", StartedAt: ago(25*time.Hour + 1)} }},
	{SettingsSetBack, "", "", failure(fault.SettingsReset)},
	{SettingsUnreadable, "", "", failure(fault.CodecKey)},
	{ShareSetBack, "", "", failure(fault.LedgerRolledBack)},
	{LedgerDamaged, "", "", failure(fault.LedgerDamaged)},
	{BackupMissing, "gone", "", func(f *Facts) { f.Gone = append(f.Gone, Gone{"gone", ago(time.Hour)}) }},
	{ShareOccupied, "", "", failure(fault.InstanceOccupied)},
	{ShareConnection, "", "", failure(fault.ShareUnreachable)},
	{SharePath, "", "", failure(fault.SharePathNotFound)},
	{ShareAccount, "", "", failure(fault.ShareAuthFailed)},
	{ShareAccess, "", "", failure(fault.ShareReadOnly)},
	{ShareFull, "", "", failure(fault.ShareFull)},
	{ShareFailed, "", "", failure(fault.ShareIO)},
	{TemporalUnreachable, "", "", failure(fault.TemporalUnreachable)},
	{NoWorker, "", "", failure(fault.NoWorker)},
	{ForeignRequest, "", "", failure(fault.PayloadRefused)},
	{BackupFailed, "", "run", func(f *Facts) { f.Newest = Run{BackupID: "f", Status: backup.Failed, Code: "BACKUP_FAILED"} }},
	{BackupPartial, "", "run", func(f *Facts) {
		f.Newest = Run{BackupID: "p", Status: backup.PartialSucceeded, Services: []LostService{{Service: backup.AD, Code: "SOURCE_UNREACHABLE"}, {Service: backup.CA}}}
	}},
	{BackupStalled, "", "", func(f *Facts) { f.Running = Running{BackupID: "r", SeenAt: ago(StalledAfter + 1)} }},
	{ScheduleLost, "", "", func(f *Facts) { f.Schedule.Lost = true }},
	{ScheduleMissed, "", "", func(f *Facts) { f.Schedule.Late = 2 }},
	{ScheduleSkipped, "", "", func(f *Facts) { f.Schedule.Skipped = Skip{ago(time.Hour), "BACKUP_RUNNING", "one runs"} }},
	{UpdateUnclear, "", "", func(f *Facts) { f.Schedule.Unclear = Skip{ago(time.Hour), "SOURCE_ACCESS_DENIED", "not told"} }},
	{BackupDamaged, "d", "", func(f *Facts) {
		f.Checks = append(f.Checks, Check{Object: "d", EndedAt: ago(time.Hour), VerifiedAt: ago(time.Minute), Code: "BACKUP_DAMAGED"})
	}},
	{NewestUnverified, "", "newest", func(f *Facts) {
		f.Checks = append(f.Checks, Check{Object: "u", Newest: true, EndedAt: ago(VerifyWithin + 1)})
	}},
	{VerificationOverdue, "", "", func(f *Facts) {
		f.Checks = append(f.Checks, Check{Object: "o", EndedAt: ago(90 * day), VerifiedAt: ago(VerifyEvery + 1)})
	}},
	{ReplacementOpen, "", "", failure(fault.RewrapUnfinished)},
	{ShareAlmostFull, "", "", func(f *Facts) { f.Space = Space{Free: 199, Total: 1 << 40, Needed: 100} }},
	{RetentionHolds, "", "", func(f *Facts) { f.Hold = Hold{"the clocks differ", ago(HoldWithin + 1)} }},
	{DeletionFailed, "", "", func(f *Facts) { f.Undeleted = []string{"backups/x"} }},
	{ClockMoved, "", "", func(f *Facts) { f.ClockMoved = "ten years back" }},
	{ServiceWithoutWorker, "CA", "", func(f *Facts) { f.Unserved = append(f.Unserved, backup.CA) }},
	{WorkerDisk, "", "", failure(fault.SpoolFull)},
	{CertificateExpired, "a", "", func(f *Facts) { f.Keys = append(f.Keys, PublicKey{Fingerprint: "a", Expires: ago(1)}) }},
	{KeyUnproven, "b", "", func(f *Facts) {
		f.ProofDays = 90
		f.Keys = append(f.Keys, PublicKey{Fingerprint: "b", Since: ago(91 * day)})
	}},
	{KeyUnproven, "c", "", func(f *Facts) {
		f.ProofDays = 90
		f.Keys = append(f.Keys, PublicKey{Fingerprint: "c", Since: ago(900 * day), ProvenAt: ago(91 * day)})
	}},
	{ReadFailed, "", "", failure(fault.Internal)},
	{CertificateExpires, "e", "", func(f *Facts) {
		f.Keys = append(f.Keys, PublicKey{Fingerprint: "e", Expires: now.Add(ExpiryNotice - 1)})
	}},
	{ChangeRefused, "", "", func(f *Facts) { f.Refused = Refusal{At: ago(time.Hour), By: "op", Code: "SHARE_NOT_FOUND"} }},
	{ScheduleOff, "", "", func(f *Facts) { f.Schedule.Known = true }},
	{BelowRecommended, "", "", func(f *Facts) { f.Schedule.RetentionDays, f.Schedule.FrequencyHours = 8, 13 }},
}

func keys(all []Alert) []Key {
	out := []Key{}
	for _, a := range all {
		out = append(out, a.Key())
	}
	return out
}

func TestEachCauseCanBeRaised(t *testing.T) {
	raised := map[Code]bool{}
	for _, c := range causes {
		f := Facts{Now: now}
		c.set(&f)
		all := Evaluate(f)
		require.Equal(t, []Key{{c.code, c.object}}, keys(all), c.code)
		require.NotEmpty(t, all[0].Message)
		want, ok := Find(c.code)
		require.True(t, ok)
		require.Equal(t, want, all[0].Cause)
		raised[c.code] = true
	}
	for _, c := range Causes() {
		require.True(t, raised[c.Code], "%s is raised by no test", c.Code)
	}
	require.GreaterOrEqual(t, len(Causes()), 34)
}

// command is what a remedy would name one by.
var command = regexp.MustCompile("`|infrabackup|--[a-z]|(?i)\\b(?:button|click|--?help)\\b")

func TestTableIsComplete(t *testing.T) {
	seen := map[Code]bool{}
	last := 0
	for _, c := range Causes() {
		require.False(t, seen[c.Code], c.Code)
		seen[c.Code] = true
		require.Regexp(t, `^[A-Z][A-Z_]+[A-Z]$`, c.Code)
		require.Contains(t, []Severity{Critical, Warning, Notice}, c.Severity, c.Code)
		require.GreaterOrEqual(t, c.Severity.rank(), last, "%s is out of order", c.Code)
		last = c.Severity.rank()
		for _, text := range []string{c.Title, c.Description, c.Remedy} {
			require.NotRegexp(t, command, text, c.Code)
			require.Regexp(t, `^[A-Z]`, text, c.Code)
			require.Equal(t, strings.TrimSpace(text), text)
		}
		require.NotRegexp(t, `\.$`, c.Title, c.Code)
		require.Regexp(t, `\.$`, c.Description, c.Code)
		require.Regexp(t, `\.$`, c.Remedy, c.Code)
	}
	_, ok := Find("NO_SUCH")
	require.False(t, ok)
}

func TestEveryFaultHasItsCause(t *testing.T) {
	for _, code := range fault.Codes() {
		cause, listed := ofFault[code]
		require.True(t, listed, "%s has no row", code)
		got, ok := OfFault(code)
		require.Equal(t, cause, got)
		require.Equal(t, cause != none, ok, code)
		if ok {
			_, found := Find(cause)
			require.True(t, found, code)
		}
	}
	require.Len(t, ofFault, len(fault.Codes()), "a row is of no fault")
	cause, ok := OfFault("NEWER_THAN_THIS")
	require.True(t, ok)
	require.Equal(t, ReadFailed, cause)
	_, ok = OfFault("")
	require.False(t, ok)
}

// healthy is an instance at which nothing is wrong.
func healthy() Facts {
	return Facts{
		Now: now, Space: Space{Free: 200, Total: 1000, Needed: 100},
		Failures: []Failure{{fault.BackupRunning, "one runs", now}, {fault.Cancelled, "", now}},
		Good:     Run{BackupID: "g", Status: backup.Succeeded, StartedAt: ago(24 * time.Hour), EndedAt: ago(23 * time.Hour)},
		Newest:   Run{BackupID: "g", Status: backup.Succeeded, StartedAt: ago(24 * time.Hour), EndedAt: ago(23 * time.Hour)},
		Running:  Running{BackupID: "r", StartedAt: ago(time.Hour), SeenAt: ago(StalledAfter)},
		Checks: []Check{
			{Object: "g", Newest: true, EndedAt: ago(VerifyWithin)}, {Object: "h", EndedAt: ago(VerifyEvery)}, {Object: "i", EndedAt: ago(90 * day), VerifiedAt: ago(VerifyEvery)},
		},
		Schedule:  Schedule{Known: true, Enabled: true, FrequencyHours: 12, RetentionDays: 7},
		Keys:      []PublicKey{{Fingerprint: "k", Since: ago(90 * day), Expires: now.Add(ExpiryNotice)}, {Fingerprint: "l", Since: ago(900 * day), ProvenAt: ago(90 * day)}},
		ProofDays: 90, Refused: Refusal{At: ago(RefusalShown + 1)}, Hold: Hold{"the clocks differ", ago(HoldWithin)},
	}
}

func TestHealthyRaisesNothing(t *testing.T) {
	require.Empty(t, Evaluate(healthy()))
	require.Empty(t, Evaluate(Facts{}))
	require.Empty(t, Evaluate(Facts{Now: now}))
	require.NotNil(t, Evaluate(Facts{}), "an empty JSON array, not null")
	// Without a clock nothing is too old.
	f := healthy()
	f.Now = time.Time{}
	require.Empty(t, Evaluate(f))
}

// TestMendedFactsCloseTheirAlertsAndNoOther tries many sets of things that are wrong, and mends one
// after the other in any order.
func TestMendedFactsCloseTheirAlertsAndNoOther(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var chosen []cause
		groups := map[string]bool{}
		for _, i := range random.Perm(len(causes))[:1+random.IntN(len(causes))] {
			if c := causes[i]; c.group == "" || !groups[c.group] {
				groups[c.group] = true
				chosen = append(chosen, c)
			}
		}
		facts := func() Facts {
			f := Facts{Now: now}
			for _, c := range chosen {
				c.set(&f)
			}
			return f
		}
		for len(chosen) > 0 {
			before := Evaluate(facts())
			require.Len(t, before, len(chosen))
			require.Equal(t, before, Evaluate(facts()), "the same facts give the same alerts")
			require.True(t, slices.IsSortedFunc(before, func(a, b Alert) int { return a.Severity.rank() - b.Severity.rank() }))
			mended := chosen[0]
			chosen = chosen[1:]
			opened, closed := Changes(before, Evaluate(facts()))
			require.Empty(t, opened)
			require.Equal(t, []Key{{mended.code, mended.object}}, keys(closed))
		}
		require.Empty(t, Evaluate(facts()))
	}
}

func TestTooOldBySchedule(t *testing.T) {
	f := Facts{Now: now, Good: Run{BackupID: "g", StartedAt: ago(8 * time.Hour)}, Schedule: Schedule{Known: true, Enabled: true, FrequencyHours: 4}}
	require.Empty(t, Evaluate(f))
	f.Now = f.Now.Add(1)
	require.Equal(t, []Key{{BackupTooOld, ""}}, keys(Evaluate(f)))
	require.Equal(t, now, Evaluate(f)[0].Since)
	f.Schedule.Enabled = false
	require.Equal(t, []Key{{ScheduleOff, ""}}, keys(Evaluate(f)))
}

func TestAcknowledgements(t *testing.T) {
	f := Facts{Now: now, Newest: Run{BackupID: "x", Status: backup.Failed, Since: ago(time.Hour)}}
	f.Acknowledged = []Acknowledgement{
		{BackupFailed, "", "late", ago(time.Minute), "seen"}, {BackupFailed, "", "early", ago(time.Hour), "unseen"},
		{BackupFailed, "other", "no", now, ""}, {BackupPartial, "", "no", now, ""},
	}
	a := Evaluate(f)[0]
	require.Equal(t, "late", a.AcknowledgedBy)
	require.Equal(t, ago(time.Minute), a.AcknowledgedAt)
	require.Equal(t, "seen", a.Note)
	f.Newest.Since = ago(time.Second)
	require.Empty(t, Evaluate(f)[0].AcknowledgedBy, "it was another opening")
}

// TestOpeningIsRemembered: what has no time of its own is dated by its opening, and one that was
// open when the first look was taken stays acknowledged.
func TestOpeningIsRemembered(t *testing.T) {
	f := Facts{Now: now, Undeleted: []string{"x"}, Acknowledged: []Acknowledgement{{DeletionFailed, "", "op", ago(time.Hour), ""}}}
	first := Evaluate(f)
	require.Zero(t, first[0].Since)
	require.Equal(t, "op", first[0].AcknowledgedBy)
	f.Open = first
	require.Equal(t, first, Evaluate(f))

	f.Undeleted, f.Now = nil, now.Add(time.Minute)
	f.Open = Evaluate(f)
	require.Empty(t, f.Open)
	f.Undeleted, f.Now = []string{"x"}, now.Add(time.Hour)
	f.Open = Evaluate(f)
	require.Equal(t, now.Add(time.Hour), f.Open[0].Since)
	require.Empty(t, f.Open[0].AcknowledgedBy)
	f.Now = now.Add(2 * time.Hour)
	require.Equal(t, f.Open, Evaluate(f))
}

func TestMessagesAreOneBoundedLine(t *testing.T) {
	f := Facts{Now: now, Failures: []Failure{
		{fault.ShareIO, "later", now}, {fault.ShareIO, "first\nline " + strings.Repeat("x", 4000), ago(time.Hour)}, {fault.ShareIO, "undated", time.Time{}},
	}}
	for i := range 50 {
		f.Undeleted = append(f.Undeleted, string(rune('a'+i%26)))
	}
	all := Evaluate(f)
	require.Len(t, all, 2)
	require.Contains(t, all[0].Message, "SHARE_IO: first?line xxx")
	require.Equal(t, ago(time.Hour), all[0].Since)
	require.LessOrEqual(t, len(all[0].Message), maxMessage)
	require.Equal(t, "not deleted: a, b, c, d, e, f, g, h and 42 more", all[1].Message)
}

func TestObjectsAreReportedOnceAndInOrder(t *testing.T) {
	f := Facts{Now: now, Unserved: []backup.Service{backup.RBAC, backup.AD, backup.RBAC}}
	require.Equal(t, []Key{{ServiceWithoutWorker, "AD"}, {ServiceWithoutWorker, "RBAC"}}, keys(Evaluate(f)))
}

func TestSizes(t *testing.T) {
	for want, n := range map[string]int64{"0 bytes": 0, "1023 bytes": 1023, "1.0 KiB": 1024, "1.5 GiB": 3 << 29, "8192.0 PiB": 1<<63 - 1} {
		require.Equal(t, want, size(n))
	}
}
